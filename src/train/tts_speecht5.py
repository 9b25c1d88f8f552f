"""Fine-tuning of SpeechT5, which says a text in the voice of a few seconds of sound."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer
from tqdm import tqdm

from understudy.data.embedding import SpeakerEncoder, unit
from understudy.data.letters import SPACE, Letters
from understudy.data.sound import clip_audio
from understudy.data.speecht5 import (
    encoder_for,
    load_network,
    network_from_nothing,
    processor_of,
    save_speecht5,
    voice_of,
)
from understudy.data.voice_datamodule import VoiceBatch, VoiceDataModule
from understudy.errors import UserError
from understudy.models.tts.mel import LogMel
from understudy.models.tts.speech import Trouble
from understudy.models.tts.speecht5 import SpeechT5, SpeechT5Mel
from understudy.train.tts import Lesson, VoiceTraining

MET = 50  # clips whose mean the voice is, where there is no reference


class SpeechT5Training(VoiceTraining):
    """`pretrained` is a hub's name or a folder; without one, `network` is made and trained from nothing.

    The voice is a vector: of `reference`, a recording of some seconds, or the mean of the training clips.
    `encoder` makes it; without one, the encoder whose vectors are as long as the network wants. `mel` is what
    is learnt to be said, SpeechT5's own if not given; `vocoder`, a hub's name or a folder, makes it audible,
    without one Griffin-Lim does.
    """

    network: SpeechT5

    def __init__(
        self,
        *,
        pronouncer: Letters,
        optimizer: Callable[[Iterable[Tensor]], Optimizer],
        pretrained: str | None = None,
        network: Mapping[str, Any] | None = None,
        reference: str | None = None,
        encoder: SpeakerEncoder | None = None,
        mel: LogMel | None = None,
        vocoder: str | None = None,
        listening: Mapping[str, Any] | None = None,
        warmup_steps: int = 100,
        decay_steps: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            pronouncer=pronouncer,
            log_mel=mel or SpeechT5Mel(),
            vocoder=vocoder,
            listening=listening,
            optimizer=optimizer,
            warmup_steps=warmup_steps,
            decay_steps=decay_steps,
            seed=seed,
        )
        if not pretrained and not network:
            raise UserError("model.pretrained=NAME or FOLDER, or model.network for one from nothing")
        self.pretrained, self.config_of_network = pretrained, dict(network or {})
        self.reference, self.encoder = reference, encoder

    def configure_model(self) -> None:
        if hasattr(self, "network"):
            return
        if self.pretrained:
            network, self.processor = load_network(self.pretrained)
        else:
            settings = {**self.config_of_network, "num_mel_bins": self.log_mel.n_mels}
            network = network_from_nothing(settings, len(self.pronouncer.alphabet))
            self.processor = processor_of(self.pronouncer.tokenizer)
        config = network.config
        if len(self.pronouncer.alphabet) > config.vocab_size:
            raise UserError(
                f"model.pronouncer: has {len(self.pronouncer.alphabet)} letters, {self.pretrained} reads "
                f"{config.vocab_size}; give model.pronouncer.pretrained={self.pretrained}"
            )
        if config.num_mel_bins != self.log_mel.n_mels:
            raise UserError(f"model.mel: has {self.log_mel.n_mels} bands, the network {config.num_mel_bins}")
        self.network = SpeechT5(network, frame=self.log_mel.frame).train()

    def meet(self, data: VoiceDataModule) -> None:
        encoder = self.encoder or encoder_for(len(self.network.speaker))
        if self.reference:
            vector = voice_of(self.reference, encoder)
        else:
            clips = tqdm(data.split["train"][:MET], "listening to the voice", unit="clip", delay=2)
            vector = unit(np.mean([encoder(clip_audio(clip, data.workspace)) for clip in clips], axis=0))
        self.network.set_voice(torch.from_numpy(vector))

    def lesson(self, batch: VoiceBatch) -> Lesson:
        arguments = batch["ids"], batch["id_lengths"], self.mel_of(batch), batch["frames"]
        if self.training:
            return Lesson({"speecht5": self.network.loss(*arguments)})
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.seed)  # it never stops to draw chance: validations shall be comparable
            return Lesson({"speecht5": self.network.loss(*arguments)})

    @staticmethod
    def named(trouble: Trouble, tokens: Sequence[str]) -> str:
        """With the word instead of the number of its letter."""
        number = list(tokens[: trouble.token + 1]).count(SPACE)
        word = "".join(tokens).split(SPACE)[number].removesuffix("</s>")
        return f"{trouble.what} at {word!r} after {trouble.after:.1f} seconds"

    def save(self, folder: Path) -> str:
        language = self.pronouncer.language
        save_speecht5(self.network, self.processor, self.log_mel, folder, language=language)
        return type(self.network.network).__name__
