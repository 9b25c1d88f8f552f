"""Messages to dialogues: who is in them, where they end, what came before, what is held out."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.data.chats.message import Message
from understudy.data.dialogues import (
    Dialogue,
    Turn,
    merged,
    read_dialogues,
    sessions,
    split_by_time,
    unusable,
)
from understudy.data.inbox import Inbox
from understudy.data.manifest import json_lines, write_atomically
from understudy.data.near_duplicates import NearDuplicates
from understudy.data.senders import SubjectNames, plain_name
from understudy.errors import UserError

START = datetime(2023, 5, 1, 18, 0)
PIP = SubjectNames(["Pip"])


def message(minutes: float, sender: str | None, text: str, *, chat: str = "Anna", line: int = 1) -> Message:
    return Message(chat, sender, START + timedelta(minutes=minutes), text, "text", "chat.txt", line)


def dialogue(day: int, *texts: str, chat: str = "Anna") -> Dialogue:
    """Anna and Pip in turn."""
    sent = START + timedelta(days=day)
    speakers = ("Anna", "Pip") if chat == "Anna" else ("Pip",)
    turns = [
        Turn(speakers[k % len(speakers)], text, speakers[k % len(speakers)] == "Pip", sent)
        for k, text in enumerate(texts)
    ]
    return Dialogue(chat, tuple(turns), "chat.txt")


def cut(messages: Sequence[Message], monologue: int = 200) -> list[list[Message]]:
    return list(sessions(messages, PIP, gap=3 * 3600.0, monologue=monologue))


def test_a_session_ends_after_a_long_silence() -> None:
    minutes = [0, 5, 5 + 179, 5 + 179 + 181, 24 * 60 + 400]  # a day and 35 minutes is long as well
    found = cut([message(at, "Anna", str(at)) for at in minutes])
    assert [[m.text for m in session] for session in found] == [["0", "5", "184"], ["365"], ["1840"]]


def test_what_one_person_sends_in_a_row_is_a_turn() -> None:
    texts = [("Anna", "hi"), ("Pip", "hey"), (" PIP\u200e", "you ok?"), ("Ben", "me too"), ("Anna", "yes")]
    (session,) = cut([message(k, *each) for k, each in enumerate(texts)])
    turns = merged(session, PIP).turns
    assert [(t.speaker, t.text, t.subject) for t in turns] == [
        ("Anna", "hi", False),
        ("Pip", "hey\nyou ok?", True),
        ("Ben", "me too", False),
        ("Anna", "yes", False),
    ]
    assert turns[1].sent == session[1].sent


def test_what_is_said_without_an_answer_is_parted() -> None:
    talk = [message(k, "Pip", "ten words of a long talk that goes on and") for k in range(6)]
    assert [len(session) for session in cut(talk, monologue=25)] == [3, 3]
    with_anna = [message(-1, "Anna", "tell me"), *talk]
    assert [len(session) for session in cut(with_anna, monologue=25)] == [7]


@pytest.mark.parametrize(
    ("sender", "kind", "text", "why"),
    [
        (None, "system", "Anna left", "from the app, not a person"),
        ("Anna", "media", "", "media without words"),
        ("Anna", "media", "look!", None),
        ("Anna", "text", " \n", "empty"),
        ("Anna", "text", "hi", None),
    ],
)
def test_what_nobody_wrote_is_no_part_of_a_dialogue(
    sender: str | None, kind: str, text: str, why: str | None
) -> None:
    assert unusable(Message("c", sender, START, text, kind, "f", 1)) == why  # type: ignore[arg-type]


def test_an_inbox_gives_each_chat_in_order(tmp_path: Path) -> None:
    zoned = Message("Ben", "Ben", START.replace(tzinfo=UTC), "x", "text", "b.json", 1)
    added = [message(5, "Anna", "b\u2028\ud83d"), message(1, "Pip", "a"), zoned, message(5, "Pip", "c")]
    with Inbox(tmp_path / "messages.jsonl") as inbox:
        for each in added:
            inbox.add(each, subject=each.sender in PIP)
        assert [list(chat) for chat in inbox.chats()] == [[added[1], added[0], added[3]], [zoned]]


def test_names_are_found_however_they_are_written() -> None:
    names = SubjectNames(["Pip Müller"])
    for name in ("pip müller", "\u202aPip\u00a0 Müller\u202c", "~\u202fPip Müller", "PIP MU\u0308LLER"):
        assert name in names
    assert "Pip" not in names
    assert None not in names
    assert plain_name("~ Anna  B") == "anna b"


def test_senders_are_listed_where_the_subject_is_not_among_them() -> None:
    with pytest.raises(UserError, match=r"no message is theirs; the senders are Anna \(9\), Ben \(2\)"):
        PIP.check({"Ben": 2, "Anna": 9})
    with pytest.raises(UserError, match=r"all messages are theirs \(Pip \(3\)\)"):
        PIP.check({"Pip": 3})
    with pytest.raises(UserError, match="not one message"):
        PIP.check({})
    PIP.check({"Pip": 1, "Anna": 1})


TEXT = (
    "Dear all, on Sunday we plant the new hedge behind the old mill and everybody who has a spade should "
    "bring it, there will be soup at noon and a fire at night"
)


def test_long_texts_that_come_again_are_known() -> None:
    known = NearDuplicates()
    assert not known.seen(TEXT)
    assert known.seen(TEXT.upper().replace(",", " ..."))
    assert known.seen(TEXT + " friends")
    assert not known.seen(TEXT.replace("spade", "fork").replace("soup", "bread").replace("mill", "barn"))
    assert not known.seen("see you soon")
    assert not known.seen("see you soon")


@given(st.integers(0, 10_000), st.integers(0, 40))
def test_sketches_tell_how_alike_long_texts_are(seed: int, changed: int) -> None:
    """Against the index of the whole sets; close calls, which an estimate may miss, aside."""
    rng = random.Random(seed)
    words = [str(rng.randrange(10**6)) for _ in range(400)]
    other = list(words)
    for place in rng.sample(range(400), changed):
        other[place] = "other"
    sets = [{tuple(w[k : k + 5]) for k in range(396)} for w in (words, other)]
    jaccard = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
    known = NearDuplicates(similarity=0.6)
    known.seen(" ".join(words))
    if jaccard > 0.85 or jaccard < 0.4:
        assert known.seen(" ".join(other)) == (jaccard > 0.6)


def test_the_latest_dialogues_are_held_out() -> None:
    days = [3, 1, 2, 0, 4, 5, 6, 7, 8, 9]
    split = split_by_time([dialogue(day, "hi", "hey") for day in days], 0.2, 0.3)
    days_of = {name: [d.turns[0].sent.day - 1 for d in part] for name, part in split.items()}
    assert days_of == {"train": [0, 1, 2, 3, 4], "val": [5, 6], "test": [7, 8, 9]}


def test_talks_are_trained_on_whenever_they_were_held() -> None:
    talk = dialogue(30, "so", chat="talk")
    both = [talk, *(dialogue(day, "hi", "hey") for day in range(4))]
    split = split_by_time(both, 0.25, 0.25)
    assert talk in split["train"]
    assert [len(split[name]) for name in ("train", "val", "test")] == [3, 1, 1]
    alone = split_by_time([dialogue(day, "so", chat="talk") for day in range(4)], 0.25, 0.25)
    assert [len(alone[name]) for name in ("train", "val", "test")] == [2, 1, 1]


@given(st.lists(st.integers(1, 9), max_size=12), st.floats(0, 0.5), st.floats(0, 0.49))
def test_every_dialogue_is_in_one_part(turns: list[int], val_share: float, test_share: float) -> None:
    dialogues = [dialogue(day, *["x"] * n) for day, n in enumerate(turns)]
    split = split_by_time(dialogues, val_share, test_share)
    assert [*split["train"], *split["val"], *split["test"]] == dialogues
    assert bool(split["train"]) == bool(dialogues)


def test_dialogues_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "dialogues.jsonl"
    with pytest.raises(UserError, match="run `understudy prepare`"):
        read_dialogues(path)
    written = [dialogue(1, "hi\nyou", "hey\u2028"), dialogue(2, "so", chat="talk")]
    write_atomically(path, json_lines(d.to_json() for d in written))
    assert read_dialogues(path) == written
