"""Training of the vocoder: a generator of sound against two kinds of judges.

After Kong, Kim and Bae, "HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech
Synthesis", NeurIPS 2020, with judges of spectra in place of those of pooled waves (UnivNet).
"""

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import get_cosine_with_min_lr_schedule_with_warmup

from understudy.data.twin_vocoder import load_generator_weights, read_weights
from understudy.data.vocoder_datamodule import VocoderDataModule, VoiceSegment
from understudy.errors import UserError
from understudy.models.tts import LogMel
from understudy.models.vocoder import Vocoder
from understudy.models.vocoder.discriminators import (
    MultiPeriodDiscriminator,
    MultiResolutionDiscriminator,
    Verdict,
)
from understudy.models.vocoder.griffin_lim import GriffinLim
from understudy.train.module import TwinModule
from understudy.train.vocoder_losses import discriminators_loss, feature_loss, generator_loss, stft_loss
from understudy.train.vocoder_metrics import VocoderMetrics

HEARD = "heard"  # in a checkpoint: the clips of each split


class VocoderTraining(TwinModule):
    """The GAN. A step trains the discriminators, then the generator.

    Before the step `adversarial_from` there are no judges, only distances of spectra: from nothing that
    learns faster, and in half the time. A `pretrained` generator is a .safetensors file or a folder with one.
    """

    role = "vocoder"
    headline = ("mel_l1/tuned", "stft/tuned")
    metrics: VocoderMetrics

    def __init__(
        self,
        *,
        generator: Vocoder,
        period_discriminator: MultiPeriodDiscriminator,
        resolution_discriminator: MultiResolutionDiscriminator,
        optimizer: Callable[[Iterable[Tensor]], Optimizer],
        discriminator_optimizer: Callable[[Iterable[Tensor]], Optimizer],
        pretrained: str | None = None,
        adversarial_from: int = 0,
        mel_weight: float = 45.0,
        stft_weight: float = 2.0,
        feature_weight: float = 2.0,
        max_gradient_norm: float = 1000.0,
        warmup_steps: int = 0,
        decay_steps: int = 4000,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = generator
        self.period_discriminator = period_discriminator
        self.resolution_discriminator = resolution_discriminator
        self.make_optimizer = optimizer
        self.make_discriminator_optimizer = discriminator_optimizer
        self.pretrained = pretrained
        self.adversarial_from = adversarial_from
        self.mel_weight, self.stft_weight, self.feature_weight = mel_weight, stft_weight, feature_weight
        self.max_gradient_norm = max_gradient_norm
        self.warmup_steps, self.decay_steps = warmup_steps, decay_steps
        self.seed = seed
        self.log_mel = LogMel(
            sample_rate=generator.sample_rate, hop_length=generator.hop_length, n_mels=generator.n_mels
        )
        self.metrics = VocoderMetrics(self.log_mel)
        self.heard: dict[str, list[str]] = {}
        # in a dictionary they are no part of what is trained and saved
        self._baselines: dict[str, nn.Module] = {"griffin_lim": GriffinLim(self.log_mel)}

    def setup(self, stage: str) -> None:
        if self.pretrained:
            before = self.generator if stage == "fit" else copy.deepcopy(self.generator)
            weights = read_weights(self.pretrained)
            taken = load_generator_weights(before, weights, self.pretrained)
            total = len(before.state_dict())
            print(f"pretrained   {self.pretrained}: {taken} of {total} tensors of the generator")
            # a generator that was given only its first layers cannot speak yet
            if taken == total:
                self._baselines = {"before": copy.deepcopy(before).eval()}
        data = getattr(self.trainer, "datamodule", None)
        if stage == "fit" and isinstance(data, VocoderDataModule):
            self.heard = {name: [clip.id for clip in clips] for name, clips in data.split.items()}

    def configure_optimizers(self) -> tuple[list[Optimizer], list[LambdaLR]]:
        judges = [*self.period_discriminator.parameters(), *self.resolution_discriminator.parameters()]
        optimizers = [
            self.make_discriminator_optimizer(judges),
            self.make_optimizer(self.generator.parameters()),
        ]
        decay_steps = self.decay_steps if self.decay_steps > 0 else 10**9  # nobody knows how long it will be
        steps = max(decay_steps - self.adversarial_from, 1), decay_steps  # that each will make
        return optimizers, [
            get_cosine_with_min_lr_schedule_with_warmup(
                optimizer, self.warmup_steps, number, min_lr_rate=0.05
            )
            for optimizer, number in zip(optimizers, steps, strict=True)
        ]

    def training_step(self, batch: VoiceSegment, batch_idx: int) -> None:
        # chance depends on the step alone, so a run that is resumed draws what it would have drawn
        torch.manual_seed(self.seed + self.global_step)
        discriminators_step, generator_step = self.optimizer_list()
        discriminators_schedule, generator_schedule = self.lr_schedulers()  # type: ignore[misc]
        real = batch["audio"]
        fake = self.generator(batch["mel"]).float()
        judging = self.global_step >= self.adversarial_from

        if judging:
            loss = discriminators_loss(self.judge(real), self.judge(fake.detach()))
            discriminators_step.zero_grad()
            self.manual_backward(loss)
            # the bare optimizer: Lightning counts steps, and a step here is one batch
            discriminators_step.optimizer.step()
            discriminators_schedule.step()
            self.log("loss/discriminators", loss)

        self.freeze_discriminators(True)
        loss = self.generator_loss(fake, real, judging)
        generator_step.zero_grad()
        self.manual_backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.generator.parameters(), self.max_gradient_norm)
        generator_step.step()
        generator_schedule.step()
        self.freeze_discriminators(False)

        self.log("gradient_norm/generator", norm)
        self.log("learning_rate/generator", generator_step.optimizer.param_groups[0]["lr"])

    def judge(self, audio: Tensor) -> list[Verdict]:
        return self.period_discriminator(audio) + self.resolution_discriminator(audio)

    def generator_loss(self, fake: Tensor, real: Tensor, judging: bool) -> Tensor:
        """Near the recording in its spectra; and real to all judges, which see the same in both."""
        with torch.autocast(self.device.type, enabled=False):  # spectra want full precision
            losses = {
                "mel": self.mel_weight * F.l1_loss(self.log_mel(fake), self.log_mel(real)),
                "stft": self.stft_weight * stft_loss(fake, real),
            }
        if judging:
            with torch.no_grad():
                seen = self.judge(real)
            verdicts = self.judge(fake)
            losses["adversarial"] = generator_loss(verdicts)
            losses["features"] = self.feature_weight * feature_loss(seen, verdicts)
        self.log_dict({f"loss/{name}": loss for name, loss in losses.items()})
        return torch.stack(list(losses.values())).sum()

    def freeze_discriminators(self, frozen: bool) -> None:
        """While the generator learns, the judges' own gradients are not worth computing."""
        for net in (self.period_discriminator, self.resolution_discriminator):
            net.requires_grad_(not frozen)

    def on_validation_epoch_start(self) -> None:
        self.metrics.reset()

    def validation_step(self, batch: VoiceSegment, batch_idx: int) -> dict[str, Tensor]:
        """One whole clip, (1, samples)."""
        mel, real, clip = batch["mel"], batch["audio"], batch["clip"][0]
        fake = self.generator(mel).float()
        self.metrics.compare("tuned", fake, real, clip)
        for who, baseline in self._baselines.items():
            if not self.metrics.knows(clip, who):
                self.metrics.compare(who, baseline.to(mel.device)(mel).float(), real, clip)
        return {"audio": fake}

    def on_validation_epoch_end(self) -> None:
        for who, values in self.metrics.summary().items():
            self.log_dict({f"{name}/{who}": value for name, value in values.items()}, prog_bar=who == "tuned")

    test_step = validation_step
    on_test_epoch_start = on_validation_epoch_start
    on_test_epoch_end = on_validation_epoch_end

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[HEARD] = self.heard

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.heard and self.heard != checkpoint[HEARD]:
            raise UserError(
                "clips have changed since this run was begun; run=NAME starts another, "
                "model.pretrained=WORKSPACE/twin/vocoder from what this one has learnt, once it is exported"
            )
        self.heard = checkpoint[HEARD]
