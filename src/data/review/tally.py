"""How far the review has come, and how much is likely wrong in what is left."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from understudy.data.manifest import Clip
from understudy.data.overlay import LINEAGE
from understudy.data.review.estimate import ENOUGH, Estimate, error_rate_left, wrong_words
from understudy.data.review.state import STATUSES, State
from understudy.data.review.vocabulary import Vocabulary, words_of
from understudy.data.text import tokens

OFFERED = 50  # words at once


class Tally:
    """Counts over one state; each is made when it is first asked for."""

    def __init__(
        self,
        state: State,
        heard: Mapping[str, Clip],
        scores: Mapping[str, float],
        vocabulary: Vocabulary,
    ) -> None:
        self.state = state
        self._heard = heard
        self._scores = scores
        self._vocabulary = vocabulary

    @cached_property
    def statuses(self) -> dict[str, str]:
        return {name: self.state.status(name) for name in self.state.clips}

    @cached_property
    def progress(self) -> dict[str, Any]:
        counts = Counter(self.statuses.values())
        return {
            "total": len(self.statuses),
            **{status: counts[status] for status in STATUSES},
            "estimate": asdict(self._estimate()),
            "offers": self._vocabulary.offers(self._seen("confirmed", "doubted", "edited"))[:OFFERED],
            "speakers": self._values("speaker"),
            "flags": self._values("flags"),
        }

    @cached_property
    def confirmed_words(self) -> Counter[str]:
        """Words of texts that a person called right."""
        return Counter(word.casefold() for text in self._seen("confirmed") for word in words_of(text))

    def _seen(self, *statuses: str) -> list[str]:
        return [
            text
            for name, status in self.statuses.items()
            if status in statuses and (text := self.state.clips[name].fields.get("text"))
        ]

    def _values(self, name: str) -> list[str]:
        """What occurs in a field, most frequent first."""
        counts: Counter[str] = Counter()
        for clip in self.state.clips.values():
            value = clip.fields.get(name)
            if value is not None:
                counts.update(map(str, value) if isinstance(value, list) else [str(value)])
        return [value for value, _ in counts.most_common()]

    def _estimate(self) -> Estimate:
        corrected, left = [], []
        for name, status in self.statuses.items():
            text = self.state.clips[name].fields.get("text")
            if text is None or status == "dropped":
                continue
            if status == "todo":
                left.append((self._scores[name], len(text.split())))
            elif (heard := self.heard_text(name)) is not None:
                corrected.append((name, heard, text))
        if len(corrected) < ENOUGH:  # before words are compared: that takes libraries
            return Estimate(None, None, None, ENOUGH - len(corrected), 0.0)
        compared = [(self._scores[name], *self._errors(name, heard, text)) for name, heard, text in corrected]
        return error_rate_left(np.array(compared).reshape(-1, 3), np.array(left).reshape(-1, 2))

    def _errors(self, name: str, heard: str, text: str) -> tuple[int, int]:
        return _errors(heard, text, str(self.state.clips[name].fields.get("language") or "en"))

    def heard_text(self, name: str) -> str | None:
        """What the transcriber made of a clip; None where the clip was made by hand."""
        clip = self._heard.get(name)
        if clip is None or clip.fields.get(LINEAGE, {}).get("born"):
            return None
        return clip.fields.get("text")


@lru_cache(maxsize=100_000)
def _errors(heard: str, said: str, language: str) -> tuple[int, int]:
    """Wrong words, and words said."""
    words = tokens(said, language)
    return wrong_words(tokens(heard, language), words), len(words)
