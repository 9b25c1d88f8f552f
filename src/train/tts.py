"""What training of every kind of voice has in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm
from transformers import get_cosine_schedule_with_warmup

from understudy.data.pronounce import FrontEnd
from understudy.data.training_notes import learnt_from
from understudy.data.twin_vocoder import GRIFFIN_LIM, vocoder_for
from understudy.data.voice_datamodule import VoiceBatch, VoiceDataModule
from understudy.errors import UserError
from understudy.models.tts import LogMel
from understudy.models.tts.fastspeech import mask
from understudy.models.tts.speech import Speech, Trouble
from understudy.train.module import TwinModule
from understudy.train.voice_metrics import Synthesis, VoiceMetrics

SPOKEN = "spoken"  # in a checkpoint: which clips the voice was made from, and its alphabet


class Lesson(NamedTuple):
    """What is to be learnt from a batch."""

    losses: dict[str, Tensor]  # their sum is trained on
    alignments: Sequence[Tensor] = ()  # of each clip which token is said when, (tokens, frames)
    measures: Mapping[str, Tensor] = MappingProxyType({})  # what else is worth knowing of held-out clips


class VoiceTraining(TwinModule, ABC):
    """Text in, a mel spectrogram out; losses and distances to held-out recordings at every validation.

    What is said there is heard through `vocoder`, without one through Griffin-Lim; `listening` is what else
    `VoiceMetrics` is given to measure it with. The network is made by `configure_model`, not before: settings
    alone cost nothing to make.
    """

    role = "tts"
    headline: ClassVar[tuple[str, ...]] = ("loss/val", "mcd/tuned", "pitch_cents/tuned", "duration/tuned")
    network: Any

    def __init__(
        self,
        *,
        pronouncer: FrontEnd,
        log_mel: LogMel,
        vocoder: str | None,
        listening: Mapping[str, Any] | None,
        optimizer: Callable[[Iterable[Tensor]], Optimizer],
        warmup_steps: int,
        decay_steps: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.pronouncer: Any = pronouncer
        self.log_mel, self.vocoder_name = log_mel, vocoder
        self.sample_rate, self.hop_length = log_mel.sample_rate, log_mel.hop_length
        self.make_optimizer = optimizer
        self.warmup_steps, self.decay_steps = warmup_steps, decay_steps
        self.seed = seed
        self.listen_by(listening or {})
        self.spoken: dict[str, Any] = {}
        self.vocoder: Any = None
        self.vocoder_heard: set[str] = set()  # clips that the vocoder has learnt from

    @abstractmethod
    def lesson(self, batch: VoiceBatch) -> Lesson:
        """Losses; and alignments, where they are found with the recording and not in speaking."""

    @abstractmethod
    def save(self, folder: Path) -> str:
        """Everything that speaking needs, as plain files; gives the model's class."""

    def setup(self, stage: str) -> None:
        if not self.vocoder:
            self.hear_through(self.vocoder_name)
        # data without a datamodule is for whoever gives it to check
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, VoiceDataModule):
            return
        if (data.sample_rate, data.hop_length) != (self.sample_rate, self.hop_length):
            raise UserError(
                f"data.sample_rate={data.sample_rate}, data.hop_length={data.hop_length}: this voice is made "
                f"of {self.sample_rate} and {self.hop_length}; give these"
            )
        self.configure_model()
        if stage == "fit":
            clips = {name: [clip.id for clip in part] for name, part in data.split.items()}
            self.spoken = {"clips": clips, "alphabet": list(self.pronouncer.alphabet)}
            self.meet(data)
        elif self.spoken:  # the split may have changed with the clips
            seen = {name for part in ("train", "val") for name in self.spoken["clips"][part]}
            learnt = dict.fromkeys(self.vocoder_heard, "the vocoder has learnt from it")
            learnt |= dict.fromkeys(seen, "the model has learnt from it")
            data.split["test"] = data.without(data.split["test"], lambda clip: learnt.get(clip.id))

    def meet(self, data: VoiceDataModule) -> None:
        """Look at the voice before the first step."""

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer([p for p in self.parameters() if p.requires_grad])
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.schedule(optimizer), "interval": "step"},
        }

    def schedule(self, optimizer: Optimizer) -> LambdaLR:
        decay_steps = self.decay_steps if self.decay_steps > 0 else 10**9  # nobody knows how long it will be
        return get_cosine_schedule_with_warmup(optimizer, self.warmup_steps, decay_steps)

    def seed_step(self, batch_idx: int) -> None:
        # chance depends on the step alone, so a run that is resumed draws what it would have drawn
        torch.manual_seed((self.seed * 1_000_003 + self.current_epoch * 10_007 + batch_idx) % 2**32)

    def training_step(self, batch: VoiceBatch, batch_idx: int) -> Tensor | None:
        self.seed_step(batch_idx)
        return self.log_losses("train", self.lesson(batch).losses, len(batch["text"]))

    def log_losses(self, split: str, losses: dict[str, Tensor], size: int) -> Tensor:
        """Log each and all together, and give their sum."""
        loss = torch.stack(list(losses.values())).sum()
        named = {f"{name}/{split}": value.detach() for name, value in losses.items()}
        self.log_dict(named, batch_size=size)
        self.log(f"loss/{split}", loss.detach(), batch_size=size, prog_bar=True)
        return loss

    def listen_by(self, listening: Mapping[str, Any]) -> None:
        """Measure what is said by these arguments of `VoiceMetrics`."""
        language = self.pronouncer.language
        self.metrics: VoiceMetrics = VoiceMetrics(log_mel=self.log_mel, language=language, **listening)

    def hear_through(self, name: str | None, *, setting: str = "model.vocoder") -> None:
        """Raises `UserError` for a vocoder that is not there, or not for this voice."""
        try:
            vocoder = vocoder_for(name or GRIFFIN_LIM, self.log_mel)
        except UserError as error:
            raise UserError(f"{setting}={error}") from None
        if name:
            own, other = ((one.sample_rate, one.n_mels, one.hop_length) for one in (self.log_mel, vocoder))
            if own != other:
                raise UserError(
                    f"{setting}={name}: makes {other[0]} Hz of {other[1]} mel bands in steps of {other[2]} "
                    f"samples, the voice is of {own[0]} Hz, {own[1]} and {own[2]}; train a vocoder for it"
                )
        self.vocoder = [vocoder]  # in a list it is no part of what is trained and saved
        self.vocoder_heard = learnt_from(Path(name).expanduser()) if name else set()

    def on_validation_start(self) -> None:
        self.vocoder[0].to(self.device)

    def on_validation_epoch_start(self) -> None:
        self.metrics.reset()

    def validation_step(self, batch: VoiceBatch, batch_idx: int) -> Synthesis:
        lesson = self.lesson(batch)
        size = len(batch["text"])
        self.log_losses("val", lesson.losses, size)
        self.log_dict({f"{name}/val": value for name, value in lesson.measures.items()}, batch_size=size)
        found = self.synthesis(batch, lesson.alignments)
        self.metrics.update(found, batch["text"])
        return found

    def on_validation_epoch_end(self) -> None:
        for who, values in self.metrics.summary().items():
            self.log_dict({f"{name}/{who}": value for name, value in values.items()})

    def mel_of(self, batch: VoiceBatch) -> Tensor:
        """(batch, n_mels, frames), zeros after each end."""
        with torch.autocast(self.device.type, enabled=False):  # spectra want full precision
            mel: Tensor = self.log_mel(batch["audio"].float())
        return mel * mask(batch["frames"], mel.shape[2]).unsqueeze(1)

    def synthesis(self, batch: VoiceBatch, alignments: Sequence[Tensor]) -> Synthesis:
        """What the voice makes of each text, beside the real; tells where it lost its way."""
        mel = self.mel_of(batch)
        ids = zip(batch["ids"], batch["id_lengths"].tolist(), strict=True)
        said: list[Speech] = [self.network.synthesize(row[:length]) for row, length in ids]
        for clip, tokens, speech in zip(batch["clip"], batch["tokens"], said, strict=True):
            if speech.trouble and not self.trainer.sanity_checking:
                tqdm.write(f"{clip}: {self.named(speech.trouble, tokens)}")
        frames = batch["frames"].tolist()
        return Synthesis(
            clip=batch["clip"],
            tokens=batch["tokens"],
            mel=[row[:, :length] for row, length in zip(mel, frames, strict=True)],
            found=[speech.mel for speech in said],
            alignment=alignments or [speech.alignment for speech in said if speech.alignment is not None],
            trouble=[speech.trouble is not None for speech in said],
            sound=[self.vocode(speech) for speech in said],
            real=[row[: n * self.hop_length] for row, n in zip(batch["audio"], frames, strict=True)],
        )

    def vocode(self, speech: Speech) -> Tensor:
        with torch.autocast(self.device.type, enabled=False):
            sound: Tensor = self.vocoder[0](speech.mel[None].float())[0]
        return sound

    @staticmethod
    def named(trouble: Trouble, tokens: Sequence[str]) -> str:
        """What went wrong, with the sound it went wrong at."""
        return f"{trouble.what} at {tokens[trouble.token]!r} after {trouble.after:.1f} seconds"

    on_test_start = on_validation_start
    on_test_epoch_start = on_validation_epoch_start
    test_step = validation_step
    on_test_epoch_end = on_validation_epoch_end

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[SPOKEN] = self.spoken

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        before = checkpoint[SPOKEN]
        if self.spoken and self.spoken != before:
            raise UserError(
                "clips or the alphabet of sounds have changed since this run was begun; run=NAME starts "
                "another, model.pretrained=WORKSPACE/twin/tts from what this one has learnt, once exported"
            )
        self.spoken = before
