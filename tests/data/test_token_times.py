import numpy as np
import pytest

from understudy.data.pronounce import Pronouncer
from understudy.data.token_times import expected

SAID = Pronouncer().tokens("bin blue, now")


def test_tokens_of_a_word_share_its_time_and_pauses_have_what_is_between() -> None:
    words = [(0.5, 0.8, "bin"), (0.8, 1.0, "blue,"), (1.2, 1.5, "now")]
    found = expected(SAID, words, frames=200, frames_a_second=100)
    assert SAID.tokens[0] == SAID.tokens[-1] == "_"
    np.testing.assert_allclose(found[0, :2], (0, 50))
    np.testing.assert_allclose(found[1:4, :2], [(50, 60), (60, 70), (70, 80)], atol=1e-4)  # b, i, n
    comma = SAID.tokens.index(",")
    np.testing.assert_allclose(found[comma, :2], (100, 120))
    np.testing.assert_allclose(found[-1, :2], (150, 200))
    assert (found[1:, 0] >= found[:-1, 0]).all()


@pytest.mark.parametrize("word", ["yes—no,", "a,b,c,", "3/4/2024,"])
def test_a_pause_within_a_word_is_a_part_of_it(word: str) -> None:
    said = Pronouncer().tokens(f"bin {word} now")
    inside = said.word_of.index(1), len(said.word_of) - 1 - said.word_of[::-1].index(1)
    assert set(said.word_of[inside[0] : inside[1]]) == {1, -1}, "or this tests nothing"
    found = expected(said, [(0.0, 0.2, "bin"), (0.3, 0.9, word), (1.0, 1.2, "now")], 150, 100)
    borders = np.linspace(30, 90, inside[1] - inside[0] + 2)
    np.testing.assert_allclose(found[inside[0] : inside[1] + 1, 0], borders[:-1], atol=1e-4)
    np.testing.assert_allclose(found[inside[0] : inside[1] + 1, 1], borders[1:], atol=1e-4)
    np.testing.assert_allclose(found[inside[1] + 1, :2], (90, 100))
    assert (found[1:, 0] >= found[:-1, 1] - 1e-4).all(), "one after the other"


def test_times_beyond_the_recording_or_overlapping_give_spans_within_it() -> None:
    words = [(-0.2, 0.6, "bin"), (0.5, 0.7, "blue,"), (0.7, 9.0, "now")]
    found = expected(SAID, words, frames=100, frames_a_second=100)
    assert found[:, :2].min() >= 0
    assert found[:, :2].max() <= 100
    assert (found[:, 1] >= found[:, 0]).all()


@pytest.mark.parametrize("words", [[], [(0.0, 1.0, "something"), (1.0, 2.0, "else")]])
def test_without_times_of_these_words_they_share_the_recording(words: list[tuple[float, float, str]]) -> None:
    found = expected(SAID, words, frames=len(SAID.tokens) * 10, frames_a_second=100)
    np.testing.assert_allclose(found[:, 0], np.arange(len(SAID.tokens)) * 10)
    assert found[0, 2] > expected(SAID, [(0, 1, w) for w in SAID.words], 90, 100)[0, 2]
