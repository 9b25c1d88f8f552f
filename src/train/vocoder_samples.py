"""What a vocoder makes of held-out clips, to listen to and to look at."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor

from understudy.data.media import Seconds
from understudy.data.vocoder_datamodule import VoiceSegment
from understudy.train.vocoder import VocoderTraining
from understudy.train.voice_metrics import plain
from understudy.train.voice_samples import draw_mel, write_sample


class VocoderSamples(pl.Callback):
    """Sound and log-mels of the first `clips` held-out clips, the recording's beside.

    At every validation in TensorBoard, the recording's sound once; of a test as files in `RUN/samples`.
    """

    def __init__(self, *, clips: int = 3) -> None:
        self.clips = clips
        self.recorded: set[str] = set()  # clips whose recording TensorBoard has

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: VoiceSegment,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if batch_idx >= self.clips or trainer.sanity_checking:
            return
        assert isinstance(pl_module, VocoderTraining)
        clip, rate, step = batch["clip"][0], pl_module.generator.sample_rate, trainer.global_step
        ours, real = outputs["audio"], batch["audio"]
        with torch.no_grad():
            mels = {
                "recording": pl_module.log_mel(real),
                "heard by the vocoder": batch["mel"],
                "vocoder": pl_module.log_mel(ours),
            }
        picture = mel_figure(mels, pl_module.log_mel.frame)
        if trainer.testing:
            sounds = {"ours": plain(ours[0]), "real": plain(real[0])}
            write_sample(Path(trainer.default_root_dir) / "samples", clip, sounds, rate, picture)
        elif isinstance(trainer.logger, TensorBoardLogger):
            writer = trainer.logger.experiment
            writer.add_audio(f"sound/{clip}", plain(ours[0]), step, rate)
            if clip not in self.recorded:
                self.recorded.add(clip)
                writer.add_audio(f"recording/{clip}", plain(real[0]), step, rate)
            writer.add_figure(f"mel/{clip}", picture, step)

    def on_test_batch_end(self, *arguments: Any, **named: Any) -> None:
        self.on_validation_batch_end(*arguments, **named)


def mel_figure(mels: dict[str, Tensor], frame: Seconds) -> Figure:
    """One under the other: (1, n_mels, frames) each, a frame of so many seconds."""
    figure = Figure(figsize=(8, 2 * len(mels)), layout="constrained")
    axes = figure.subplots(len(mels), sharex=True, squeeze=False)[:, 0]
    for axis, (title, mel) in zip(axes, mels.items(), strict=True):
        draw_mel(axis, plain(mel[0]), frame)
        axis.set_title(title, fontsize=9)
        axis.set_ylabel("mel band")
    axes[-1].set_xlabel("seconds")
    return figure
