"""Messages on disk, found again chat by chat in the order of time."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from pathlib import Path
from types import TracebackType
from typing import Self

from understudy.data.chats.message import Message
from understudy.data.dialogues import clock


@dataclass
class _Run:
    """Messages of one chat that follow each other in the file and in time."""

    chat: str
    start: int
    end: int  # bytes
    latest: float


class Inbox:
    """A file of messages, one JSON object a line.

    In memory is only where each stretch in the order of time begins and ends: little, as exports are ordered.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._runs: list[_Run] = []
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, message: Message, *, subject: bool) -> None:
        row = vars(message) | {"sent": message.sent.isoformat(), "subject": subject}
        # a lone surrogate, as a broken export may hold, has no UTF-8
        line = json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        sent = clock(message.sent)
        if not self._runs or self._runs[-1].chat != message.chat or self._runs[-1].latest > sent:
            self._runs.append(_Run(message.chat, self._end, self._end, sent))
        self._end += self._file.write(line)
        self._runs[-1].end, self._runs[-1].latest = self._end, sent

    def chats(self) -> Iterator[Iterator[Message]]:
        """The messages of each chat, ordered by time; those of one second stay as they were added."""
        chats: dict[str, list[_Run]] = {}
        for run in self._runs:
            chats.setdefault(run.chat, []).append(run)
        for runs in chats.values():
            yield merge(*map(self._read, runs), key=lambda message: clock(message.sent))

    def _read(self, run: _Run) -> Iterator[Message]:
        place = run.start
        while place < run.end:
            if self._file.tell() != place:  # another stretch was read in between
                self._file.seek(place)
            line = self._file.readline()
            place += len(line)
            row = json.loads(line)
            del row["subject"]
            yield Message(**{**row, "sent": datetime.fromisoformat(row["sent"])})
