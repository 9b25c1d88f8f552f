"""Training of FastSpeech 2, which finds for itself when each phone is said."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from speechbrain.lobes.models.FastSpeech2 import BinaryAlignmentLoss, ForwardSumLoss
from torch import Tensor
from torch.optim import Optimizer

from understudy.data.pronounce import Pronouncer
from understudy.data.twin_tts import ACOUSTIC, FASTSPEECH
from understudy.data.twin_vocoder import read_weights
from understudy.data.voice_datamodule import VoiceBatch, VoiceDataModule
from understudy.errors import UserError
from understudy.models.tts import FastSpeech, LogMel
from understudy.models.tts.fastspeech import Taught, mask
from understudy.models.tts.mel_judge import MelJudge
from understudy.models.vocoder.discriminators import Verdict
from understudy.train.checkpoint import read_checkpoint
from understudy.train.tts import SPOKEN, Lesson, VoiceTraining
from understudy.train.vocoder_losses import discriminators_loss, feature_loss, generator_loss

EMBEDDING = "net.encPreNet.token_embedding.Embedding.weight"
JUDGED = 64  # frames of a clip that the judge sees at a time; fewer where a clip of the batch is shorter
MET = 200  # clips that are looked at for how high and how loud the voice is


class FastSpeechTraining(VoiceTraining):
    """Mels, durations, pitch and energy, and the alignment they hang on, learnt together.

    `pretrained` is another voice to begin with: a checkpoint of one of these runs, or an exported
    `twin/tts`. `vocoder`, an exported `twin/vocoder`, is listened with; without one Griffin-Lim is.
    From the step `adversarial_from` on (None: never) a judge wants mels that are as sharp as those of
    recordings: the mean of all that fits, which distances teach, is a blur.
    """

    def __init__(
        self,
        *,
        pronouncer: Pronouncer,
        network: dict[str, Any],
        optimizer: Callable[[Iterable[Tensor]], Optimizer],
        judge: MelJudge,
        judge_optimizer: Callable[[Iterable[Tensor]], Optimizer],
        pretrained: str | None = None,
        vocoder: str | None = None,
        listening: Mapping[str, Any] | None = None,
        mel_weight: float = 2.0,
        duration_weight: float = 1.0,
        pitch_weight: float = 0.1,
        energy_weight: float = 0.1,
        alignment_weight: float = 1.0,
        binary_weight: float = 0.1,
        binary_starts: int = 600,
        adversarial_from: int | None = 800,
        adversarial_weight: float = 0.2,
        feature_weight: float = 1.0,
        max_gradient_norm: float = 1.0,
        warmup_steps: int = 100,
        decay_steps: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            pronouncer=pronouncer,
            log_mel=LogMel(n_mels=network.get("n_mels", 80)),
            vocoder=vocoder,
            listening=listening,
            optimizer=optimizer,
            warmup_steps=warmup_steps,
            decay_steps=decay_steps,
            seed=seed,
        )
        self.automatic_optimization = False
        self.settings, self.pretrained = network, pretrained
        self.judge, self.make_judge_optimizer = judge, judge_optimizer
        self.adversarial_from = adversarial_from
        self.adversarial_weight, self.feature_weight = adversarial_weight, feature_weight
        self.max_gradient_norm = max_gradient_norm
        self.mel_weight, self.duration_weight = mel_weight, duration_weight
        self.pitch_weight, self.energy_weight = pitch_weight, energy_weight
        self.alignment_weight, self.binary_weight = alignment_weight, binary_weight
        self.binary_starts = binary_starts  # steps after which alignments are made hard
        self.forward_sum, self.binary = ForwardSumLoss(), BinaryAlignmentLoss()

    def configure_model(self) -> None:
        if hasattr(self, "network"):
            return
        try:
            self.network = FastSpeech(alphabet_size=len(self.pronouncer.alphabet), **self.settings)
        except (TypeError, ValueError, AssertionError, RuntimeError) as error:
            raise UserError(f"model.network: makes no network ({error})") from None

    def meet(self, data: VoiceDataModule) -> None:
        if self.pretrained:
            take_over(self.network, self.pretrained, self.pronouncer.alphabet)
        clips = data.split["train"][:MET]
        met = [data.utterance(clip) for clip in clips]
        hertz = torch.cat([torch.from_numpy(one.pitch) for one in met])
        if (hertz > 0).sum() < 100:
            raise UserError(f"{data.manifest}: hardly any of these clips has a voice in it that sounds")
        mels = [self.log_mel(torch.from_numpy(one.samples)[None])[0] for one in met]
        self.network.set_voice(hertz, torch.cat(mels, dim=1))

    def configure_optimizers(self) -> tuple[list[Optimizer], list[Any]]:
        own = [p for p in self.network.parameters() if p.requires_grad]
        optimizers = [self.make_judge_optimizer(self.judge.parameters()), self.make_optimizer(own)]
        return optimizers, [self.schedule(optimizers[1])]

    def training_step(self, batch: VoiceBatch, batch_idx: int) -> None:
        self.seed_step(batch_idx)
        judge_step, voice_step = self.optimizer_list()
        mel = self.mel_of(batch)
        taught = self.teach(batch, mel)
        losses = self.losses(batch, mel, taught)

        if self.adversarial_from is not None and self.global_step >= self.adversarial_from:
            real, fake = stretches(mel, taught.mel.float(), batch["frames"])
            loss = discriminators_loss(self.judged(real), self.judged(fake.detach()))
            judge_step.zero_grad()
            self.manual_backward(loss)
            # the bare optimizer: Lightning counts steps, and a step here is one batch
            judge_step.optimizer.step()
            self.log("loss/judge", loss)

            self.judge.requires_grad_(False)
            with torch.no_grad():
                seen = self.judged(real)
            verdicts = self.judged(fake)
            losses["adversarial"] = self.adversarial_weight * generator_loss(verdicts)
            losses["features"] = self.feature_weight * feature_loss(seen, verdicts)

        loss = self.log_losses("train", losses, len(batch["text"]))
        voice_step.zero_grad()
        self.manual_backward(loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.max_gradient_norm)
        voice_step.step()
        self.lr_schedulers().step()  # type: ignore[union-attr]
        self.judge.requires_grad_(True)

    def judged(self, mel: Tensor) -> list[Verdict]:
        with torch.autocast(self.device.type, enabled=False):  # fine structure wants full precision
            return [self.judge(mel)]

    def lesson(self, batch: VoiceBatch) -> Lesson:
        mel = self.mel_of(batch)
        taught = self.teach(batch, mel)
        sizes = zip(
            taught.alignment.soft, batch["frames"].tolist(), batch["id_lengths"].tolist(), strict=True
        )
        alignments = [soft[:frames, :tokens].T for soft, frames, tokens in sizes]
        losses = self.losses(batch, mel, taught)
        blurred = blur(mel, taught.mel.float(), batch["frames"])
        # neither tells alone which voice is best: a blur is nearest, noise is sharp
        measures = {"blur": blurred, "mel_and_blur": losses["mel"] * (1 + blurred)}
        return Lesson(losses, alignments, measures)

    def teach(self, batch: VoiceBatch, mel: Tensor) -> Taught:
        taught: Taught = self.network(
            batch["ids"], batch["id_lengths"], mel, batch["frames"], batch["pitch"], batch["expected"]
        )
        return taught

    def losses(self, batch: VoiceBatch, mel: Tensor, taught: Taught) -> dict[str, Tensor]:
        alignment = taught.alignment
        said = mask(batch["id_lengths"], batch["ids"].shape[1])
        sounding = mask(batch["frames"], mel.shape[2]).unsqueeze(1)

        def of_tokens(found: Tensor, real: Tensor) -> Tensor:
            return ((found.float() - real).square() * said).sum() / said.sum()

        def of_mels(found: Tensor) -> Tensor:
            return ((found.float() - mel).abs() * sounding).sum() / (sounding.sum() * mel.shape[1])

        real_durations = alignment.durations.float().log1p()
        losses = {
            "mel": self.mel_weight * of_mels(taught.mel),
            "durations": self.duration_weight * of_tokens(taught.log_durations, real_durations),
            "pitch": self.pitch_weight * of_tokens(taught.pitch, taught.real_pitch),
            "energy": self.energy_weight * of_tokens(taught.energy, taught.real_energy),
            "alignment": self.alignment_weight
            * self.forward_sum(alignment.log_potentials, batch["id_lengths"], batch["frames"]),
        }
        if self.global_step > self.binary_starts or not self.training:
            losses["binary"] = self.binary_weight * self.binary(alignment.hard, alignment.soft)
        return losses

    def save(self, folder: Path) -> str:
        config = {
            "family": FASTSPEECH,
            "network": {**self.settings, "alphabet_size": len(self.pronouncer.alphabet)},
            "pronouncer": self.pronouncer.settings(),
            "alphabet": self.pronouncer.alphabet,
            "mel": {"n_mels": self.log_mel.n_mels},
        }
        (folder / "config.json").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", "utf-8")
        save_file(self.network.state_dict(), folder / ACOUSTIC)
        return "FastSpeech"


def stretches(real: Tensor, fake: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """As many frames of each clip, drawn at random, the same of both mels (batch, n_mels, frames)."""
    length = min(JUDGED, int(frames.min()))
    starts = (torch.rand(len(frames), device=frames.device) * (frames - length + 1)).long()
    places = (starts[:, None] + torch.arange(length, device=frames.device)).unsqueeze(1)
    of_all_bands = places.expand(-1, real.shape[1], -1)
    return real.gather(2, of_all_bands), fake.gather(2, of_all_bands)


def blur(real: Tensor, fake: Tensor, frames: Tensor) -> Tensor:
    """By what share mels (batch, n_mels, frames) change less, or more, between neighbours than the real."""
    sounding = mask(frames, real.shape[2]).unsqueeze(1)

    def detail(mel: Tensor) -> Tensor:
        over_time, over_bands = mel.diff(dim=2).abs(), mel.diff(dim=1).abs()
        return (over_time * sounding[:, :, 1:]).sum() + (over_bands * sounding).sum()

    return (1 - detail(fake) / detail(real)).abs()


def take_over(network: FastSpeech, pretrained: str, alphabet: tuple[str, ...]) -> None:
    """Begin with another voice; sounds that it does not know begin anew.

    Raises `UserError` for what is no voice, or one of another size.
    """
    path = Path(pretrained).expanduser()
    other = UserError(
        f"model.pretrained={pretrained}: is no FastSpeech; give a .ckpt or the twin/tts of one "
        "(model=tts_speecht5 goes on with a SpeechT5)"
    )
    if path.is_dir():
        if not (path / ACOUSTIC).is_file():
            raise other
        weights = read_weights(path / ACOUSTIC)
        try:
            known = json.loads((path / "config.json").read_text("utf-8"))["alphabet"]
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{path}/config.json: is not as it was written ({error}); export again") from None
    else:
        checkpoint = read_checkpoint(path, role="tts")
        prefix = "network."
        weights = {
            name.removeprefix(prefix): value
            for name, value in checkpoint["state_dict"].items()
            if name.startswith(prefix)
        }
        known = checkpoint[SPOKEN]["alphabet"]
    if EMBEDDING not in weights:
        raise other
    own = network.state_dict()
    embedding = own[EMBEDDING].clone()
    for row, symbol in enumerate(alphabet):
        if symbol in known and weights[EMBEDDING].shape[1] == embedding.shape[1]:
            embedding[row] = weights[EMBEDDING][known.index(symbol)]
    weights = {**weights, EMBEDDING: embedding}
    if wrong := [n for n in own if n not in weights or own[n].shape != weights[n].shape]:
        raise UserError(
            f"model.pretrained={pretrained}: is a network of another size ({wrong[0]}); "
            "give the same model.network as it has"
        )
    network.load_state_dict(weights, strict=False)
