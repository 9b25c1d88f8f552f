"""The message, which everything that reads chats gives."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

MessageKind = Literal["text", "media", "system"]


@dataclass(frozen=True)
class Message:
    """What one person sent at one time.

    `text` is as it was written, with "\\n" between lines; of media it is the caption, or nothing. A system
    message has no sender, unless it stands for one that was taken back. `sent` has no zone unless the export
    has one.
    """

    chat: str  # which conversation: the export's own name of it, or its file's
    sender: str | None
    sent: datetime
    text: str
    kind: MessageKind
    source: str  # the file, as it was given
    line: int  # or the place in a list, from 1


@dataclass(frozen=True)
class Unread:
    """A line of an export that fits nothing."""

    source: str
    line: int
    text: str  # its beginning
    why: str
