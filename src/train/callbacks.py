"""What to look at while a talking face trains."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor

from understudy.data.faces_datamodule import Window
from understudy.data.media import FPS, SAMPLE_RATE, VideoWriter


class SampleVideos(pl.Callback):
    """Real over generated for the first `clips` held-out clips of every validation or test.

    MP4 with sound and a strip of stills in `RUN/videos/`; in TensorBoard the moving picture, and
    its sound beside it, for TensorBoard knows no video with sound.
    """

    def __init__(self, *, clips: int = 3, enlarge: int = 2) -> None:
        self.clips, self.enlarge = clips, enlarge

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Window,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if batch_idx >= self.clips or trainer.sanity_checking:
            return
        generated = (outputs[0] * 255).round().byte()
        pictures = torch.cat([batch["frames"][0], generated], dim=2)  # (time, 3, 2 * height, width)
        frames = enlarged(pictures, self.enlarge)
        margin = (batch["audio"].shape[1] - round(len(frames) / FPS * SAMPLE_RATE)) // 2
        audio = batch["audio"][0, margin : batch["audio"].shape[1] - margin].float().cpu()
        name = batch["clip"][0]
        folder = Path(trainer.default_root_dir) / "videos"
        when = "" if trainer.testing else f"_step{trainer.global_step:06d}"
        path = folder / f"{name}{when}.mp4"
        write_clip(path, frames, audio.numpy())
        every = max(len(frames) // 16, 1)
        Image.fromarray(np.concatenate(list(frames[::every]), axis=1)).save(path.with_suffix(".png"))
        if isinstance(trainer.logger, TensorBoardLogger):
            writer, step = trainer.logger.experiment, trainer.global_step
            writer._get_file_writer().add_summary(gif_summary(f"video/{name}", frames), step)
            writer.add_audio(f"sound/{name}", audio, step, SAMPLE_RATE)

    def on_test_batch_end(self, *arguments: Any, **named: Any) -> None:
        self.on_validation_batch_end(*arguments, **named)


class SyncWatch(pl.Callback):
    """Says in words what is wrong when the sync discriminator does not learn."""

    def __init__(self, *, after_steps: int = 2000, at_least: float = 0.55) -> None:
        self.after_steps, self.at_least = after_steps, at_least
        self.average = 0.5

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        accuracy = trainer.callback_metrics.get("accuracy/sync")
        if accuracy is None or trainer.global_step > self.after_steps:
            return
        self.average += (float(accuracy) - self.average) / 200
        if trainer.global_step == self.after_steps and self.average < self.at_least:
            print(
                f"\nafter {self.after_steps} steps the sync discriminator still judges only "
                f"{self.average:.0%} right (chance is 50%). Usual causes: sound and "
                "picture of the recordings are apart (see av_offset in manifests/faces.jsonl), the mouth "
                "is not inside model.sync_discriminator.crop (see contact_sheet.png), or "
                "model.discriminator_optimizer.lr is too small."
            )


def enlarged(pictures: Tensor, times: int) -> np.ndarray:
    """uint8 (time, 3, height, width) -> (time, height * times, width * times, 3)."""
    frames = pictures.permute(0, 2, 3, 1).cpu().numpy()
    return frames.repeat(times, axis=1).repeat(times, axis=2)


def write_clip(path: Path, frames: np.ndarray, audio: np.ndarray) -> None:
    """frames (time, height, width, 3) uint8 and audio (samples,) float32 as MP4."""
    samples = round(SAMPLE_RATE / FPS)
    with VideoWriter(path, width=frames.shape[2], height=frames.shape[1], sample_rate=SAMPLE_RATE) as video:
        for k, frame in enumerate(frames):
            video.write(frame)
            video.write_audio(audio[k * samples : (k + 1) * samples])


def gif_summary(tag: str, frames: np.ndarray) -> Summary:
    """A moving picture for TensorBoard's image panel: frames (time, height, width, 3) uint8."""
    pictures = [Image.fromarray(frame) for frame in frames]
    file = io.BytesIO()
    pictures[0].save(
        file, "GIF", save_all=True, append_images=pictures[1:], duration=round(1000 / FPS), loop=0
    )
    image = Summary.Image(
        height=frames.shape[1], width=frames.shape[2], colorspace=3,
        encoded_image_string=file.getvalue(),
    )  # fmt: skip
    return Summary(value=[Summary.Value(tag=tag, image=image)])
