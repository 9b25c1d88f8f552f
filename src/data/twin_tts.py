"""The twin's voice from its folder: text to mels, freely or along a recording."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from understudy.data.hub import model_name, pick_device
from understudy.data.letters import Letters
from understudy.data.lexicon import LEXICON
from understudy.data.media import Seconds
from understudy.data.pitch import pitch
from understudy.data.pronounce import Pronouncer, Spoken, UnsayableError
from understudy.data.speecht5 import FAMILY as SPEECHT5
from understudy.data.speecht5 import load_speecht5
from understudy.data.token_times import expected
from understudy.data.warp import warp
from understudy.errors import UserError
from understudy.models.tts import FastSpeech, LogMel, Speech
from understudy.models.tts.fastspeech import LONGEST
from understudy.models.tts.speecht5 import SpeechT5

FASTSPEECH = "fastspeech"
ACOUSTIC = "acoustic.safetensors"
# why a recording cannot be saying a text
TOO_LONG = "is longer than the voice can speak at once"
TOO_FAST = "has more sounds than there is time for"
OTHER_PACE = "is spoken at quite another pace by the voice"


@dataclass(frozen=True)
class Said:
    """What a voice made of a text."""

    text: Spoken
    speech: Speech

    def words(self, frame: Seconds) -> list[tuple[Seconds, Seconds, str]]:
        """Start, end and spelling of each word that is said; none where the voice does not know when."""
        if self.speech.durations is None:
            return []
        ends = self.speech.durations.cumsum(0).tolist()
        starts = [0, *ends[:-1]]
        found = []
        for number, word in enumerate(self.text.words):
            tokens = [k for k, owner in enumerate(self.text.word_of) if owner == number]
            if tokens:
                found.append((starts[tokens[0]] * frame, ends[tokens[-1]] * frame, word))
        return found


@dataclass(kw_only=True)
class TwinVoice:
    """An exported `twin/tts`: settings that become a model in `setup`, as with a recogniser.

    `lexicon` is a lexicon.tsv; the folder's own if not given.
    """

    pretrained: str
    lexicon: str | None = None
    device: str = "auto"

    @cached_property
    def model_id(self) -> str:  # reads all of a folder: once
        self._config()
        words = Path(self.lexicon) if self.lexicon else Path(self.pretrained) / LEXICON
        return f"tts {model_name(self.pretrained)} {words.read_text('utf-8') if words.exists() else ''}"

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def _config(self) -> dict[str, Any]:
        folder = Path(self.pretrained)
        try:
            config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
        except FileNotFoundError:
            raise UserError(
                f"{folder}: there is no voice yet; train one (understudy train model=tts) and export it "
                "(understudy export ckpt=CHECKPOINT)"
            ) from None
        except ValueError as error:
            raise UserError(
                f"{folder}/config.json: is not as it was written ({error}); export again"
            ) from None
        return config

    def setup(self) -> None:
        """Load the network. Raises `UserError` where there is none."""
        folder, config = Path(self.pretrained), self._config()
        lexicon = self.lexicon or (str(folder / LEXICON) if (folder / LEXICON).exists() else None)
        device = pick_device(self.device)
        if config.get("family") == SPEECHT5:
            self.network: FastSpeech | SpeechT5
            self.pronouncer: Pronouncer | Letters
            self.network, self.log_mel = load_speecht5(folder)
            language = config.get("language", "en")
            self.pronouncer = Letters(pretrained=str(folder), language=language, lexicon=lexicon)
        else:
            self.network, self.log_mel, self.pronouncer = load_fastspeech(folder, config, lexicon)
        self.network.to(device)
        self.device_used = device
        self.sample_rate, self.hop_length = self.log_mel.sample_rate, self.log_mel.hop_length

    def say(self, text: str, *, speed: float = 1.0, pitch: float = 0.0, energy: float = 0.0) -> Said:
        """`text` as the voice says it, so many times as fast, semitones higher and dB louder."""
        spoken = self.pronouncer.tokens(text)
        ids = torch.from_numpy(spoken.ids).to(self.device_used)
        return Said(spoken, self.network.synthesize(ids, speed=speed, pitch=pitch, energy=energy))

    @torch.no_grad()
    def along(
        self, text: str, samples: np.ndarray, words: Sequence[tuple[Seconds, Seconds, str]] = ()
    ) -> Said:
        """`text` frame by frame as the recording (frames * hop_length,) says it.

        `words` are its words' times (start, end, spelling, in seconds) where they are known.

        With the recording's own durations, pitch and loudness where the voice takes them; a voice that does
        not speaks freely and is warped. Raises `UnsayableError` for what the recording cannot be saying.
        """
        spoken = self.pronouncer.tokens(text)
        if isinstance(self.network, FastSpeech):
            return Said(spoken, self._taught(self.network, text, spoken, samples, words))
        return Said(spoken, self._warped(self.network, text, spoken, samples))

    def _taught(
        self,
        network: FastSpeech,
        text: str,
        spoken: Spoken,
        samples: np.ndarray,
        words: Sequence[tuple[Seconds, Seconds, str]],
    ) -> Speech:
        tokens, frames = len(spoken.ids), len(samples) // self.hop_length
        if frames > LONGEST:
            seconds = LONGEST * self.log_mel.frame
            raise UnsayableError(text, TOO_LONG, f"cut clips of up to {seconds:.0f} s")
        if tokens > frames:
            seconds = frames * self.log_mel.frame
            raise UnsayableError(text, TOO_FAST, f"correct it, there are {seconds:.2f} s")
        mel, ids = self._mel(samples), torch.from_numpy(spoken.ids).to(self.device_used)[None]
        hertz = pitch(samples, self.sample_rate, self.hop_length)
        places = expected(spoken, words, frames, 1 / self.log_mel.frame)
        taught = network(
            ids,
            lengths(ids),
            mel,
            lengths(mel[0]),
            torch.from_numpy(hertz).to(mel.device)[None],
            torch.from_numpy(places).to(mel.device)[None],
        )
        return Speech(taught.mel[0], taught.alignment.durations[0])

    def _warped(self, network: SpeechT5, text: str, spoken: Spoken, samples: np.ndarray) -> Speech:
        most = network.network.config.max_text_positions
        if len(spoken.ids) > most:
            raise UnsayableError(text, TOO_LONG, f"cut clips of up to {most} letters")
        free = network.synthesize(torch.from_numpy(spoken.ids).to(self.device_used))
        if free.trouble:
            raise UnsayableError(text, free.trouble.what, "the voice needs more training")
        try:
            warped = warp(free.mel.cpu().numpy(), self._mel(samples)[0].cpu().numpy())
        except UserError as error:
            raise UnsayableError(text, OTHER_PACE, str(error)) from None
        return Speech(torch.from_numpy(warped))

    def _mel(self, samples: np.ndarray) -> Tensor:
        """(samples,) -> (1, n_mels, frames)."""
        mel: Tensor = self.log_mel.to(self.device_used)(torch.from_numpy(samples).to(self.device_used)[None])
        return mel


def lengths(rows: Tensor) -> Tensor:
    """(1, length) or (channels, length) -> (1,)."""
    return torch.tensor([rows.shape[-1]], device=rows.device)


def load_fastspeech(
    folder: Path, config: dict[str, Any], lexicon: str | None
) -> tuple[FastSpeech, LogMel, Pronouncer]:
    """Raises `UserError` for a folder that is not as it was written."""
    try:
        network = FastSpeech(**config["network"])
        network.load_state_dict(load_file(folder / ACOUSTIC))
        pronouncer = Pronouncer(**config["pronouncer"], lexicon=lexicon)
        alphabet: Sequence[str] = config["alphabet"]
        log_mel = LogMel(**config["mel"])
    except (OSError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder}: is not as it was written ({reason}); export the voice again") from None
    if tuple(alphabet) != pronouncer.alphabet:
        raise UserError(
            f"{folder}: was trained with other sounds than this version knows; train and export it again"
        )
    return network.eval(), log_mel, pronouncer
