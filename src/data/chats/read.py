"""Everything a person has of their chats, read as one stream of messages, whatever program wrote it."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Literal

from tqdm import tqdm

from understudy.data.chats.files import ExportFile, beginning, find_files
from understudy.data.chats.json_messages import first_message
from understudy.data.chats.message import Message, Unread
from understudy.data.chats.meta import is_meta, read_meta
from understudy.data.chats.own_texts import read_own_text
from understudy.data.chats.stamps import DateOrder
from understudy.data.chats.telegram import is_telegram, read_telegram
from understudy.data.chats.whatsapp import read_whatsapp, survey
from understudy.errors import UserError

Found = Iterator[Message | Unread]
_JSON = re.compile(r"\s*(?:\{|\[\s*[{\"\]])")
_NUMBERED = re.compile(r"(\d+)$")
# a date and time that this program does not know, before a name
_LIKE_A_CHAT = re.compile(r"\W{0,3}\w.{4,50}\d\s?[:.]\s?\d\d.{0,30}?(?:\]| [-–—]) ?[^:]{1,60}: ")


def read_chats(
    paths: Sequence[str],
    *,
    names: Sequence[str],
    date_order: Literal["auto", "dmy", "mdy", "ymd"] = "auto",
) -> Found:
    """Messages, chat by chat with the oldest first, and every line that fits nothing.

    `paths` are files, folders, zip files or patterns of these: text exports of WhatsApp and Signal, JSON
    of Messenger, Instagram and Telegram, and texts that the subject wrote, whom the first of `names`
    then stands for. A file is read a piece at a time. Raises UserError where a path holds no messages.
    """
    order: DateOrder | None = None if date_order == "auto" else date_order
    seen: set[str] = set()
    with tqdm(desc="reading chats", unit=" messages", delay=2) as bar:
        for path in paths:
            files = [file for file in find_files(path) if file.name not in seen]
            again = bool(seen) and not files
            seen.update(file.name for file in files)
            said = 0
            for found in _read_files(files, names, order):
                said += isinstance(found, Message) and found.kind != "system"
                bar.update()
                yield found
            if not said and not again:
                raise UserError(f"{path}: holds no message; give the export of a chat, as the app wrote it")


def _read_files(files: Iterable[ExportFile], names: Sequence[str], order: DateOrder | None) -> Found:
    """Texts beside a chat that are none were sent in it: they are reported, not taken for the subject's."""
    threads: dict[PurePosixPath, list[ExportFile]] = defaultdict(list)
    texts: list[ExportFile] = []
    chats: set[PurePosixPath] = set()
    for file in files:
        try:
            reader = _reader(file, order)
        except UserError as error:
            if file.named:
                raise
            why = str(error).removeprefix(f"{file.name}: ")
            yield Unread(file.name, 1, "", why)
            continue
        if reader is read_meta:
            threads[file.place.parent].append(file)
        elif reader is None:
            texts.append(file)
        else:
            chats.add(file.place.parent)
            yield from reader()
    for thread in threads.values():
        yield from read_meta(sorted(thread, key=_number))
    for file in texts:
        if not file.named and file.place.parent in chats:
            yield Unread(
                file.name, 1, _first_line(file), "is no chat but lies beside one; give it by its own path"
            )
        elif not names:
            raise UserError(
                f"{file.name}: is no chat; if the subject wrote it, say who that is by subject.names"
            )
        else:
            yield from read_own_text(file, names[0])


def _reader(file: ExportFile, order: DateOrder | None) -> Callable[..., Found] | None:
    """What reads `file`; None for a text that is no chat. Raises UserError where nothing does."""
    encoding = file.encoding()
    if _JSON.match(file.sample().decode(encoding, "ignore")):
        message = first_message(file)
        if message is None:
            raise UserError(f"{file.name}: holds no messages; give message_1.json or Telegram's result.json")
        if is_meta(message):
            return read_meta
        if is_telegram(message):
            return partial(read_telegram, file)
        raise UserError(f"{file.name}: is of no program that is known; Messenger, Instagram and Telegram are")
    found = survey(file)
    if found.is_chat():
        return partial(read_whatsapp, file, found, order)
    alike = [(number, line) for number, line in file.lines() if _LIKE_A_CHAT.match(line)][:3]
    if len(alike) == 3:
        number, line = alike[0]
        raise UserError(
            f"{file.name}:{number}: {beginning(line)!r} begins with a date as no phone is known to write it; "
            "export the chat with the phone set to another language"
        )
    return None


def _number(file: ExportFile) -> tuple[int, str]:
    """message_2.json is older than message_1.json, and message_10.json older than both."""
    number = _NUMBERED.search(file.place.stem)
    return (int(number[1]) if number else 0, file.name)


def _first_line(file: ExportFile) -> str:
    return next((beginning(line) for _, line in file.lines() if line.strip()), "")
