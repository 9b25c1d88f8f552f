"""Texts that came before, nearly word for word."""

import re
from array import array
from collections import Counter
from zlib import crc32

import numpy as np

# scripts without spaces: every character counts as a word
_WORD = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|\w+(?:['’]\w+)*")

SHINGLE = 5  # words
SKETCH = 64  # of the smallest hashes
INDEXED = 4  # of them
SHARED = 2  # of the indexed ones have texts that are compared; at an index of 0.8 fewer are a rare chance


def words_of(text: str) -> list[str]:
    """Words, and the characters of scripts that are written without spaces."""
    return _WORD.findall(text.casefold())


class NearDuplicates:
    """What was forwarded, pasted or exported twice.

    Texts are alike when the Jaccard index of their shingles (five words in a row) reaches `similarity`; it
    is exact for texts of up to 68 words and else estimated, to about 0.05, from bottom-k sketches (Cohen
    and Kaplan, Summarizing data using bottom-k sketches, 2007), some 600 bytes a text. Texts of fewer than
    `min_words` are never duplicates: people say the same short things again and again.
    """

    def __init__(self, *, similarity: float = 0.8, min_words: int = 20) -> None:
        self.similarity, self.min_words = similarity, max(min_words, SHINGLE)
        self._sketches = array("I")  # one after the other
        self._ends = array("Q")  # of each
        self._index: dict[int, int] = {}  # the first text that has a hash

    def seen(self, text: str) -> bool:
        """Whether one like it came before; if none did, `text` is remembered."""
        words = words_of(text)
        if len(words) < self.min_words:
            return False
        shingles = (" ".join(words[k : k + SHINGLE]) for k in range(len(words) - SHINGLE + 1))
        hashes = np.fromiter((crc32(s.encode(errors="replace")) for s in shingles), np.uint32)
        sketch = np.unique(hashes)[:SKETCH]
        smallest = sketch[:INDEXED].tolist()
        shared = Counter(self._index[value] for value in smallest if value in self._index)
        candidates = (place for place, n in shared.items() if n >= min(SHARED, len(smallest)))
        if any(_jaccard(sketch, self._sketch(place)) >= self.similarity for place in candidates):
            return True
        for value in smallest:
            self._index.setdefault(value, len(self._ends))
        self._sketches.extend(sketch.tolist())
        self._ends.append(len(self._sketches))
        return False

    def _sketch(self, place: int) -> np.ndarray:
        start = self._ends[place - 1] if place else 0
        return np.array(self._sketches[start : self._ends[place]], np.uint32)


def _jaccard(a: np.ndarray, b: np.ndarray) -> float:
    union = np.union1d(a, b)
    if SKETCH in (len(a), len(b)):  # of larger sets only this much of their union is known
        union = union[:SKETCH]
    both = np.intersect1d(a, b, assume_unique=True)
    return float(np.sum(both <= union[-1]) / len(union))
