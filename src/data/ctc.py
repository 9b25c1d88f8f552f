"""A CTC model of characters (wav2vec2, HuBERT and the like) as recogniser, with the subject's lexicon."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from understudy.data.beam_search import Alphabet, BeamSearch, greedy_words
from understudy.data.hub import local_folder, model_name
from understudy.data.lexicon import Entry, read_lexicon, written_forms
from understudy.data.media import SAMPLE_RATE
from understudy.data.recognizers import SHORTEST, Transcript, Word
from understudy.data.text import spoken
from understudy.data.word_times import hear_characters, load_ctc
from understudy.errors import UserError

SENTENCES = "sentences.txt"  # beside an exported model: what it was trained on

log = logging.getLogger(__name__)

Decoding = Literal["beam", "greedy"]


@dataclass(kw_only=True)
class CtcRecognizer:
    """`pretrained` is a hub's name or a folder, of a model of `language`'s characters.

    With `decoding="beam"` it writes words alone that stand in the folder's sentences.txt, in `texts` (a
    sentence a line) or in the `lexicon`, in the order in which they are usually said. Where there is
    none of these, and with `decoding="greedy"`, it writes whatever it hears, letter by letter, but for
    words that the lexicon says are written otherwise than said. A word's confidence is the mean
    probability of its letters in their frames, a clip's that of its words.
    """

    pretrained: str = "facebook/wav2vec2-base-960h"
    language: str = "en"
    lexicon: str | None = None  # a lexicon.tsv; it may be missing
    texts: str | Sequence[str] = ()  # files
    decoding: Decoding = "beam"
    beam_size: int = 100  # hypotheses followed at a time
    language_model_weight: float = 1.0  # 1: it counts as much as the sound; 0: any word may follow any
    lexicon_bias: float = 5.0  # natural logarithm, added for a lexicon's word that no sentence holds
    word_score: float = 0.0  # as that, for every word
    ngram_order: int = 3  # words that are looked at together
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.decoding not in get_args(Decoding):
            known = " or ".join(get_args(Decoding))
            raise UserError(f"asr.decoding={self.decoding}: is not known; take {known}")
        if self.ngram_order < 2:
            raise UserError(f"asr.ngram_order={self.ngram_order}: is no sequence; take 2 or more")

    @property
    def model_id(self) -> str:
        return self._name

    @cached_property
    def _name(self) -> str:  # reads all of a folder: once
        name = f"ctc {model_name(self.pretrained)} {self.language}"
        if self.decoding == "greedy":
            forms = hashlib.sha256(repr(self._written).encode()).hexdigest()[:12]
            return f"{name}, greedy" + (f", words {forms}" if self._written else "")
        known = [self._sentences, [(e.word, e.spoken, e.weight) for e in self._entries]]
        words = hashlib.sha256(repr(known).encode()).hexdigest()[:12]
        scores = f"{self.language_model_weight} * {self.ngram_order}-grams, {self.lexicon_bias} a new word"
        return f"{name}, {self.beam_size} beams, {scores}, {self.word_score} a word, words {words}"

    @property
    def batch_size(self) -> int:
        return 1  # how sums are rounded, and where sound ends, depends on what else is in a batch

    def __getstate__(self) -> dict[str, Any]:  # loaded models do not travel
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def setup(self) -> None:
        self._model, self._processor = load_ctc(self.pretrained, self.device, role="asr")
        tokenizer = self._processor.tokenizer
        # tokenizers make up numbers for marks that the model has not
        numbers = {c: k for c, k in tokenizer.get_vocab().items() if k < self._model.config.vocab_size}
        letters = {letter: k for letter, k in numbers.items() if k not in tokenizer.all_special_ids}
        self._alphabet = Alphabet(
            letters, tokenizer.pad_token_id, numbers.get(tokenizer.word_delimiter_token)
        )
        self._search = self._make_search() if self.decoding == "beam" else None

    def recognize(self, batch: Sequence[np.ndarray]) -> list[Transcript]:
        return [self._recognize(samples) for samples in batch]

    @torch.inference_mode()
    def _recognize(self, samples: np.ndarray) -> Transcript:
        if len(samples) < SHORTEST:
            return Transcript("", 0.0, self.language)
        heard = hear_characters(self._model, self._processor, samples)  # (frames, characters)
        if self._search:
            found = self._search(heard)
        else:
            words_heard = greedy_words(heard, self._alphabet)
            found = [w._replace(text=self._written.get(w.text, w.text)) for w in words_heard]
        frame = len(samples) / SAMPLE_RATE / len(heard)  # seconds
        words = []
        for text, first, after, confidence in found:
            parts = text.split()  # one, but for a name of several words
            borders = np.linspace(first * frame, after * frame, len(parts) + 1).tolist()
            spans = zip(parts, pairwise(borders), strict=True)
            words += [Word(*span, part, confidence) for part, span in spans]
        sure = float(np.mean([word.confidence for word in words])) if words else 0.0
        return Transcript(" ".join(word.text for word in words), sure, self.language, tuple(words))

    def _make_search(self) -> BeamSearch | None:
        """Nothing where no word is known. Raises `UserError` for a model that knows no space."""
        if not self._sentences and not self._entries:
            return None
        if self._alphabet.between is None:
            raise UserError(
                f"{self.pretrained}: has no character between words, by which they are found; "
                "take asr.decoding=greedy"
            )
        search = BeamSearch(
            self._alphabet,
            self._sentences,
            self._entries,
            language=self.language,
            beam_size=self.beam_size,
            language_model_weight=self.language_model_weight,
            lexicon_bias=self.lexicon_bias,
            word_score=self.word_score,
            ngram_order=self.ngram_order,
        )
        own = {entry.word for entry in self._entries}
        texts = ", ".join([SENTENCES, *map(str, self._text_files)])
        lacking: dict[str | None, list[str]] = {}
        for word in search.unspellable:
            lacking.setdefault(self.lexicon if word in own else texts, []).append(word)
        for where, words in lacking.items():
            shown = ", ".join(words)
            log.warning("%s: %s has no letter of %s; cannot be found", where, self.pretrained, shown)
        return search

    @cached_property
    def _entries(self) -> list[Entry]:
        return read_lexicon(Path(self.lexicon)) if self.lexicon else []

    @property
    def _text_files(self) -> list[Path]:
        return [Path(name) for name in ([self.texts] if isinstance(self.texts, str) else self.texts)]

    @cached_property
    def _written(self) -> dict[str, str]:
        """What is written for words that are heard as they are said."""
        return written_forms(self._entries, self.language)

    @cached_property
    def _sentences(self) -> list[list[str]]:
        """What was said, as far as there is a text of it."""
        folder = local_folder(self.pretrained)
        own = [folder / SENTENCES] if folder and (folder / SENTENCES).exists() else []
        lines = [line for path in [*own, *self._text_files] for line in _lines(path)]
        return [words for line in lines if (words := spoken(line, self.language))]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"asr.texts={path}: cannot be read ({error}); give a file with a sentence a line"
        ) from None
