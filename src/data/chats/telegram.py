"""Telegram's JSON: one chat, or everything with a list of chats."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from understudy.data.chats.files import ExportFile, beginning
from understudy.data.chats.json_messages import json_messages
from understudy.data.chats.message import Message, MessageKind, Unread

_MEDIA = ("photo", "file", "media_type", "location_information", "contact_information", "poll", "game_title")
_LINKS = ("link", "mention", "hashtag", "email", "phone", "bot_command")


def is_telegram(message: dict[str, Any]) -> bool:
    return "date" in message or "date_unixtime" in message


def read_telegram(file: ExportFile) -> Iterator[Message | Unread]:
    """`sent` is UTC, of older exports, which have no zone, the time of the computer that wrote them."""
    for chat, place, message in json_messages(file):
        try:
            sent = _sent(message)
            text = _text(message.get("text", "")).strip()
        except (KeyError, ValueError, TypeError, OverflowError):
            yield Unread(
                file.name, place, beginning(str(message)), "has no date or text as Telegram writes them"
            )
            continue
        name = chat.about.get("name") or file.place.stem
        if message.get("type") == "service":
            action = str(message.get("action", "")).replace("_", " ")
            yield Message(name, None, sent, text or action, "system", file.name, place)
            continue
        sender = message.get("from") or message.get("from_id") or "Deleted Account"
        kind: MessageKind = "text" if text else "system"
        if any(message.get(key) for key in _MEDIA):
            kind = "media"
        yield Message(name, str(sender), sent, text, kind, file.name, place)


def _sent(message: dict[str, Any]) -> datetime:
    if "date_unixtime" in message:
        return datetime.fromtimestamp(int(message["date_unixtime"]), UTC)
    return datetime.fromisoformat(message["date"])


def _text(text: Any) -> str:
    """A text with bold words or links in it is a list of its parts."""
    if isinstance(text, str):
        return text
    whole, after_entity = "", False
    for part in text:
        if isinstance(part, str):
            whole, after_entity = whole + part, False
            continue
        if after_entity and part["type"] in _LINKS and not whole[-1:].isspace():
            whole += " "  # links begin a word
        whole, after_entity = whole + part["text"], True
    return whole
