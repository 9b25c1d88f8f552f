"""Facebook Messenger's and Instagram's JSON: a folder of message_1.json, message_2.json, ... for a chat."""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from understudy.data.chats.files import ExportFile, beginning
from understudy.data.chats.json_messages import Chat, json_messages
from understudy.data.chats.message import Message, MessageKind, Unread
from understudy.data.chats.phrases import phrases

_MEDIA = ("photos", "videos", "audio_files", "files", "gifs", "sticker", "media", "share")


@cache
def _phrases() -> dict[str, re.Pattern[str]]:
    found = phrases("meta_phrases.txt")
    return {section: re.compile("|".join(f"(?:{one})" for one in of_it)) for section, of_it in found.items()}


def is_meta(message: dict[str, Any]) -> bool:
    return "sender_name" in message or "senderName" in message


def read_meta(exports: Sequence[ExportFile]) -> Iterator[Message | Unread]:
    """The messages of one chat, which may be in several files, the newest first there, the oldest first here.

    `sent` is UTC. They are sorted on disk.
    """
    about: Chat | None = None
    with sqlite3.connect("") as disk:  # without a name it is a file of its own that vanishes
        disk.execute("CREATE TABLE messages (sent INTEGER, file INTEGER, place INTEGER, message TEXT)")
        for number, file in enumerate(exports):
            for chat, place, message in json_messages(file):
                about = about or chat
                try:
                    sent = int(message.get("timestamp_ms", message.get("timestamp")))  # type: ignore[arg-type]
                    datetime.fromtimestamp(sent / 1000, UTC)
                    message["sender_name"] = str(message.get("sender_name", message.get("senderName")))
                except (TypeError, ValueError, OverflowError):
                    yield Unread(file.name, place, beginning(str(message)), "has no time as Meta writes it")
                    continue
                row = (sent, number, place, json.dumps(message))
                disk.execute("INSERT INTO messages VALUES (?, ?, ?, ?)", row)
        name = _chat_name(about, exports[0])
        ordered = disk.execute(
            "SELECT sent, file, place, message FROM messages ORDER BY sent, file DESC, place DESC"
        )
        for sent, number, place, packed in ordered:
            message = _repaired(json.loads(packed))
            when = datetime.fromtimestamp(sent // 1000, UTC).replace(microsecond=sent % 1000 * 1000)
            sender, text, kind = _understand(message)
            yield Message(name, sender, when, text, kind, exports[number].name, place)


def _understand(message: dict[str, Any]) -> tuple[str | None, str, MessageKind]:
    sender: str = message["sender_name"]
    text = str(message.get("content", message.get("text")) or "").strip()
    if message.get("is_unsent") or message.get("isUnsent"):
        return sender, text, "system"  # taken back, by whom is known
    said = text.removeprefix(sender).removeprefix(sender.split()[0] if sender.strip() else "").strip()
    if message.get("type") in ("Call", "Subscribe", "Unsubscribe") or "call_duration" in message:
        return None, text, "system"
    if _phrases()["said"].fullmatch(said):
        return None, text, "system"
    stands_in = _phrases()["sent"].fullmatch(said)
    if stands_in or any(message.get(key) for key in _MEDIA):
        share = message.get("share")
        link = share.get("link") if isinstance(share, dict) else None
        own = "" if stands_in or text == link else text
        # a link that is written about is a text
        alone = not own or any(message.get(key) for key in _MEDIA if key != "share")
        return sender, own, "media" if alone else "text"
    return (sender, text, "text") if text else (sender, "", "system")


def _chat_name(chat: Chat | None, file: ExportFile) -> str:
    about = chat.about if chat else {}
    return _repair(about.get("title") or about.get("threadName") or file.place.parent.name or file.place.stem)


def _repaired(value: Any) -> Any:
    if isinstance(value, str):
        return _repair(value)
    if isinstance(value, list):
        return [_repaired(one) for one in value]
    return {key: _repaired(one) for key, one in value.items()} if isinstance(value, dict) else value


def _repair(text: str) -> str:
    """Meta writes the bytes of UTF-8 as if each were a character: "Ã©" is "é"."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
