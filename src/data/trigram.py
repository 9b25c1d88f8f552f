"""What a language model from nothing has to beat: which token follows which two others."""

import math
import random
from collections import Counter
from collections.abc import Sequence

from tqdm import tqdm

from understudy.data.ngram import BEGIN, END, fit_ngrams

ORDER = 3


class Trigram:
    """Witten-Bell smoothed, of a person's answers, each a list of token ids without the mark of its end.

    It never sees what is answered. Of `vocabulary` tokens each one is possible.
    """

    def __init__(self, answers: Sequence[Sequence[int]], vocabulary: int) -> None:
        every = map(str, range(vocabulary))
        self._model = fit_ngrams([[*map(str, answer)] for answer in answers], every, order=ORDER)
        self._known: dict[tuple[str, ...], float] = {}

    def loss(self, answer: Sequence[int]) -> float:
        """The negative log likelihood of an answer and its end."""
        words = [BEGIN, *map(str, answer), END]
        return -sum(
            math.log(self._probability(tuple(words[max(k - ORDER + 1, 0) : k + 1])))
            for k in range(1, len(words))
        )

    def losses(self, answers: Sequence[Sequence[int]]) -> float:
        """Of all answers together."""
        return sum(map(self.loss, tqdm(answers, "trigrams", unit="answer", delay=2, leave=False)))

    def _probability(self, gram: tuple[str, ...]) -> float:
        if gram not in self._known:
            self._known[gram] = float(self._model.unmasked_score(gram[-1], gram[:-1]))
        return self._known[gram]

    def say(self, rng: random.Random, longest: int) -> list[int]:
        """An answer as they may be: each token as often as it followed, after two tokens or after fewer."""
        words = [BEGIN]
        while len(words) <= longest:
            (word,) = rng.choices(*zip(*self._followers(words).items(), strict=True))
            if word == END:
                break
            words.append(word)
        return [int(word) for word in words[1:]]

    def _followers(self, words: Sequence[str]) -> Counter[str]:
        for length in range(min(ORDER - 1, len(words)), 0, -1):
            context = tuple(words[-length:])
            if found := self._model.counts[length + 1][context]:
                return Counter(found)
        return Counter(self._model.counts.unigrams)
