"""Chats as WhatsApp exports them, for conversations that were made up."""

from collections.abc import Iterable, Iterator

from understudy.data.chats.message import Message


def whatsapp_lines(messages: Iterable[Message], *, stamp: str = "%d.%m.%y, %H:%M - ") -> Iterator[str]:
    """A line for a message, or several, each with its end. `stamp` is as `strftime` has it.

    "[%d.%m.%y, %H:%M:%S] " is an iPhone's.
    """
    for message in messages:
        name = f"{message.sender}: " if message.sender is not None else ""
        text = "\n".join(
            ["<Media omitted>"] * (message.kind == "media") + [message.text] * bool(message.text)
        )
        yield f"{message.sent.strftime(stamp)}{name}{text}\n"
