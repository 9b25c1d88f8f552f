"""Step 4: what is said in each clip, when each word is said, and what looks made up."""

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from understudy.data.manifest import Clip, Drop
from understudy.data.media import Seconds
from understudy.data.recognizers import Recognizer, SphinxRecognizer, Transcript, Word
from understudy.data.sound import clip_audio
from understudy.data.stage import Stage
from understudy.data.text import character_error_rate, normalize, tokens
from understudy.data.word_times import Aligner, SphinxAligner


@dataclass
class Transcribe(Stage):
    """Keeps every clip and adds

    text                   as the recogniser wrote it; "" where nothing can be compared with anything
    heard                  the same, which no person's edit touches
    words                  [[start, end, word, confidence], ...], the words of `text.split()`
    confidence             0 to 1, the recogniser's own
    language               a code, with `language_probability` where it was detected
    no_speech              probability that nobody speaks, where the recogniser judges that
    characters_per_second  of the text without its spaces
    compression_ratio      how much shorter the text gets when packed: high where it repeats itself
    flags                  why the text is likely made up; review shows these first
    transcriber            which model wrote it
    fit                    0 to 1, how well the sound bears out the text, on the aligner's own scale
    disagreement           0 to 1, character error rate of a `second` recogniser's text, if there is one
    """

    name: ClassVar[str] = "transcribe"
    version: ClassVar[int] = 2  # 2: `heard`
    reads: ClassVar[tuple[str, ...]] = ("audio", "gain")

    recognizer: Recognizer = field(default_factory=SphinxRecognizer)
    aligner: Aligner | None = field(default_factory=SphinxAligner)
    second: Recognizer | None = None
    max_characters_per_second: float = 25.0
    min_characters_per_second: float = 1.5
    max_compression_ratio: float = 2.4
    max_repeats: int = 3  # of the same words in a row
    max_word_length: int = 25  # characters
    max_word_duration: Seconds = 2.0
    max_no_speech: float = 0.6
    min_fit: float = 0.025

    @property
    def batch_size(self) -> int:
        return self.recognizer.batch_size

    def setup(self) -> None:
        for model in (self.recognizer, self.aligner, self.second):
            if model:
                model.setup()

    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        return self.process_batch([clip], workspace, [folder])[0]

    def process_batch(
        self, clips: Sequence[Clip], workspace: Path, folders: Sequence[Path]
    ) -> list[Iterable[Clip | Drop]]:
        sounds = [clip_audio(clip, workspace) for clip in clips]
        heard = self.recognizer.recognize(sounds)
        others = self.second.recognize(sounds) if self.second else [None] * len(clips)
        return [[self._result(*all_of_one)] for all_of_one in zip(clips, sounds, heard, others, strict=True)]

    def _result(self, clip: Clip, samples: np.ndarray, heard: Transcript, other: Transcript | None) -> Clip:
        text = heard.text if normalize(heard.text, heard.language) else ""
        words, fit = self._words(samples, text, heard)
        numbers = {
            "confidence": heard.confidence,
            "language_probability": heard.language_probability,
            "no_speech": heard.no_speech,
            "fit": fit,
            "characters_per_second": characters_per_second(text, clip.duration),
            "compression_ratio": compression_ratio(text),
        }
        if other:
            numbers["disagreement"] = min(character_error_rate([text], [other.text], heard.language), 1.0)
        return clip.add(
            text=text,
            heard=text,
            words=[self._row(word, clip) for word in words],
            language=heard.language,
            flags=self.flags(replace(heard, text=text, words=words), clip.duration, fit),
            transcriber=self.recognizer.model_id,
            **{name: round(value, 4) for name, value in numbers.items() if value is not None},
        )

    def _words(
        self, samples: np.ndarray, text: str, heard: Transcript
    ) -> tuple[tuple[Word, ...], float | None]:
        """With their times, and how well they fit the sound if that was judged."""
        if not text:
            return (), None
        if self.aligner is None or self.aligner.language != heard.language:
            return heard.words, None
        aligned = self.aligner.align(samples, text)
        if not aligned:
            return heard.words, 0.0
        fit = fit_of(aligned)
        if heard.words:  # how sure to be of a word, who wrote it tells
            sure = [word.confidence for word in heard.words]
            aligned = tuple(replace(w, confidence=c) for w, c in zip(aligned, sure, strict=True))
        return aligned, fit

    def _row(self, word: Word, clip: Clip) -> list[Any]:
        start, end = (round(min(clip.start + time, clip.end), 3) for time in (word.start, word.end))
        return [start, end, word.text, round(word.confidence, 4)]

    def flags(self, heard: Transcript, duration: Seconds, fit: float | None = None) -> list[str]:
        """Short reasons to doubt a text that is said in `duration`."""
        text, rate = heard.text, characters_per_second(heard.text, duration)
        repeated = repeats(tokens(text, heard.language))
        packed = compression_ratio(text)
        found = {
            "nothing recognised": not text,
            "no speech": heard.no_speech is not None and heard.no_speech > self.max_no_speech,
            "words do not fit": fit is not None and fit < self.min_fit,
            "repetition": packed > self.max_compression_ratio or repeated > self.max_repeats,
            "too fast": rate > self.max_characters_per_second,
            "too slow": bool(text) and rate < self.min_characters_per_second,
            "long word": any(len(word) > self.max_word_length for word in text.split())
            or any(word.end - word.start > self.max_word_duration for word in heard.words),
        }
        return [flag for flag, holds in found.items() if holds]


def fit_of(words: Sequence[Word]) -> float | None:
    """The mean of what the aligner judged, by the logarithm and by time: one word that is not said shows."""
    judged = [(word.end - word.start, math.log(word.confidence)) for word in words if word.confidence > 0]
    time = sum(duration for duration, _ in judged)
    return math.exp(sum(duration * log for duration, log in judged) / time) if time else None


def characters_per_second(text: str, duration: Seconds) -> float:
    return len("".join(text.split())) / max(duration, 0.01)


def compression_ratio(text: str) -> float:
    """Bytes of `text` over its bytes when packed, as Whisper's authors measure it; below 1 if short."""
    plain = text.encode()
    return len(plain) / len(zlib.compress(plain))


def repeats(words: Sequence[str]) -> int:
    """How often at most the same words follow one another: 3 in "so it is it is it is"."""
    longest = min(len(words), 1)
    for size in range(1, len(words) // 2 + 1):
        run = 0  # words that equal the ones `size` before
        for k in range(size, len(words)):
            run = run + 1 if words[k] == words[k - size] else 0
            longest = max(longest, run // size + 1)
    return longest
