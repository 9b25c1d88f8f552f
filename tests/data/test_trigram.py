import math
import random

import pytest

from understudy.data.trigram import Trigram

ANSWERS = [[1, 2, 3], [1, 2, 4], [5]] * 3


def test_probabilities_add_up_to_one() -> None:
    trigram = Trigram(ANSWERS, 8)
    words = [*map(str, range(8)), "</s>"]
    for context in ((), ("<s>",), ("1", "2"), ("7", "6"), ("3",)):
        assert sum(trigram._probability((*context, word)) for word in words) == pytest.approx(1)


def test_what_was_said_is_likelier_and_what_is_said_was() -> None:
    trigram = Trigram(ANSWERS, 8)
    assert trigram.loss([1, 2, 3]) < trigram.loss([3, 2, 1]) < math.inf
    assert trigram.loss([7, 7]) < math.inf, "never seen, but possible"
    assert trigram.losses([[1, 2, 3], [5]]) == pytest.approx(trigram.loss([1, 2, 3]) + trigram.loss([5]))
    rng = random.Random(0)
    said = [trigram.say(rng, 5) for _ in range(30)]
    assert {tuple(answer) for answer in said} == {(1, 2, 3), (1, 2, 4), (5,)}
    assert max(len(trigram.say(rng, 2)) for _ in range(10)) == 2
