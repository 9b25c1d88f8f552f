from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.data.writing_style import (
    FEATURES,
    counts,
    distances,
    divergence,
    favourite_words,
    habits,
    in_words,
)

ONE = ["haha yes 😂", "no way", "ok\nsee you", "tbh i like it :)"]
OTHER = ["Good evening. I shall arrive at eight.", "THAT IS WRONG!", "Certainly, yes."]


def test_equal_texts_are_not_apart_and_others_are() -> None:
    assert distances(ONE, ONE) == {"style": 0.0, **dict.fromkeys(FEATURES, 0.0)}
    assert distances(ONE, ONE * 3)["style"] == pytest.approx(0)
    apart = distances(ONE, OTHER)
    assert apart["style"] > 0.5
    assert all(0 < value <= 1 for value in apart.values()), apart
    assert distances(OTHER, ONE) == pytest.approx(apart)


@given(*[st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 50)).map(Counter)] * 2)
def test_a_divergence_is_symmetric_and_between_nothing_and_one(a: Counter[str], b: Counter[str]) -> None:
    found = divergence(a, b)
    assert 0 <= found <= 1 + 1e-9
    assert found == pytest.approx(divergence(b, a))
    assert divergence(a, a) == 0


def test_nothing_in_common_is_one_bit() -> None:
    assert divergence(Counter("aab"), Counter("ccd")) == pytest.approx(1)
    assert divergence(Counter(a=1, b=1), Counter(a=1)) == pytest.approx(0.3113, abs=1e-4)


def test_features_of_a_text() -> None:
    found = counts(["Hi there... 😂🇩🇪\nBYE!"])
    assert found["length"] == {"2-3": 1}
    assert found["lines"] == {"2": 1}
    assert found["punctuation"] == {"...": 1, "!": 1}
    assert found["ending"] == {"!": 1}
    assert found["capitals"] == {"begins capital": 1}
    assert found["emoji"] == {"😂": 1, "🇩🇪": 1}
    assert found["words"] == {"hi": 1, "there": 1, "bye": 1}
    nothing = counts(["123"])
    assert nothing["capitals"] == {"no letters": 1}
    assert nothing["emoji"] == nothing["punctuation"] == {"none": 1}
    assert counts(["WHAT"])["capitals"] == {"all capital": 1}
    assert counts(["ok 😂"])["ending"] == {"emoji": 1}


def test_habits_and_how_they_are_told() -> None:
    found = habits(ONE)
    assert found["small_letters"] == 1
    assert found["emoji"] == 0.25
    assert found["full_stop"] == 0
    assert found["lines"] == 1.25
    assert (
        in_words(ONE) == "You write about 3 words a message, in small letters, without full stops, with emoji"
    )
    assert in_words(OTHER) == "You write about 4 words a message, hardly any emoji"
    assert habits([])["words"] == 0


def test_favourite_words_are_said_more_often_than_by_others() -> None:
    own = ["honestly the tea is good", "honestly no", "proper tea honestly"] * 20
    others = ["the tea is good", "no the tea"] * 40
    assert favourite_words(own, others, 2) == ["honestly", "proper"]
    assert favourite_words(own, own) == []
