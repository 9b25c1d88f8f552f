import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from understudy.data.text import character_error_rate, normalize, spoken, tokens, word_error_rate

DIGITS = "zero one two three four five six seven eight nine".split()  # noqa: SIM905
AWKWARD = """zero o oh one ten twenty hundred million and point double minus dollars percent per a half
first $ £5 1 007 3.5 , . - ' n't st 5% [ ( ) ] uh 's ’s""".split()  # noqa: SIM905


@pytest.mark.parametrize("letter", "abcdefghijklmnopqrstuvxyz")
def test_letters_stay_and_digits_are_alike_however_written(letter: str) -> None:
    for digit, name in enumerate(DIGITS):
        said = normalize(f"set white with {letter} {name} soon")
        assert said.split()[3] == letter
        capital = letter.upper()
        for written in (f"{capital} {digit}", f"{capital}{digit}", f"{letter}, {name}", f"{letter}-{digit}"):
            assert normalize(f"Set white with {written}, soon!") == said


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Don’t, won’t.", "do not WILL NOT"),
        ("at seven o'clock", "At 7 o'clock."),
        ("Mr. Brown owes twenty-five dollars", "mister brown owes $25"),
        ("one hundred and one", "101"),
        ("um, the first, uh, café", "the 1st cafe"),
        ("so [laughs] it is", "so it's"),
        ("well ... yes...", "Well, yes"),
    ],
)
def test_ways_of_writing_the_same(one: str, other: str) -> None:
    assert normalize(one) == normalize(other) != ""


def test_other_languages_lose_casing_and_punctuation_alone() -> None:
    assert normalize("Fünf Grüße, O.", "de") == "fünf grüße o"
    assert normalize("Fünf", "de-AT") == "fünf"
    assert tokens("日本語。", "ja") == ["日", "本", "語"], "which is written without spaces"


@example("℠")
@given(st.text() | st.lists(st.sampled_from(AWKWARD)).map(" ".join))
def test_any_text_can_be_normalised(text: str) -> None:
    normal = normalize(text)
    assert " ".join(tokens(text)) == normal
    assert all(any(c.isalnum() for c in word) for word in tokens(text))
    assert normalize(f"  {text.lower()}\n") == normal
    assert all(word == word.strip("'") and word.lower() == word for word in spoken(text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("F2, don’t stop—now", "f two don't stop now"),
        ("$1,200 and 5%", "one thousand two hundred and five percent"),
        ("007, 0, 31", "zero zero seven zero thirty one"),
        ("call 5550123", "call five five five zero one two three"),
        ("'tis O'Brien's", "tis o'brien's"),
        ("— ♪ '", ""),
    ],
)
def test_spoken(text: str, words: str) -> None:
    assert spoken(text) == words.split()


def test_spoken_elsewhere() -> None:
    assert spoken("Zimmer 12, नमस्ते!", "de") == ["zimmer", "12", "नमस्ते"]


def test_error_rates_by_hand() -> None:
    # one of four words wrong, one missing; the second has one too many: 3 of 7
    truth, heard = ["Bin blue at nine.", "it is so"], ["bin glue at", "It's so good"]
    assert word_error_rate(truth, heard) == pytest.approx(3 / 7)
    assert word_error_rate(["F two"], ["F 2"]) == 0.0
    assert word_error_rate(["no"], ["no no no"]) == pytest.approx(2.0)
    assert character_error_rate(["abcd"], ["abd"]) == pytest.approx(1 / 4)
    assert character_error_rate(["ab", "cd"], ["ab", "ce"]) == pytest.approx(1 / 4)


def test_error_rates_where_nothing_is_said() -> None:
    assert word_error_rate(["", "..."], ["", "!"]) == 0.0
    assert word_error_rate([], []) == 0.0
    assert word_error_rate([""], ["hello"]) == math.inf
    assert word_error_rate(["", "he said"], ["hello", "he said"]) == pytest.approx(1 / 2)
