"""Training of the vocoder: a generator of sound against two kinds of judges.

After Kong, Kim and Bae, "HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech
Synthesis", NeurIPS 2020, with judges of spectra in place of those of pooled waves (UnivNet).
"""

import copy
import hashlib
from collections.abc import Callable, Iterable, Mapping
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
BEGAN_WITH = "began_with"  # in a checkpoint: the hash of the pretrained weights


class VocoderTraining(TwinModule):
    """The GAN. A step trains the discriminators, then the generator.

    Before the step `adversarial_from` (None: never) there are no judges, only distances of spectra: from
    nothing that learns faster, and in half the time. Before the step `generator_from` only the judges learn,
    so that a good generator is not led astray by judges that know nothing yet. A `pretrained` generator is a
    .safetensors file or a folder with one; beside what becomes of it stands what it was before, as long as
    that file is what it was.
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
        adversarial_from: int | None = 0,
        generator_from: int = 0,
        mel_weight: float = 45.0,
        stft_weight: float = 2.0,
        feature_weight: float = 2.0,
        max_gradient_norm: float = 1000.0,
        warmup_steps: int = 0,
        decay_steps: int = 4000,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if generator_from and adversarial_from != 0:
            raise UserError(
                f"model.generator_from={generator_from}, model.adversarial_from={adversarial_from}: nobody "
                "would learn before these steps; give one of them"
            )
        self.automatic_optimization = False
        self.generator = generator
        self.period_discriminator = period_discriminator
        self.resolution_discriminator = resolution_discriminator
        self.make_optimizer = optimizer
        self.make_discriminator_optimizer = discriminator_optimizer
        self.pretrained = pretrained
        self.adversarial_from, self.generator_from = adversarial_from, generator_from
        self.mel_weight, self.stft_weight, self.feature_weight = mel_weight, stft_weight, feature_weight
        self.max_gradient_norm = max_gradient_norm
        self.warmup_steps, self.decay_steps = warmup_steps, decay_steps
        self.seed = seed
        self.log_mel = LogMel(
            sample_rate=generator.sample_rate, hop_length=generator.hop_length, n_mels=generator.n_mels
        )
        self.metrics = VocoderMetrics(self.log_mel)
        self.heard: dict[str, list[str]] = {}
        self.began_with: str | None = None
        # in a dictionary it is no part of what is trained and saved
        self._baseline: dict[str, nn.Module] = {}

    def setup(self, stage: str) -> None:
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, VocoderDataModule):
            return
        if stage == "fit":
            self.heard = {name: [clip.id for clip in clips] for name, clips in data.split.items()}
        elif self.heard:  # the split may have changed with the clips
            seen = {name for part in ("train", "val") for name in self.heard[part]}
            data.split["test"] = data.without(
                data.split["test"], lambda clip: "the model has learnt from it" if clip.id in seen else None
            )

    def on_fit_start(self) -> None:
        if self.pretrained and self.began_with is None:  # a checkpoint has weights of its own
            weights = read_weights(self.pretrained)
            taken = load_generator_weights(self.generator, weights, self.pretrained)
            total = len(self.generator.state_dict())
            print(f"pretrained   {self.pretrained}: {taken} of {total} tensors of the generator")
            self.began_with = digest(weights)

    def configure_optimizers(self) -> tuple[list[Optimizer], list[LambdaLR]]:
        judges = [*self.period_discriminator.parameters(), *self.resolution_discriminator.parameters()]
        optimizers = [
            self.make_discriminator_optimizer(judges),
            self.make_optimizer(self.generator.parameters()),
        ]
        decay_steps = self.decay_steps if self.decay_steps > 0 else 10**9  # nobody knows how long it will be
        starts = self.adversarial_from or 0, self.generator_from
        steps = [max(decay_steps - start, 1) for start in starts]  # that each will make
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
        judging = self.adversarial_from is not None and self.global_step >= self.adversarial_from
        learning = self.global_step >= self.generator_from
        with torch.set_grad_enabled(learning):
            fake = self.generator(batch["mel"]).float()

        if judging:
            loss = discriminators_loss(self.judge(real), self.judge(fake.detach()))
            discriminators_step.zero_grad()
            self.manual_backward(loss)
            # the bare optimizer: Lightning counts steps, and a step here is one batch
            (discriminators_step.optimizer if learning else discriminators_step).step()
            discriminators_schedule.step()
            self.log("loss/discriminators", loss)
        if not learning:
            return

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

    def on_validation_start(self) -> None:
        if not self._baseline:
            before = self.before()
            self._baseline = {"before": before} if before else {"griffin_lim": GriffinLim(self.log_mel)}

    def before(self) -> Vocoder | None:
        """The pretrained generator; none where it cannot speak by itself, or where its file has changed."""
        if not self.pretrained:
            return None
        try:
            weights = read_weights(self.pretrained)
        except UserError:
            weights = {}
        if digest(weights) != self.began_with:
            print(f"{self.pretrained}: is not what this run began with any more; not measured beside it")
            return None
        before = copy.deepcopy(self.generator)
        # of another kind of vocoder only the first layers are taken
        whole = load_generator_weights(before, weights, self.pretrained) == len(before.state_dict())
        return before.eval() if whole else None

    def on_validation_epoch_start(self) -> None:
        self.metrics.reset()

    def validation_step(self, batch: VoiceSegment, batch_idx: int) -> dict[str, Tensor]:
        """One whole clip, (1, samples)."""
        mel, real, clip = batch["mel"], batch["audio"], batch["clip"][0]
        fake = self.generator(mel).float()
        self.metrics.compare("tuned", fake, real, clip)
        for who, baseline in self._baseline.items():
            if not self.metrics.knows(clip, who):
                self.metrics.compare(who, baseline.to(mel.device)(mel).float(), real, clip)
        return {"audio": fake}

    def on_validation_epoch_end(self) -> None:
        for who, values in self.metrics.summary().items():
            self.log_dict({f"{name}/{who}": value for name, value in values.items()}, prog_bar=who == "tuned")

    on_test_start = on_validation_start
    test_step = validation_step
    on_test_epoch_start = on_validation_epoch_start
    on_test_epoch_end = on_validation_epoch_end

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[HEARD] = self.heard
        checkpoint[BEGAN_WITH] = self.began_with

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.heard and self.heard != checkpoint[HEARD]:
            raise UserError(
                "clips have changed since this run was begun; run=NAME starts another, "
                "model.pretrained=WORKSPACE/twin/vocoder from what this one has learnt, once it is exported"
            )
        self.heard = checkpoint[HEARD]
        self.began_with = checkpoint.get(BEGAN_WITH, "")


def digest(weights: Mapping[str, Tensor]) -> str:
    """Other weights have another one."""
    found = hashlib.sha256()
    for name in sorted(weights):
        found.update(name.encode() + weights[name].flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
