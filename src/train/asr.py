"""What training of every kind of speech recogniser has in common."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer
from transformers import get_cosine_schedule_with_warmup

from understudy.data.hub import model_name
from understudy.data.manifest import Clip
from understudy.data.media import Seconds
from understudy.data.speech_datamodule import SpeechBatch, SpeechDataModule
from understudy.errors import UserError
from understudy.train.module import TwinModule
from understudy.train.speech_metrics import SpeechMetrics

HEARD = "heard"  # in a checkpoint: which clips the model has seen, and their text


class SpeechRecognition(TwinModule, ABC):
    """Sound in, text out; word and character error rates of held-out recordings at every validation.

    The network is made by `configure_model`, not before: settings alone cost nothing to make.
    """

    role = "asr"
    headline = ("wer/tuned", "cer/tuned", "loss/val")
    strict_loading = False  # what is not trained is not in a checkpoint
    longest: Seconds = math.inf  # that the model hears at once
    pretrained: str | None
    keeps_weights: bool  # of the pretrained model: adapters, or a part that is frozen
    network: Any
    processor: Any

    def __init__(
        self,
        *,
        optimizer: Callable[[Iterable[Tensor]], Optimizer],
        warmup_steps: int,
        decay_steps: int,
        language: str,
        seed: int,
    ) -> None:
        super().__init__()
        self.make_optimizer = optimizer
        self.warmup_steps, self.decay_steps = warmup_steps, decay_steps
        self.language = language
        self.seed = seed
        self.metrics: SpeechMetrics = SpeechMetrics(language)
        self.heard: dict[str, Any] = {}

    @abstractmethod
    def loss(self, batch: SpeechBatch) -> Tensor:
        """What is trained on: a number."""

    @abstractmethod
    def transcribe(self, batch: SpeechBatch) -> list[str]:
        """The text of each clip."""

    @abstractmethod
    def token_losses(self, batch: SpeechBatch) -> list[float]:
        """Of each clip's own text, the mean negative log likelihood of its tokens."""

    @abstractmethod
    def complaint(self, clip: Clip) -> str | None:
        """Why the model cannot learn from a clip, if it cannot."""

    @abstractmethod
    def save_pretrained(self, folder: Path) -> str:
        """Model and processor as `from_pretrained` loads them; gives the model's class."""

    def setup(self, stage: str) -> None:
        # data without a datamodule is for whoever gives it to check
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, SpeechDataModule):
            return
        self.configure_model()
        data.leave_out(self.complaint)
        if stage == "fit":
            clips = {name: [clip.id for clip in part] for name, part in data.split.items()}
            texts = [clip["text"] for clip in data.split["train"]]
            self.heard = {"clips": clips, "texts": texts, "base": self.base_of_frozen()}
        elif self.heard:  # the split may have changed with the clips
            seen = {name for part in ("train", "val") for name in self.heard["clips"][part]}
            data.split["test"] = data.without(
                data.split["test"], lambda clip: "the model has learnt from it" if clip.id in seen else None
            )

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer([p for p in self.parameters() if p.requires_grad])
        decay_steps = self.decay_steps if self.decay_steps > 0 else 10**9  # nobody knows how long it will be
        schedule = get_cosine_schedule_with_warmup(optimizer, self.warmup_steps, decay_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def training_step(self, batch: SpeechBatch, batch_idx: int) -> Tensor:
        # chance depends on the step alone, so a run that is resumed draws what it would have drawn
        seed = (self.seed * 1_000_003 + self.current_epoch * 10_007 + batch_idx) % 2**32
        torch.manual_seed(seed)
        np.random.seed(seed)  # transformers draws masks from here
        loss = self.loss(batch)
        self.log("loss/train", loss, batch_size=len(batch["text"]))
        return loss

    def on_validation_epoch_start(self) -> None:
        self.metrics.reset()

    def validation_step(self, batch: SpeechBatch, batch_idx: int) -> dict[str, Any]:
        found = self.transcribe(batch)
        self.metrics.update(batch, found)
        self.log("loss/val", self.loss(batch), batch_size=len(found))
        return {"heard": found}

    def on_validation_epoch_end(self) -> None:
        for who, values in self.metrics.summary().items():
            self.log_dict({f"{name}/{who}": value for name, value in values.items()}, prog_bar=who == "tuned")

    def on_test_epoch_start(self) -> None:
        self.metrics.reset()

    def test_step(self, batch: SpeechBatch, batch_idx: int) -> dict[str, Any]:
        return self.validation_step(batch, batch_idx)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        frozen = {n for n, p in self.named_parameters(remove_duplicate=False) if not p.requires_grad}
        state: Mapping[str, Tensor] = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: weights for name, weights in state.items() if name not in frozen}
        checkpoint[HEARD] = self.heard

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        before = checkpoint[HEARD]
        if self.heard and self.heard != before:
            raise UserError(
                "clips or transcripts have changed since this run was begun; run=NAME starts another, "
                "model.pretrained=WORKSPACE/twin/asr from what this one has learnt, once it is exported"
            )
        if before.get("base") != self.base_of_frozen():
            raise UserError(
                f"{self.pretrained}: is not the model any more that this run fine-tuned ({before['base']}); "
                "its adapters fit no other"
            )
        self.heard = before

    def base_of_frozen(self) -> str | None:
        """The name of the model of which weights are kept as they are, and so are in no checkpoint."""
        return model_name(self.pretrained) if self.pretrained and self.keeps_weights else None


def sounds_of(batch: SpeechBatch) -> list[np.ndarray]:
    """Each clip's (samples,) without the silence after it."""
    audio = batch["audio"].float().cpu().numpy()
    return [row[:length] for row, length in zip(audio, batch["lengths"].tolist(), strict=True)]
