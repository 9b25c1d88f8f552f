from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.data.clauses import Clauses, clauses, ends_sentence

TRICKY = 'Dr. U.S. e.g. 5:30 3.5 3rd, 2024 "Yes," (so) no. and with - — … ... , . ( " I. x. p.m. Then then a'
WORDS = st.sampled_from(TRICKY.split())
TEXTS = st.one_of(st.text(max_size=80), st.lists(WORDS | st.text(max_size=6), max_size=30).map(" ".join))


@given(
    text=TEXTS, cuts=st.lists(st.integers(0, 80)), first_words=st.integers(1, 6), longest=st.integers(1, 60)
)
def test_nothing_is_lost_however_the_text_arrives(
    text: str, cuts: list[int], first_words: int, longest: int
) -> None:
    whole = clauses(text, first_words=first_words, longest=longest)
    assert " ".join(whole) == " ".join(text.split())
    assert all(clause for clause in whole)
    assert all(len(clause) <= longest or " " not in clause for clause in whole)

    splitter = Clauses(first_words=first_words, longest=longest)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    found = [clause for start, end in pairwise(places) for clause in splitter.push(text[start:end])]
    assert found + splitter.finish() == whole
    assert splitter.push(text) + splitter.finish() == whole, "it begins anew"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Well, Dr. Smith paid $12.50 on Jan. 3rd, 2024 at 5:30 p.m. Then he went home, e.g. by bus.",
            [
                "Well,",
                "Dr. Smith paid $12.50 on Jan. 3rd, 2024 at 5:30 p.m.",
                "Then he went home,",
                "e.g. by bus.",
            ],
        ),
        (
            "I live in the U.S. Army base. Oh no. See no. 5.",
            ["I live in the U.S. Army base.", "Oh no.", "See no. 5."],
        ),
        ("“Really?” she asked (twice). Yes…", ["“Really?”", "she asked (twice).", "Yes…"]),
        ("Good morning, red, green, and blue; done", ["Good morning,", "red, green, and blue;", "done"]),
        (" \n ", []),
    ],
)
def test_clauses_end_where_a_voice_pauses(text: str, expected: list[str]) -> None:
    assert clauses(text, first_words=20) == expected


def test_the_first_clause_comes_early() -> None:
    splitter = Clauses(first_words=4)
    pieces = ["I", " will tell", " you all", " about", " it when", " we"]
    assert [splitter.push(piece) for piece in pieces] == [[], [], [], [], ["I will tell you all"], []]
    assert clauses("one two three four five six", first_words=2) == ["one two three four", "five six"]


def test_a_clause_is_given_out_as_soon_as_it_is_certain() -> None:
    splitter = Clauses()
    assert splitter.push("Stop!") == [], "more marks may follow"
    assert splitter.push(" ") == ["Stop!"]
    assert splitter.push("I paid 3. ") == [], "what follows may be a small letter"
    assert splitter.push("T") == ["I paid 3."]
    assert splitter.push("hen she left") == []
    assert splitter.finish() == ["Then she left"]


def test_long_clauses_break_where_it_hurts_least() -> None:
    text = "Stop. The road leads over many hills, past the old village church and winds down again"
    assert clauses(text, longest=60) == [
        "Stop.",
        "The road leads over many hills,",
        "past the old village church and winds down again",
    ]
    assert clauses(text, longest=30) == [
        "Stop.",
        "The road leads",
        "over many hills,",
        "past the old village church",
        "and winds down again",
    ]


@pytest.mark.parametrize(
    ("word", "following", "ends"),
    [
        ("Dr.", "Smith", False),
        ("J.", "Smith", False),
        ("I.", "Then", True),
        ("U.S.", "Army", False),
        ("p.m.", "Then", True),
        ("p.m.", "on", False),
        ("U.S.", "", True),
        ("no.", "5", False),
        ("No.", "That", True),
        ("etc.", "and", False),
        ("(here.)", "“And", True),
        ("3.5", "metres", False),
        ("what?!", "he", True),
    ],
)
def test_sentences_end(word: str, following: str, ends: bool) -> None:
    assert ends_sentence(word, following) is ends
