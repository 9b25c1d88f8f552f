"""Training of the talking face: one generator against three discriminators.

After Vougioukas, Petridis and Pantic, "Realistic Speech-Driven Facial Animation with GANs", IJCV
2020; the reconstruction loss is weighted around the mouth's landmarks instead of the lower half.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from understudy.data.faces_datamodule import Window
from understudy.data.landmarks import Landmarker
from understudy.errors import UserError
from understudy.models.sda import (
    FrameDiscriminator,
    Generator,
    SequenceDiscriminator,
    SyncDiscriminator,
)
from understudy.models.sda.audio import MELS_PER_FRAME, SAMPLE_RATE, SAMPLES_PER_FRAME
from understudy.train.face_metrics import FaceMetrics
from understudy.train.losses import accuracy, judged, mouth_map
from understudy.train.module import TwinModule


class SDA(TwinModule):
    """The GAN. A step trains the three discriminators, then the generator."""

    metrics: FaceMetrics
    role = "sda"
    headline = ("mouth_distance/generated", "psnr/generated", "ssim/generated")  # of a run

    def __init__(
        self,
        *,
        generator: Generator,
        frame_discriminator: FrameDiscriminator,
        sequence_discriminator: SequenceDiscriminator,
        sync_discriminator: SyncDiscriminator,
        optimizer: Callable[[Iterable[Tensor]], Optimizer],
        discriminator_optimizer: Callable[[Iterable[Tensor]], Optimizer],
        landmarker: Landmarker | None = None,
        reconstruction_weight: float = 300.0,
        frame_weight: float = 1.0,
        sync_weight: float = 0.8,
        sequence_weight: float = 0.2,
        mouth_emphasis: float = 8.0,
        frames_judged: int = 4,
        sync_windows: int = 4,
        min_shift: int = 4,
        decay_steps: int = 4000,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = generator
        self.frame_discriminator = frame_discriminator
        self.sequence_discriminator = sequence_discriminator
        self.sync_discriminator = sync_discriminator
        self.make_optimizer = optimizer
        self.make_discriminator_optimizer = discriminator_optimizer
        self.metrics = FaceMetrics(landmarker)
        self.reconstruction_weight = reconstruction_weight
        self.frame_weight, self.sync_weight = frame_weight, sync_weight
        self.sequence_weight = sequence_weight
        self.mouth_emphasis = mouth_emphasis
        self.frames_judged, self.sync_windows = frames_judged, sync_windows
        self.min_shift = min_shift  # frames from which on sound counts as out of step
        self.decay_steps = decay_steps
        self.seed = seed

    def configure_optimizers(self) -> tuple[list[Optimizer], list[LambdaLR]]:
        discriminators = [
            *self.frame_discriminator.parameters(),
            *self.sequence_discriminator.parameters(),
            *self.sync_discriminator.parameters(),
        ]
        optimizers = [
            self.make_discriminator_optimizer(discriminators),
            self.make_optimizer(self.generator.parameters()),
        ]
        return optimizers, [LambdaLR(optimizer, self.learning_rate_at) for optimizer in optimizers]

    def learning_rate_at(self, step: int) -> float:
        """Half a cosine from the full learning rate to a twentieth of it."""
        if self.decay_steps <= 0:  # trainer.max_steps=-1: nobody knows how long it will be
            return 1.0
        return max(0.05, (1 + math.cos(math.pi * min(step / self.decay_steps, 1))) / 2)

    def training_step(self, batch: Window, batch_idx: int) -> None:
        # chance depends on the step alone, so a run that is resumed draws what it would have drawn
        torch.manual_seed(self.seed + self.global_step)
        discriminators_step, generator_step = self.optimizer_list()
        still, real, mel = self.unpack(batch)
        fake = self.generator(still, self.heard_by_generator(mel, real.shape[1]))

        loss = self.discriminators_loss(still, real, fake.detach(), mel)
        discriminators_step.zero_grad()
        self.manual_backward(loss)
        # the bare optimizer: Lightning counts steps, and a step here is one batch
        discriminators_step.optimizer.step()
        due = (self.global_step + 1) % (getattr(self.trainer, "log_every_n_steps", 0) or 1) == 0
        if due:
            self.log_gradient_norm("discriminator", discriminators_step)

        self.freeze_discriminators(True)
        loss = self.generator_loss(still, real, fake, mel, batch["mouth"])
        generator_step.zero_grad()
        self.manual_backward(loss)
        generator_step.step()
        self.freeze_discriminators(False)
        if due:
            self.log_gradient_norm("generator", generator_step)

        for schedule in self.lr_schedulers():  # type: ignore[union-attr]
            schedule.step()

    def unpack(self, batch: Window) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures in [0, 1], and log-mels of the frames with the batch's margin on both sides."""
        self.check(batch)
        still, real = batch["still"] / 255, batch["frames"] / 255
        overlap = self.generator.log_mel.overlap
        with torch.autocast(self.device.type, enabled=False):  # spectra want full precision
            mel = self.generator.log_mel(F.pad(batch["audio"], (overlap, 0)))
        return still, real, mel

    def check(self, batch: Window) -> None:
        """Raises `UserError` where the data's settings do not fit the model's."""
        frames, _, height, width = batch["frames"].shape[1:]
        made_for = self.generator.height, self.generator.width
        if (height, width) != made_for:
            raise UserError(
                f"faces were cut out {width}x{height}, the model draws {made_for[1]}x{made_for[0]}; "
                "change model.generator.width and .height, or stages.faces and prepare again"
            )
        if frames < self.sync_discriminator.frames:
            raise UserError(
                f"a window of {frames} frames is too short to judge whether sound and picture are in "
                f"step; set data.frames and data.val_frames to {self.sync_discriminator.frames} or more"
            )

    def margin(self, mel: Tensor, frames: int) -> int:
        """Video frames of sound on either side of the batch's frames."""
        margin = (mel.shape[2] // MELS_PER_FRAME - frames) // 2
        needed = max(self.generator.context, self.generator.lookahead)
        if margin < needed:
            raise UserError(
                f"data.margin gives the model {margin} frames of sound around a window, it listens "
                f"to {needed}; set data.margin={needed * SAMPLES_PER_FRAME / SAMPLE_RATE:g} or more"
            )
        return margin

    def heard_by_generator(self, mel: Tensor, frames: int) -> Tensor:
        margin = self.margin(mel, frames)
        first = margin - self.generator.context
        last = margin + frames + self.generator.lookahead
        return mel[:, :, first * MELS_PER_FRAME : last * MELS_PER_FRAME]

    def discriminators_loss(self, still: Tensor, real: Tensor, fake: Tensor, mel: Tensor) -> Tensor:
        """Real is real; generated is not; and real pictures with other sound are out of step."""
        frames = real.shape[1]
        margin = self.margin(mel, frames)
        own = mel[:, :, margin * MELS_PER_FRAME : (margin + frames) * MELS_PER_FRAME]

        stills, chosen_real, chosen_fake = self.choose_frames(still, real, fake)
        frame_real = self.frame_discriminator(chosen_real, stills)
        frame_fake = self.frame_discriminator(chosen_fake, stills)

        sequence_real = self.sequence_discriminator(real, own)
        sequence_fake = self.sequence_discriminator(fake, own)

        starts = self.sync_starts(frames)
        sync_real = self.judge_sync(real, mel, starts, starts + margin)
        sync_fake = self.judge_sync(fake, mel, starts, starts + margin)
        smallest, largest = self.shifts(frames)
        elsewhere = self.shifted(starts, torch.randint(smallest, largest + 1, starts.shape), frames)
        sync_shifted = self.judge_sync(real, mel, starts, elsewhere + margin)

        losses = {
            "frame": judged(frame_real, True) + judged(frame_fake, False),
            "sequence": judged(sequence_real, True) + judged(sequence_fake, False),
            "sync": judged(sync_real, True) + (judged(sync_fake, False) + judged(sync_shifted, False)) / 2,
        }
        self.log_dict({f"discriminator/{name}": loss / 2 for name, loss in losses.items()})
        self.log_dict(
            {
                "accuracy/frame": accuracy(frame_real, frame_fake),
                "accuracy/sequence": accuracy(sequence_real, sequence_fake),
                "accuracy/sync": accuracy(sync_real, sync_shifted),
                "accuracy/sync_generated": accuracy(sync_real, sync_fake),
            }
        )
        return losses["frame"] + losses["sequence"] + losses["sync"]

    def generator_loss(self, still: Tensor, real: Tensor, fake: Tensor, mel: Tensor, mouth: Tensor) -> Tensor:
        """Near the real frames, most of all around the mouth, and real to all three judges."""
        frames = real.shape[1]
        margin = self.margin(mel, frames)
        own = mel[:, :, margin * MELS_PER_FRAME : (margin + frames) * MELS_PER_FRAME]
        importance = mouth_map(
            mouth, real.shape[-2], real.shape[-1], self.mouth_emphasis
        )  # (batch, time, 1, h, w)
        stills, chosen = self.choose_frames(still, fake)
        starts = self.sync_starts(frames)
        losses = {
            "reconstruction": (importance * (fake - real).abs()).mean(),
            "frame": judged(self.frame_discriminator(chosen, stills), True),
            "sequence": judged(self.sequence_discriminator(fake, own), True),
            "sync": judged(self.judge_sync(fake, mel, starts, starts + margin), True),
        }
        self.log_dict({f"generator/{name}": loss for name, loss in losses.items()})
        return (
            self.reconstruction_weight * losses["reconstruction"]
            + self.frame_weight * losses["frame"]
            + self.sequence_weight * losses["sequence"]
            + self.sync_weight * losses["sync"]
        )

    def choose_frames(self, still: Tensor, *clips: Tensor) -> list[Tensor]:
        """The still for each of some random frames, and those frames of each clip."""
        chosen = torch.randperm(clips[0].shape[1], device=still.device)[: self.frames_judged]
        return [
            still.repeat_interleave(len(chosen), dim=0),
            *(clip[:, chosen].flatten(0, 1) for clip in clips),
        ]

    def sync_starts(self, frames: int) -> Tensor:
        """First frames of the windows that are judged for synchrony: (windows,)."""
        last = frames - self.sync_discriminator.frames
        return torch.randperm(last + 1)[: self.sync_windows]

    def shifts(self, frames: int) -> tuple[int, int]:
        """The smallest and largest way from a window to another place in the sound of the same frames.

        Not in the margin around them: beyond a clip's ends that is silence, which would give away
        that the sound is not the window's own.
        """
        places = frames - self.sync_discriminator.frames + 1
        smallest = min(self.min_shift, places // 2)
        return smallest, places - smallest

    def shifted(self, starts: Tensor, offset: int | Tensor, frames: int) -> Tensor:
        """Windows' starts moved round within so many frames."""
        return (starts + offset) % (frames - self.sync_discriminator.frames + 1)

    def judge_sync(self, frames: Tensor, mel: Tensor, frame_starts: Tensor, mel_starts: Tensor) -> Tensor:
        """Logits (windows * batch,) of pictures and sound from these places on."""
        length = self.sync_discriminator.frames
        seen = torch.cat([frames[:, start : start + length] for start in frame_starts.tolist()])
        heard = torch.cat(
            [
                mel[:, :, start * MELS_PER_FRAME : (start + length) * MELS_PER_FRAME]
                for start in mel_starts.tolist()
            ]
        )
        return self.sync_discriminator(seen, heard)

    def freeze_discriminators(self, frozen: bool) -> None:
        """While the generator learns, the judges' own gradients are not worth computing."""
        for net in (self.frame_discriminator, self.sequence_discriminator, self.sync_discriminator):
            net.requires_grad_(not frozen)

    def log_gradient_norm(self, name: str, optimizer: Any) -> None:
        gradients = [
            p.grad for g in optimizer.optimizer.param_groups for p in g["params"] if p.grad is not None
        ]
        self.log(f"gradient_norm/{name}", torch.nn.utils.get_total_norm(gradients))
        self.log(f"learning_rate/{name}", optimizer.optimizer.param_groups[0]["lr"])

    def on_validation_epoch_start(self) -> None:
        self.metrics.reset()

    def validation_step(self, batch: Window, batch_idx: int) -> Tensor:
        """Frames (batch, time, 3, height, width) from each clip's first frame and its sound."""
        torch.manual_seed(self.seed + batch_idx)
        still, real, mel = self.unpack(batch)
        fake = self.generator(still, self.heard_by_generator(mel, real.shape[1])).float().clamp(0, 1)
        frozen = still.unsqueeze(1).expand_as(real)
        for who, frames in {"generated": fake, "still": frozen, "real": real}.items():
            if who == "generated" or not self.metrics.knows(batch["clip"], who):
                self.metrics.compare(who, frames, real, batch["mouth"], batch["clip"])
            self.metrics.add(who, "sync_accuracy", self.sync_accuracy(frames, mel))
        return fake

    def on_validation_epoch_end(self) -> None:
        values = self.metrics.summary()
        for who, metrics in values.items():
            self.log_dict({f"{name}/{who}": value for name, value in metrics.items()})
        if "generated" in values:
            self.log("val_psnr", values["generated"]["psnr"], prog_bar=True)
            self.log("still_psnr", values["still"]["psnr"], prog_bar=True)

    test_step = validation_step
    on_test_epoch_start = on_validation_epoch_start
    on_test_epoch_end = on_validation_epoch_end

    def sync_accuracy(self, frames: Tensor, mel: Tensor) -> float:
        """How often the judge finds a window's own sound a better match than sound from elsewhere.

        Every window against six other places of the same sound; chance is 0.5, a tie counts half.
        """
        length = frames.shape[1]
        margin = self.margin(mel, length)
        starts = torch.arange(0, length - self.sync_discriminator.frames + 1, 2)
        smallest, largest = self.shifts(length)
        own = self.judge_sync(frames, mel, starts, starts + margin)
        wins = []
        for shift in torch.linspace(smallest, largest, 6).round().int().tolist():
            elsewhere = self.shifted(starts, shift, length)
            other = self.judge_sync(frames, mel, starts, elsewhere + margin)
            wins.append((own > other).float() + (own == other).float() / 2)
        return float(torch.stack(wins).mean())
