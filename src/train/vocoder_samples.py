"""What a vocoder makes of held-out clips, to listen to and to look at in TensorBoard."""

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
from understudy.train.voice_samples import draw_mel


class VocoderSamples(pl.Callback):
    """Sound and log-mels of the first `clips` held-out clips at every validation, the recording's beside."""

    def __init__(self, *, clips: int = 3) -> None:
        self.clips = clips
        self.recorded: set[str] = set()  # clips whose recording is there already

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: VoiceSegment,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        logger = trainer.logger
        if batch_idx >= self.clips or trainer.sanity_checking or not isinstance(logger, TensorBoardLogger):
            return
        assert isinstance(pl_module, VocoderTraining)
        clip, rate, step = batch["clip"][0], pl_module.generator.sample_rate, trainer.global_step
        ours = outputs["audio"]
        logger.experiment.add_audio(f"sound/{clip}", ours[0].float().cpu(), step, rate)
        if clip not in self.recorded:
            self.recorded.add(clip)
            logger.experiment.add_audio(f"recording/{clip}", batch["audio"][0].cpu(), step, rate)
        with torch.no_grad():
            mels = {
                "recording": pl_module.log_mel(batch["audio"]),
                "heard by the vocoder": batch["mel"],
                "vocoder": pl_module.log_mel(ours),
            }
        logger.experiment.add_figure(f"mel/{clip}", mel_figure(mels, pl_module.log_mel.frame), step)


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
