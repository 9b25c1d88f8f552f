"""The twin's voice, clause by clause: the first sound comes before the text is complete."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from understudy.data.clauses import Clauses, clauses, ends_sentence
from understudy.data.media import Seconds
from understudy.data.pronounce import SILENCE, Spoken, UnsayableError
from understudy.data.twin_tts import TwinVoice
from understudy.data.twin_vocoder import GRIFFIN_LIM, TRAIN_ONE, vocoder_for
from understudy.errors import UserError
from understudy.models.tts import FastSpeech, Speech
from understudy.models.tts.speech import TOO_LONG
from understudy.models.vocoder import VocoderStream

EDGE = 3  # frames of silence that are left at either end of a clause
CHUNK = 64  # mel frames that are turned into sound at once, after shorter ones to begin with


@dataclass(frozen=True)
class Sound:
    """A piece of speech (samples,) float32; `clause` is what is being said."""

    samples: np.ndarray
    clause: str
    begins: bool  # the clause with this piece


class Voice:
    """An exported voice and its vocoder, ready to speak.

    `speed` is a factor, `pitch` in semitones, `energy` in dB; `pause` is put behind every sentence, half
    of it behind other clauses. `vocoder` is a folder, or a hub's name. Raises `UserError` where there is no
    voice, or the two do not fit.
    """

    def __init__(
        self,
        tts: str | Path,
        vocoder: str | Path,
        *,
        speed: float = 1.0,
        pitch: float = 0.0,
        energy: float = 0.0,
        pause: Seconds = 0.3,
        device: str = "auto",
    ) -> None:
        if not 0.25 <= speed <= 4:
            raise UserError(f"speed={speed}: is a factor, from 0.25 to 4")
        if not 0 <= pause <= 10:
            raise UserError(f"pause={pause}: is in seconds, from 0 to 10")
        self.voice = TwinVoice(pretrained=str(tts), device=device)
        self.voice.setup()
        if isinstance(vocoder, Path) and not vocoder.is_dir():
            raise UserError(
                f"{vocoder}: there is no vocoder yet; {TRAIN_ONE}, or speak without one: "
                f"vocoder={GRIFFIN_LIM}, in animate voice.vocoder={GRIFFIN_LIM}"
            )
        found = vocoder_for(str(vocoder), self.voice.log_mel)
        self.vocoder: Any = found.to(self.voice.device_used).eval()
        self.sample_rate = self.voice.sample_rate
        own = self.sample_rate, self.voice.log_mel.n_mels, self.voice.hop_length
        heard = self.vocoder.sample_rate, self.vocoder.n_mels, self.vocoder.hop_length
        if own != heard:
            raise UserError(
                f"{vocoder}: makes {heard[0]} Hz of {heard[1]} mel bands in steps of {heard[2]} samples, the "
                f"voice in {tts} speaks {own[0]} Hz in {own[1]} in steps of {own[2]}; train a vocoder for it"
            )
        if (pitch or energy) and not isinstance(self.voice.network, FastSpeech):
            raise UserError(
                f"pitch={pitch:g}, energy={energy:g}: this voice speaks as high and as loud as it learnt; "
                "only its speed can be changed"
            )
        self.speed, self.pitch, self.energy, self.pause = speed, pitch, energy, pause
        self.guessed: set[str] = set()
        self.left_out: list[str] = []  # clauses that could not be said, or not whole

    def stream(self, pieces: Iterable[str]) -> Iterator[Sound]:
        """What the pieces of a text say, as soon as a clause is certain."""
        found = Clauses()
        for piece in pieces:
            for clause in found.push(piece):
                yield from self.clause(clause)
        for clause in found.finish():
            yield from self.clause(clause)

    def clause(self, text: str) -> Iterator[Sound]:
        """One clause, in pieces; prints what had to be guessed, and what went wrong.

        A clause that is too long for the model is said in two. One in which there is nothing to say is told,
        and gives no sound.
        """
        try:
            spoken = self.voice.pronouncer.tokens(text)
        except UnsayableError as error:
            print(error)
            self.left_out.append(text)
            return
        self._tell_guessed(spoken.unknown)
        ids = torch.from_numpy(spoken.ids).to(self.voice.device_used)
        speech = self.voice.network.synthesize(ids, speed=self.speed, pitch=self.pitch, energy=self.energy)
        words = text.split()
        if speech.trouble and speech.trouble.what == TOO_LONG and len(words) > 1:
            yield from self.clause(" ".join(words[: len(words) // 2]))
            yield from self.clause(" ".join(words[len(words) // 2 :]))
            return
        if speech.trouble:
            sound = spoken.tokens[speech.trouble.token]
            print(
                f"{text!r}: {speech.trouble.what} at {sound!r}; the voice needs more training, or other words"
            )
            self.left_out.append(text)
        pause = self.pause if ends_sentence(words[-1], "") else self.pause / 2
        yield from self._sounds(trimmed(speech, spoken), text, pause)

    def _sounds(self, mel: Tensor, text: str, pause: Seconds) -> Iterator[Sound]:
        """The vocoder's pieces, and silence behind them."""
        vocoder = VocoderStream(self.vocoder)
        begins = True
        for part in mel.float().split(CHUNK, dim=1):
            samples = vocoder.push(part)
            if len(samples):
                yield Sound(samples.cpu().numpy(), text, begins)
                begins = False
        silence = mel.new_zeros(round(pause * self.sample_rate), dtype=torch.float32)
        yield Sound(torch.cat([vocoder.finish(), silence]).cpu().numpy(), text, begins)

    def _tell_guessed(self, words: Sequence[str]) -> None:
        """Once for each word."""
        if new := [word for word in words if word not in self.guessed]:
            self.guessed.update(new)
            print(f"guessed how to say {', '.join(new)}; lexicon.tsv can tell")

    def say(self, text: str) -> np.ndarray:
        """All of `text` at once: (samples,) float32. The same samples as those of `stream`, joined."""
        sounds = [sound.samples for clause in clauses(text) for sound in self.clause(clause)]
        if not sounds:
            raise UserError(f"{text!r}: there is nothing in it to say")
        return np.concatenate(sounds)


def trimmed(speech: Speech, spoken: Spoken) -> Tensor:
    """The mel (n_mels, frames) with a breath of the silence at its ends: `pause` decides on the rest."""
    if speech.durations is None:
        return speech.mel
    silent = [int(speech.durations[k]) - EDGE if spoken.tokens[k] == SILENCE else 0 for k in (0, -1)]
    first, last = (max(frames, 0) for frames in silent)
    return speech.mel[:, first : speech.mel.shape[1] - last]
