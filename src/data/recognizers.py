"""Who turns sound into text: what every recogniser gives, and the one that needs no download.

Whisper is in `whisper`, the times of words of a given text are in `word_times`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import metadata
from typing import Any, Protocol

import numpy as np

from understudy.data.media import SAMPLE_RATE, Seconds

SHORTEST = round(0.1 * SAMPLE_RATE)  # samples; less holds no word, and no frame to analyse


@dataclass(frozen=True)
class Word:
    """A word as it stands in the text; times count from the first sample."""

    start: Seconds
    end: Seconds
    text: str
    confidence: float  # 0..1


@dataclass(frozen=True)
class Transcript:
    """What was heard. `words` are `text.split()`, or nothing where the recogniser has no times."""

    text: str
    confidence: float  # 0..1; how it is come by is the recogniser's own
    language: str  # a code: "en"
    words: tuple[Word, ...] = ()
    language_probability: float | None = None  # None: it was given, or is the only one
    no_speech: float | None = None  # probability that nobody speaks, where that is judged


class Recognizer(Protocol):
    """Settings that become a model in `setup`: so it travels to another process before it is loaded."""

    @property
    def model_id(self) -> str:
        """Changes whenever the answers may change: part of the cache key."""

    @property
    def batch_size(self) -> int:
        """How many clips at once are fastest."""

    def setup(self) -> None:
        """Load the model. Raises `UserError` where there is none."""

    def recognize(self, batch: Sequence[np.ndarray]) -> list[Transcript]:
        """Of each (samples,) float32 at 16 kHz; what a clip gives does not depend on the others."""


@dataclass(kw_only=True)
class SphinxRecognizer:
    """PocketSphinx with the American English model of its wheel: no download, one core, no GPU.

    It knows 134,000 words and read or carefully spoken English; its confidence is the mean posterior
    probability of the words in its lattice. Digits, abbreviations and punctuation are never written.
    """

    language_weight: float = 6.5  # how much the language model counts against the sound
    max_states: int = (
        3000  # hypotheses followed at a time; ten times as many find no more and take twice as long
    )

    @property
    def model_id(self) -> str:
        settings = f"weight {self.language_weight} states {self.max_states}"
        return f"pocketsphinx {metadata.version('pocketsphinx')} en-us {settings}"

    @property
    def batch_size(self) -> int:
        return 1

    def setup(self) -> None:
        self._decoder = sphinx_decoder(lw=self.language_weight, maxhmmpf=self.max_states)

    def __getstate__(self) -> dict[str, Any]:  # native decoders do not travel
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def recognize(self, batch: Sequence[np.ndarray]) -> list[Transcript]:
        return [self._recognize(samples) for samples in batch]

    def _recognize(self, samples: np.ndarray) -> Transcript:
        words = sphinx_words(self._decoder, samples)
        confidence = float(np.mean([word.confidence for word in words])) if words else 0.0
        return Transcript(" ".join(word.text for word in words), confidence, "en", words)


def sphinx_decoder(**options: Any) -> Any:
    """A decoder each of whose utterances stands alone, whatever was decoded before."""
    from pocketsphinx import Decoder

    return Decoder(samprate=SAMPLE_RATE, cmn="batch", loglevel="FATAL", **options)


def sphinx_words(decoder: Any, samples: np.ndarray) -> tuple[Word, ...]:
    """The words that `decoder` finds in (samples,), without pauses and noises."""
    if len(samples) < SHORTEST:
        return ()
    # in digital silence, which has no spectrum, it hears words
    noise = np.random.default_rng(0).integers(-2, 3, len(samples))
    pcm = np.clip(np.rint(samples * 32767) + noise, -32768, 32767).astype(np.int16)
    decoder.reinit_feat()  # else its estimate of the noise comes from the clips before
    decoder.start_utt()
    decoder.process_raw(pcm.tobytes(), full_utt=True)
    decoder.end_utt()
    return tuple(
        Word(
            segment.start_frame / 100,
            (segment.end_frame + 1) / 100,
            segment.word.split("(")[0],  # the(2) is another way to say it
            min(segment.prob, 1.0),
        )
        for segment in decoder.seg() or ()
        if segment.word[0] not in "<[+"
    )
