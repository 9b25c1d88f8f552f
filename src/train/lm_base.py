"""What a language model is compared with: itself before it learnt, or trigrams."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from understudy.data.persona_tokenizer import IGNORED
from understudy.data.trigram import Trigram


class TrigramBase:
    """Of a model from nothing: the training answers' trigrams, in the same tokens."""

    def __init__(self, labels: Sequence[Sequence[int]], *, end: int, vocabulary: int, seed: int) -> None:
        self.end, self.seed = end, seed
        self.trigram = Trigram([span for row in labels for span in self._answers(row)], vocabulary)

    def loss(self, labels: Sequence[Sequence[int]]) -> float:
        """Of all that is learnt in rows of labels, each answer with its end."""
        return self.trigram.losses([span for row in labels for span in self._answers(row)])

    def answers(self, number: int, longest: int) -> list[list[int]]:
        """Token ids; nobody's question is heard."""
        rng = random.Random(self.seed)
        return [self.trigram.say(rng, longest) for _ in range(number)]

    def _answers(self, labels: Sequence[int]) -> list[list[int]]:
        spans: list[list[int]] = [[]]
        for label in labels:
            if label == self.end:
                spans.append([])
            elif label != IGNORED:
                spans[-1].append(label)
        return [span for span in spans if span]


class NetworkBase:
    """The network as it was: without its adapters, or, where all of it learns, read again for a while."""

    def __init__(self, network: Any, load: Callable[[], Any] | None) -> None:
        self.network, self._load = network, load
        self._read: Any = None

    @contextmanager
    def before(self) -> Iterator[Any]:
        if self._load is None:
            with self.network.disable_adapter():
                yield self.network
            return
        if self._read is None:
            self._read = self._load().eval()
        yield self._read.to(self.network.device)

    def forget(self) -> None:
        """Free its memory until it is asked for again."""
        self._read = None
