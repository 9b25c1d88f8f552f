"""What a synthetic voice sounds and looks like, beside the real one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import soundfile
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pytorch_lightning.loggers import TensorBoardLogger

from understudy.data.media import Seconds
from understudy.train.voice_metrics import Synthesis, plain

QUIETEST, LOUDEST = -9.0, 1.0  # natural logarithms of mels: black and white in pictures


class VoiceSamples(pl.Callback):
    """Sound, mels and alignment of the first `clips` held-out clips.

    At every validation in TensorBoard, the real sound once; of a test as files in `RUN/samples`, the real
    mel above ours and WAV files. The module has a `sample_rate`, and its steps return a `Synthesis`.
    """

    def __init__(self, *, clips: int = 4) -> None:
        self.clips = clips
        self.shown = 0
        self.sounding: set[str] = set()  # clips whose real sound TensorBoard has

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.shown = 0

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if trainer.sanity_checking:
            return
        clips: Synthesis = outputs
        rate: Any = pl_module.sample_rate
        for k, clip in enumerate(clips["clip"][: self.clips - self.shown]):
            sounds = {"ours": plain(clips["sound"][k]), "real": plain(clips["real"][k])}
            picture = side_by_side(
                plain(clips["mel"][k]),
                plain(clips["found"][k]),
                plain(clips["alignment"][k]),
                clips["tokens"][k],
                seconds_a_frame=len(sounds["real"]) / clips["mel"][k].shape[1] / rate,
            )
            picture.suptitle(clip)
            if trainer.testing:
                write_sample(Path(trainer.default_root_dir) / "samples", clip, sounds, rate, picture)
            elif isinstance(trainer.logger, TensorBoardLogger):
                if clip in self.sounding:
                    del sounds["real"]
                self.sounding.add(clip)
                writer, step = trainer.logger.experiment, trainer.global_step
                for who, samples in sounds.items():
                    writer.add_audio(f"sound/{clip}/{who}", samples, step, rate)
                writer.add_figure(f"mel/{clip}", picture, step)
            self.shown += 1

    def on_test_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.on_validation_epoch_start(trainer, pl_module)

    def on_test_batch_end(self, *arguments: Any, **named: Any) -> None:
        self.on_validation_batch_end(*arguments, **named)


def side_by_side(
    real: np.ndarray,
    found: np.ndarray,
    alignment: np.ndarray,
    tokens: Sequence[str],
    *,
    seconds_a_frame: Seconds,
) -> Figure:
    """The real log-mel (n_mels, frames) above ours, and the alignment (tokens, frames) on their right."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    axes = figure.subplot_mosaic([["real", "alignment"], ["ours", "alignment"]], width_ratios=[1.2, 1])
    duration = max(real.shape[1], found.shape[1]) * seconds_a_frame
    for name, mel in (("real", real), ("ours", found)):
        draw_mel(axes[name], mel, seconds_a_frame)
        axes[name].set(ylabel=f"{name}, mel band", xlim=(0, duration))
    axes["ours"].set_xlabel("seconds")
    axes["alignment"].imshow(
        alignment,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(0, alignment.shape[1] * seconds_a_frame, -0.5, len(alignment) - 0.5),
    )
    size = float(np.clip(280 / len(tokens), 3, 9))  # points; more tokens want smaller letters
    axes["alignment"].set_yticks(range(len(tokens)), tokens, fontsize=size)
    axes["alignment"].set_xlabel("seconds")
    return figure


def draw_mel(axes: Axes, mel: np.ndarray, seconds_a_frame: Seconds) -> None:
    """A log-mel (n_mels, frames) in the same colours whatever its loudness."""
    axes.imshow(
        mel,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=QUIETEST,
        vmax=LOUDEST,
        extent=(0, mel.shape[1] * seconds_a_frame, 0, len(mel)),
    )


def write_sample(
    folder: Path, clip: str, sounds: dict[str, np.ndarray], sample_rate: int, picture: Figure
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for who, samples in sounds.items():
        soundfile.write(folder / f"{clip}_{who}.wav", samples, sample_rate)
    picture.savefig(folder / f"{clip}.png", dpi=110)
