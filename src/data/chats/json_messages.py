"""The messages of a JSON export, one at a time, however large it is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import ijson
from ijson.common import ObjectBuilder

from understudy.data.chats.files import ExportFile
from understudy.errors import UserError, one_line

_NAMES = ("name", "title", "threadName", "thread_path", "type")


@dataclass
class Chat:
    """What the export says of a chat, as far as it has been read."""

    about: dict[str, str] = field(default_factory=dict)


def json_messages(file: ExportFile) -> Iterator[tuple[Chat, int, dict[str, Any]]]:
    """Each chat with the place of a message in it, from 1, and the message.

    Raises UserError where the JSON breaks off or is none.
    """
    # {"messages": [...]}, or {"chats": {"list": [{"messages": [...]}]}}
    chats: dict[str, Chat] = {}
    counts: dict[str, int] = {}
    builder: ObjectBuilder | None = None
    inside = ""
    try:
        with file.open() as stream:
            for prefix, event, value in ijson.parse(stream, use_float=True):
                if builder is not None:
                    builder.event(event, value)
                    if event == "end_map" and prefix == inside:
                        yield chats[inside], counts[inside], builder.value
                        builder = None
                elif event == "start_map" and prefix.endswith("messages.item"):
                    inside = prefix
                    chats.setdefault(inside, Chat())
                    counts[inside] = counts.get(inside, 0) + 1
                    builder = ObjectBuilder()
                    builder.event(event, value)
                elif event == "start_map" and prefix.endswith("list.item"):
                    key = f"{prefix}.messages.item"
                    chats[key], counts[key] = Chat(), 0
                elif event == "string":
                    within, _, key = prefix.rpartition(".")
                    if key in _NAMES:
                        holder = f"{within}.messages.item".lstrip(".")
                        chats.setdefault(holder, Chat()).about[key] = value
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise UserError(f"{file.name}: is no whole JSON ({one_line(error)}); export the chat again") from None


def first_message(file: ExportFile) -> dict[str, Any] | None:
    return next((message for _, _, message in json_messages(file)), None)
