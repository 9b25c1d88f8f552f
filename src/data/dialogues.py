"""Dialogues: messages that belong together, as turns of those who speak in them."""

import math
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Self

from understudy.data.chats.message import Message
from understudy.data.manifest import read_json_lines
from understudy.data.media import Seconds
from understudy.data.near_duplicates import words_of
from understudy.data.splits import Split
from understudy.errors import UserError

DIALOGUES = "dialogues.jsonl"


@dataclass(frozen=True)
class Turn:
    """What one person says before another does, a message a line."""

    speaker: str
    text: str
    subject: bool
    sent: datetime  # of the first message


@dataclass(frozen=True)
class Dialogue:
    """Turns in the order of time; neighbours have different speakers."""

    chat: str
    turns: tuple[Turn, ...]
    source: str

    @property
    def others(self) -> set[str]:
        """Who speaks beside the subject."""
        return {turn.speaker for turn in self.turns if not turn.subject}

    def to_json(self) -> dict[str, Any]:
        turns = [vars(turn) | {"sent": turn.sent.isoformat()} for turn in self.turns]
        return {"chat": self.chat, "source": self.source, "turns": turns}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        turns = (
            Turn(**{**turn, "sent": datetime.fromisoformat(turn["sent"])})  # as `to_json` wrote it
            for turn in row["turns"]
        )
        return cls(row["chat"], tuple(turns), row["source"])


def read_dialogues(path: Path) -> list[Dialogue]:
    """What `prepare` wrote. Raises `UserError` where it has not."""
    if not path.exists():
        raise UserError(f"{path}: there are no dialogues; run `understudy prepare` with subject.chats=[...]")
    return [Dialogue.from_json(row) for row in read_json_lines(path)]


def clock(sent: datetime) -> float:
    """Seconds by which messages are ordered. Without a zone it counts as UTC, so that no hour comes twice."""
    return (sent if sent.tzinfo else sent.replace(tzinfo=UTC)).timestamp()


def unusable(message: Message) -> str | None:
    """Why a message is no part of a dialogue, None if it is."""
    if message.kind == "system" or message.sender is None:
        return "from the app, not a person"
    if not message.text.strip():
        return "media without words" if message.kind == "media" else "empty"
    return None


class Copies:
    """Messages of one chat, in order, that another export of it also has."""

    def __init__(self) -> None:
        self._sent = -math.inf
        self._now: dict[tuple[str | None, str], str] = {}  # the sources of what was sent in this second

    def seen(self, message: Message) -> bool:
        sent = clock(message.sent)
        if sent != self._sent:
            self._sent, self._now = sent, {}
        return self._now.setdefault((message.sender, message.text), message.source) != message.source


def sessions(
    messages: Iterable[Message], subject: Container[str | None], *, gap: Seconds, monologue: int
) -> Iterator[list[Message]]:
    """Messages of one chat, in order, parted where nobody writes for more than `gap`.

    Where the subject alone speaks, as in a talk, also from `monologue` words on.
    """
    session: list[Message] = []
    words = 0
    alone = True
    for message in messages:
        alone = alone and message.sender in subject
        pause = clock(message.sent) - clock(session[-1].sent) if session else 0.0
        if session and (pause > gap or (alone and words >= monologue)):
            yield session
            session, words, alone = [], 0, message.sender in subject
        session.append(message)
        words += len(words_of(message.text))
    if session:
        yield session


def merged(session: Sequence[Message], subject: Container[str | None]) -> Dialogue:
    """A session as turns: what one person sends in a row is one of them."""
    turns = []
    # the subject may have several names
    for who, group in groupby(session, key=lambda message: message.sender in subject or message.sender):
        said = list(group)
        sender = said[0].sender
        assert sender is not None, "system messages are no part of a dialogue"
        turns.append(Turn(sender, "\n".join(m.text for m in said), who is True, said[0].sent))
    return Dialogue(session[0].chat, tuple(turns), session[0].source)


def split_by_time(
    dialogues: Sequence[Dialogue], val_share: float, test_share: float
) -> dict[Split, list[Dialogue]]:
    """The latest dialogues, with a share of all turns, are tested on; those before, validated on.

    Chats in which nobody but the subject speaks (talks, essays) are trained on: their date is often only
    that of a file, and there is nothing to answer. Where there is nothing else they are
    split as dialogues are.
    """
    answering = {dialogue.chat for dialogue in dialogues if dialogue.others}
    timed = [d for d in dialogues if d.chat in answering or not answering]
    timed.sort(key=lambda dialogue: clock(dialogue.turns[0].sent))
    split: dict[Split, list[Dialogue]] = {"train": [], "val": [], "test": []}
    total = sum(len(dialogue.turns) for dialogue in timed)
    shares: dict[Split, float] = {"test": test_share, "val": val_share}
    for name, share in shares.items():
        turns = 0
        # one is left to train on, and one to validate on if that is wanted
        left = 1 + (name == "test" and val_share > 0)
        while share > 0 and turns < share * total and len(timed) > left:
            split[name].insert(0, timed.pop())
            turns += len(split[name][0].turns)
    split["train"] = [d for d in dialogues if answering and d.chat not in answering] + timed
    return split
