"""Everything is checked through KenLM, which is who reads the table."""

from itertools import product
from math import log10
from pathlib import Path
from typing import Any

import pytest
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import create_word_dict

from understudy.data.ngram import END, UNKNOWN, fit_ngrams, write_arpa

CLOSED = [f"{a} {b} {c}".split() for a, b, c in product(("bin", "lay"), ("red", "blue"), ("now", "soon"))]
ORDINARY = [
    line.split()
    for line in (
        "the dog saw the cat",
        "the cat saw the dog and the dog ran",
        "a dog is a dog",
        "",
        "so it is it is it is",
        "cat",
    )
]


class Kenlm:
    """What KenLM reads out of an ARPA file."""

    def __init__(self, folder: Path, model: Any) -> None:
        write_arpa(folder / "words.arpa", model)
        self.words = [word for word in model.counts.unigrams if word != END]
        self._numbers = create_word_dict({word: [] for word in [*self.words, UNKNOWN]})
        self._model = KenLM(str(folder / "words.arpa"), self._numbers)

    def score(self, word: str, before: tuple[str, ...] = ()) -> float:
        """Logarithm of 10 of the probability that `word` comes after all of a sentence so far."""
        state = self._model.start(False)
        for earlier in before:
            state, _ = self._model.score(state, self._numbers.get_index(earlier))
        if word == END:
            return float(self._model.finish(state)[1])
        return float(self._model.score(state, self._numbers.get_index(word))[1])


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize(
    ("sentences", "words"),
    [
        (CLOSED, []),
        (ORDINARY, []),
        (ORDINARY, ["grid", "blorb", "dog"]),
        ([], ["grid", "blorb"]),
    ],
    ids=["closed", "ordinary", "with a lexicon", "a lexicon alone"],
)
def test_it_says_what_nltk_says_and_something_always_comes_next(
    sentences: list[list[str]], words: list[str], order: int, tmp_path: Path
) -> None:
    model = fit_ngrams(sentences, words, order=order)
    kenlm = Kenlm(tmp_path, model)
    assert set(words) <= set(kenlm.words)
    some = kenlm.words[:6]
    for before in [(), *((word,) for word in some), *product(some, repeat=2), *product(some[:3], repeat=4)]:
        scores = {word: kenlm.score(word, before) for word in [*kenlm.words, END]}
        assert sum(10**score for score in scores.values()) == pytest.approx(1, abs=1e-5)
        context = ("<s>", *before)[1 - order :]
        for word, score in scores.items():
            assert score == pytest.approx(log10(model.unmasked_score(word, context)), abs=1e-5)


def test_nobody_says_what_is_in_no_list(tmp_path: Path) -> None:
    kenlm = Kenlm(tmp_path, fit_ngrams(CLOSED))
    assert kenlm.score(UNKNOWN) < -90
    assert kenlm.score(UNKNOWN, ("bin", "red")) < -90


def test_the_grammar_is_learnt(tmp_path: Path) -> None:
    kenlm = Kenlm(tmp_path, fit_ngrams(CLOSED, ["green"]))
    assert kenlm.score("red", ("bin",)) > log10(0.4), "one of two"
    assert kenlm.score("now", ("bin",)) < log10(0.1), "in another place"
    assert kenlm.score("green", ("bin",)) == kenlm.score("green", ("lay",)) > log10(0.01), "a new word"
    assert kenlm.score("red", ("bin",)) > kenlm.score("green", ("bin",)) + log10(5)
