"""Chats as text, a line for a message: WhatsApp's exports from any phone, and Signal's.

What a line means depends on the whole file: the order of day and month, whose names hold a colon, and
which lines that look like messages were pasted into one. So a file is read twice, a line at a time.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath

from understudy.data.chats.date_order import DateOrders
from understudy.data.chats.files import ExportFile, beginning, is_damaged
from understudy.data.chats.message import Message, MessageKind, Unread
from understudy.data.chats.stamps import DIRECTION_MARKS, DateOrder, read_stamp
from understudy.data.chats.whatsapp_marks import caption, is_event, is_gone, is_notice, without_edited
from understudy.errors import UserError

_MARKS = re.compile(f"[{DIRECTION_MARKS}]")
_MENTION = re.compile("@\u2068([^\u2069\n]*)\u2069")
_COLON = re.compile(r":(?: |$|\.$)")  # "NAME:." has been seen of messages that may be looked at once
_ENDS = re.compile(rf"^[\s{DIRECTION_MARKS}]+|[\s{DIRECTION_MARKS}]+$")
_MOST_NAMES = 100_000
_OFTEN = 10  # lines: whole exports put into one file, not a few pasted lines
_FORMER = re.compile(
    r"^WhatsApp[ _]Chat[ _](?:with|mit|met|med|-)[ _]|^.{0,20}\bWhatsApp\b.{0,15}?[ _](?=\S)", re.I
)
_WITH = re.compile(
    r"^(?:con|com|avec|de|med|mit|met|with|с|з|z|ile|dengan|cu|kanssa|uživatelem|контактом)[ _]", re.I
)


@dataclass
class _Name:
    """What stands before the first colon of a line."""

    count: int = 0
    further: list[str] | None = None  # parts that follow in all of its lines, each with a colon

    def add(self, rest: str) -> None:
        parts = [part.strip() for part in rest.split(": ")[:-1]][:3]
        self.count += 1
        if self.further is None:
            self.further = parts
            return
        alike = 0
        while alike < min(len(parts), len(self.further)) and parts[alike] == self.further[alike]:
            alike += 1
        self.further = self.further[:alike]


@dataclass
class Survey:
    """What has to be known of a whole file before a line of it can be understood."""

    orders: dict[tuple[object, ...], DateOrders] = field(default_factory=lambda: defaultdict(DateOrders))
    names: dict[str, _Name] = field(default_factory=dict)
    begins_with_stamp: bool = False
    lines: int = 0

    @property
    def stamps(self) -> int:
        return sum(orders.count for orders in self.orders.values())

    def is_chat(self) -> bool:
        """A diary, too, may have a line that begins with a date and a time."""
        return self.stamps > 0 and (
            self.begins_with_stamp or self.stamps >= 3 or self.stamps * 2 >= self.lines
        )

    def add(self, line: str) -> None:
        if not line.strip():
            return
        self.lines += 1
        stamp = read_stamp(line)
        if stamp is None:
            return
        self.begins_with_stamp |= self.lines == 1
        self.orders[stamp.shape].add(stamp, line)
        body = line[stamp.end :]
        colon = _COLON.search(body)
        name = _clean(body[: colon.start()]) if colon else ""
        if colon and (name in self.names or len(self.names) < _MOST_NAMES):
            self.names.setdefault(name, _Name()).add(body[colon.end() :])

    def ways(self, source: str, wanted: DateOrder | None) -> dict[tuple[object, ...], DateOrder]:
        """The ways in which this file writes dates, each with the order of its numbers.

        Raises UserError where the order cannot be known.
        """
        most = max(orders.count for orders in self.orders.values())
        ways: dict[tuple[object, ...], DateOrder] = {}
        for shape, orders in self.orders.items():
            if orders.count == most or (orders.count >= _OFTEN and orders.count * 10 >= most):
                decided = orders.decide(wanted)
                if decided is None:
                    raise UserError(
                        f"{source}: nothing in it tells whether the day or the month comes first, as in "
                        f"{orders.example.strip()!r}; set chats.date_order=dmy, mdy or ymd"
                    )
                ways[shape] = decided
        return ways

    def split(self, body: str) -> tuple[str, str] | None:
        """Name and text; None where the app itself says it."""
        colon = _COLON.search(body)
        if not colon:
            return None
        name, end = _clean(body[: colon.start()]), colon.end()
        known = self.names.get(name, _Name())
        if not name or (known.count < 3 and (is_event(name) or is_notice(body))):
            return None
        if known.count > 1 and known.further:
            for part in known.further:
                end = body.index(":", end) + 2
                name = f"{name}: {part}"
        return name, body[end:]


def survey(file: ExportFile) -> Survey:
    found = Survey()
    for _, line in file.lines():
        if not is_damaged(line):
            found.add(line)
    return found


def read_whatsapp(
    file: ExportFile, found: Survey, date_order: DateOrder | None
) -> Iterator[Message | Unread]:
    """Messages in the order of the file, and the lines that fit nothing.

    Raises UserError where the order of day and month cannot be known.
    """
    ways = found.ways(file.name, date_order)
    chat = chat_name(file)
    open_message: _Open | None = None
    lost = "stands before the first message"
    for number, line in file.lines():
        why = "has bytes that are no UTF-8" if is_damaged(line) else None
        stamp = None if why else read_stamp(line)
        begins = stamp is not None and stamp.shape in ways
        if (begins or why) and open_message:
            yield open_message.message(chat, file.name, found)
            open_message, lost = None, "follows a line that could not be read"
        if stamp and begins:
            try:
                open_message = _Open(number, stamp.at(ways[stamp.shape]), [line[stamp.end :]])
            except ValueError as error:
                why = f"has no date that exists ({error})"
        elif open_message:
            open_message.lines.append(line)
        elif not why and line.strip():
            why = lost
        if why:
            yield Unread(file.name, number, beginning(line), why)
    if open_message:
        yield open_message.message(chat, file.name, found)


@dataclass
class _Open:
    """A message that further lines may belong to."""

    line: int
    sent: datetime
    lines: list[str]

    def message(self, chat: str, source: str, found: Survey) -> Message:
        split = found.split(self.lines[0])
        name, first = split or (None, self.lines[0])
        sender, text, kind = _understand(name, "\n".join([first, *self.lines[1:]]))
        return Message(chat, sender, self.sent, _ENDS.sub("", text), kind, source, self.line)


def _understand(name: str | None, text: str) -> tuple[str | None, str, MessageKind]:
    text = _MENTION.sub(r"@\1", text).strip()
    if name is None:
        return None, text, "system"
    edited = without_edited(text)
    if is_gone(text):
        return name, text, "system"  # what was said is not known, but who said something is
    if is_notice(text):
        return None, text, "system"
    under = caption(edited)
    return (name, edited, "text") if under is None else (name, under, "media")


def _clean(name: str) -> str:
    """As it is shown: phones wrap names and numbers in marks of direction, and numbers have hard spaces."""
    return re.sub(r"\s", " ", _MARKS.sub("", name)).strip()


def chat_name(file: ExportFile) -> str:
    """Anna, of "WhatsApp Chat with Anna.txt" or "WhatsApp Chat - Anna.zip/_chat.txt"."""
    place = file.place
    if place.stem in ("_chat", "chat") and place.parent.name:
        place = PurePosixPath(place.parent.name)
    stem = place.stem if place.suffix.lower() in (".txt", ".zip", ".md") else place.name
    return _WITH.sub("", _FORMER.sub("", stem)).strip(" _-") or stem
