"""When each word of a given text is said: forced alignment, for text that may have been corrected.

Words are those between the text's spaces, as they stand: their times can be laid under the text.
What an aligner does not know (a name, a number, a dash) never makes it fail.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from importlib import metadata
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
import torchaudio
from torch import Tensor

from understudy.data.hub import load_pretrained, model_name, pick_device
from understudy.data.lexicon import read_lexicon, spoken_forms
from understudy.data.media import SAMPLE_RATE, Seconds
from understudy.data.recognizers import SHORTEST, Word, sphinx_decoder, sphinx_words
from understudy.data.text import spoken


class Aligner(Protocol):
    """Settings that become a model in `setup`, as with a recogniser."""

    @property
    def language(self) -> str:
        """The code of the language it knows."""

    @property
    def model_id(self) -> str:
        """Changes whenever the answers may change: part of the cache key."""

    def setup(self) -> None:
        """Load the model. Raises `UserError` where there is none."""

    def align(self, samples: np.ndarray, text: str) -> tuple[Word, ...]:
        """Words of `text` in (samples,) float32 at 16 kHz; none if the sound cannot hold them all.

        Their confidence is how well the sound bears them out; 0 for what the aligner cannot judge.
        """


@dataclass(kw_only=True)
class CtcAligner:
    """Any CTC model of characters: `torchaudio.functional.forced_align` on wav2vec2, HuBERT and the like.

    `pretrained` is a hub's name or a folder, of the speech's language. A word of which the model has
    no character takes what its neighbours leave, with confidence 0. Confidence is the mean probability of the
    word's characters where they were placed.
    """

    pretrained: str = "facebook/wav2vec2-base-960h"
    language: str = "en"
    lexicon: str | None = (
        None  # a lexicon.tsv, which may be missing: its words are looked for as they are said
    )
    device: str = "auto"

    @property
    def model_id(self) -> str:
        if not hasattr(self, "_name"):
            self._name = model_name(self.pretrained)
        forms = hashlib.sha256(repr(self._forms).encode()).hexdigest()[:12]
        return f"ctc {self._name} {self.language}" + (f", words {forms}" if self._forms else "")

    @cached_property
    def _forms(self) -> dict[str, list[str]]:
        return spoken_forms(read_lexicon(Path(self.lexicon)) if self.lexicon else (), self.language)

    def _said(self, text: str) -> list[str]:
        """The words of a text as they are said."""
        return [part for word in spoken(text, self.language) for part in self._forms.get(word, [word])]

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def setup(self) -> None:
        self._model, self._processor = load_ctc(self.pretrained, self.device, role="aligner")

    @torch.inference_mode()
    def align(self, samples: np.ndarray, text: str) -> tuple[Word, ...]:
        words = text.split()
        sounding = [self._said(word) for word in words]
        if len(samples) < SHORTEST or not any(sounding):
            return ()
        heard, characters, blank, between = self._hear(samples)
        spelled = [spell("".join(parts), characters) for parts in sounding if parts]
        found = align_characters(heard, spelled, blank=blank, between=between)
        frame = self._frame
        spans = iter([(first * frame, after * frame, sure) for first, after, sure in found])
        return _lay_out(words, [next(spans, None) if parts else None for parts in sounding])

    @torch.inference_mode()
    def align_letters(self, samples: np.ndarray, text: str) -> tuple[Word, ...]:
        """As `align`, of each letter of the spoken words; what lies between words is not given."""
        letters = " ".join(self._said(text))
        if len(samples) < SHORTEST or not letters:
            return ()
        heard, characters, blank, between = self._hear(samples)
        if between is None:
            letters = letters.replace(" ", "")
        spelled = [[between] if c == " " and between is not None else spell(c, characters) for c in letters]
        found = align_characters(heard, spelled, blank=blank)
        frame = self._frame
        placed = zip(letters, found, strict=bool(found))
        return tuple(
            Word(first * frame, after * frame, c, sure) for c, (first, after, sure) in placed if c != " "
        )

    @property
    def _frame(self) -> Seconds:
        """How far a model's frames are apart; what is left over at the end has none."""
        return float(self._model.config.inputs_to_logits_ratio / SAMPLE_RATE)

    def _hear(self, samples: np.ndarray) -> tuple[Tensor, dict[str, int], int, int | None]:
        """Log probabilities (frames, characters); the characters' numbers, the blank's and the space's."""
        heard = hear_characters(self._model, self._processor, samples)
        tokenizer = self._processor.tokenizer
        # tokenizers make up numbers for marks that the model has not
        characters = {c: k for c, k in tokenizer.get_vocab().items() if k < heard.shape[1]}
        return heard, characters, tokenizer.pad_token_id, characters.get(tokenizer.word_delimiter_token)


def load_ctc(pretrained: str, device: str, *, role: str) -> tuple[Any, Any]:
    """Any CTC model of characters and its processor; `role` is the group of settings that asks for it."""
    from transformers import AutoModelForCTC, Wav2Vec2Processor

    model, processor = load_pretrained(
        AutoModelForCTC,
        Wav2Vec2Processor,
        pretrained,
        instead=f"give its folder, {role}.pretrained=FOLDER, or take {role}=sphinx, which needs none",
    )
    return model.to(pick_device(device)), processor


def hear_characters(model: Any, processor: Any, samples: np.ndarray) -> Tensor:
    """Log probabilities (frames, characters), on the CPU, by any CTC model and its processor."""
    inputs = processor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt").to(model.device)
    return model(**inputs).logits[0].float().log_softmax(-1).cpu()


def align_characters(
    log_probabilities: Tensor, words: Sequence[Sequence[int]], *, blank: int, between: int | None = None
) -> list[tuple[int, int, float]]:
    """First frame, the one after the last, and mean probability of each word; none if they do not fit.

    `log_probabilities` is (frames, characters), a word its characters' numbers, without the blank. A word
    without any takes what its neighbours leave. `between` is the number of the space, if there is one.
    """
    frames, anything = log_probabilities.shape
    # one more character, which is as probable as can be at any time
    emission = torch.nn.functional.pad(log_probabilities, (0, 1))[None]  # (1, frames, characters + 1)
    targets: list[int] = []
    places: list[range] = []
    for word in words:
        if targets and between is not None:
            targets.append(between)
        places.append(range(len(targets), len(targets) + max(len(word), 1)))
        targets += word or [anything]
    needed = len(targets) + sum(a == b for a, b in pairwise(targets))  # a blank parts equal neighbours
    if not targets or needed > frames:
        return []
    path, scores = torchaudio.functional.forced_align(emission, torch.tensor([targets]), blank=blank)
    spans = torchaudio.functional.merge_tokens(path[0], scores[0].exp(), blank=blank)
    assert len(spans) == len(targets)
    found = []
    for place in places:
        inside = [spans[k] for k in place]
        confidence = sum(span.score * len(span) for span in inside) / sum(len(span) for span in inside)
        known = targets[place[0]] != anything
        found.append((inside[0].start, inside[-1].end, min(confidence, 1.0) if known else 0.0))
    return found


def _lay_out(
    words: Sequence[str], spans: Sequence[tuple[Seconds, Seconds, float] | None]
) -> tuple[Word, ...]:
    """Words at their spans; one that has none (a dash) is a moment after the one before. None if none has."""
    at = next((span[0] for span in spans if span), None)
    if at is None:
        return ()
    laid_out = []
    for word, span in zip(words, spans, strict=True):
        start, end, confidence = span or (at, at, 0.0)
        laid_out.append(Word(start, end, word, confidence))
        at = end
    return tuple(laid_out)


def spell(word: str, characters: dict[str, int]) -> list[int]:
    """Those of its letters that the model has, as small or capital letters, with accents or without."""
    numbers = []
    for letter in word:
        forms = (letter, letter.upper(), _plain(letter), _plain(letter).upper())
        numbers += [characters[form] for form in forms if form in characters][:1]
    return numbers


def _plain(text: str) -> str:
    """Without accents."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


@dataclass(kw_only=True)
class SphinxAligner:
    """PocketSphinx, told what is said: English, no download.

    Words that its dictionary lacks are pronounced as they are spelled, which is near enough to find
    them. Confidence is how near a word's sounds come, moment by moment, to what the likeliest sounds of
    all would score there: about 0.15 where the word is said, 0.01 where another one is.
    """

    language: ClassVar[str] = "en"

    @property
    def model_id(self) -> str:
        return f"pocketsphinx {metadata.version('pocketsphinx')} en-us"

    def setup(self) -> None:
        self._decoder = sphinx_decoder(lm=None, bestpath=False, beam=1e-300, pbeam=1e-300, wbeam=1e-300)

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def align(self, samples: np.ndarray, text: str) -> tuple[Word, ...]:
        words = text.split()
        said = [[part for part in spoken(word) if self._can_say(part)] for word in words]
        wanted = " ".join(part for parts in said for part in parts)
        if not wanted:
            return ()
        self._decoder.set_align_text(wanted)
        found = [_judged(word) for word in sphinx_words(self._decoder, samples)]
        if " ".join(word.text for word in found) != wanted:  # it did not come to the end
            return ()
        parts_found = iter(found)
        insides = [list(islice(parts_found, len(parts))) for parts in said]
        return _lay_out(words, [_span(inside) for inside in insides])

    def _can_say(self, word: str) -> bool:
        """Whether the dictionary has it, or now has it as it is spelled."""
        if self._decoder.lookup_word(word) is None:
            sounds = [_SOUNDS[letters] for letters in _SPELLED.findall(_plain(word))]
            if not sounds:
                return False
            self._decoder.add_word(word, " ".join(sounds))
        return True


def _judged(word: Word) -> Word:
    """With the score of one frame in place of the product of all, which Sphinx has as its 1024th root."""
    frames = round((word.end - word.start) * 100)
    return replace(word, confidence=max(word.confidence ** (1024 / frames), 1e-6))  # 0 is "not judged"


def _span(parts: Sequence[Word]) -> tuple[Seconds, Seconds, float] | None:
    """The span of a word that is said as several."""
    if not parts:
        return None
    return parts[0].start, parts[-1].end, sum(part.confidence for part in parts) / len(parts)


# what English letters most often stand for
_SOUNDS = {
    "ch": "CH", "ck": "K", "ng": "NG", "ph": "F", "qu": "K W", "sh": "SH", "th": "TH", "zh": "ZH",
    "ai": "EY", "au": "AO", "aw": "AO", "ay": "EY", "ea": "IY", "ee": "IY", "ie": "IY", "oi": "OY",
    "oo": "UW", "ou": "AW", "ow": "OW", "oy": "OY", "er": "ER", "ir": "ER", "ur": "ER",
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH",
    "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R",
    "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IY", "z": "Z",
}  # fmt: skip
_SPELLED = re.compile("|".join(_SOUNDS))
