"""JSON exports, a person's own texts, folders of everything, and what is no export at all."""

import json
import os
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.data.chats.message import Message, Unread
from understudy.data.chats.read import read_chats
from understudy.errors import UserError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
MOMENT = st.integers(1_230_768_000, 1_900_000_000)  # seconds
Talk = list[tuple[str, int, str]]  # sender, sent, text
TALK = st.lists(st.tuples(TEXT, MOMENT, TEXT.map(lambda text: f"x{text}x")), min_size=1, max_size=8)


def messages(*paths: Path) -> list[Message]:
    found = list(read_chats([str(path) for path in paths], names=["Anna"]))
    assert all(isinstance(one, Message) for one in found), found
    return [one for one in found if isinstance(one, Message)]


def garbled(text: str) -> str:
    """As Meta writes it."""
    return text.encode("utf-8").decode("latin-1")


def meta(talk: Talk) -> dict[str, Any]:
    newest_first = sorted(talk, key=lambda one: -one[1])
    said = [
        {"sender_name": garbled(sender), "timestamp_ms": sent * 1000, "content": garbled(text)}
        for sender, sent, text in newest_first
    ]
    return {"participants": [], "messages": said, "title": garbled("Jürgen 🙈")}


def telegram(talk: Talk) -> dict[str, Any]:
    said = [
        {
            "id": 1,
            "type": "message",
            "date_unixtime": str(sent),
            "from": sender,
            "text": [text[:1], {"type": "bold", "text": text[1:]}],
        }
        for sender, sent, text in sorted(talk, key=lambda one: one[1])
    ]
    return {"name": "Jürgen 🙈", "type": "personal_chat", "id": 1, "messages": said}


@given(TALK, st.sampled_from([meta, telegram]))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, talk: Talk, export: Callable[[Talk], dict[str, Any]]
) -> None:
    file = tmp_path_factory.mktemp("thread") / "message_1.json"
    file.write_text(json.dumps(export(talk)), "utf-8")
    found = messages(file)
    assert sorted((one.sender, int(one.sent.timestamp()), one.text) for one in found) == sorted(talk)
    assert [one.sent for one in found] == sorted(one.sent for one in found)
    assert {one.chat for one in found} == {"Jürgen 🙈"}


def test_a_thread_in_several_files_is_one_chat(tmp_path: Path) -> None:
    for number, seconds in ((1, 3000), (2, 2000), (10, 1000)):  # the first holds the newest
        talk = [("Anna", 1_700_000_000 + seconds + more, f"{seconds + more}") for more in (0, 1)]
        (tmp_path / f"message_{number}.json").write_text(json.dumps(meta(talk)), "utf-8")
    assert [one.text for one in messages(tmp_path)] == ["1000", "1001", "2000", "2001", "3000", "3001"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"content": garbled("Jürgen: café 😂")}, ("Jürgen", "Jürgen: café 😂", "text")),
        ({"content": "Jürgen: café"}, ("Anna", "Jürgen: café", "text")),  # newer exports are right
        ({"content": "Anna sent an attachment.", "share": {"link": "https://a.b"}}, ("Anna", "", "media")),
        ({"content": "You sent a photo.", "photos": [{"uri": "a"}]}, ("Anna", "", "media")),
        ({"photos": [{"uri": "a"}], "content": "look"}, ("Anna", "look", "media")),
        ({"content": "see a.b", "share": {"link": "https://a.b"}}, ("Anna", "see a.b", "text")),
        ({"content": garbled("Reacted 😂 to your message ")}, (None, "Reacted 😂 to your message", "system")),
        ({"content": "A aimé un message"}, (None, "A aimé un message", "system")),
        ({"content": "Liked a message"}, (None, "Liked a message", "system")),
        ({"content": "Anna called you.", "call_duration": 12}, (None, "Anna called you.", "system")),
        ({"content": "Anna named the group Trip."}, (None, "Anna named the group Trip.", "system")),
        ({"is_unsent": True}, ("Anna", "", "system")),
        ({"content": "I sent a photo to my mother."}, ("Anna", "I sent a photo to my mother.", "text")),
        ({"content": "Reacted badly?"}, ("Anna", "Reacted badly?", "text")),
    ],
)  # fmt: skip
def test_what_messenger_and_instagram_say_themselves(
    tmp_path: Path, message: dict[str, Any], expected: tuple[str | None, str, str]
) -> None:
    said = [{"sender_name": garbled(expected[0] or "Anna"), "timestamp_ms": 1_700_000_000_123, **message}]
    said.append({"sender_name": "Ben", "timestamp_ms": 1_700_000_000_124, "content": "ok"})
    (tmp_path / "message_1.json").write_text(json.dumps({"messages": said}), "utf-8")
    found = messages(tmp_path / "message_1.json")[0]
    assert (found.sender, found.text, found.kind) == expected
    assert found.sent == datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC)


def test_messengers_encrypted_chats(tmp_path: Path) -> None:
    said = [
        {
            "senderName": "Anna",
            "timestamp": 1_700_000_000_000,
            "text": "hé",
            "type": "text",
            "isUnsent": False,
        }
    ]
    thread = {"participants": ["Anna", "Ben"], "threadName": "Ben_7", "messages": said}
    (tmp_path / "Ben_7.json").write_text(json.dumps(thread), "utf-8")
    assert [(one.chat, one.sender, one.text) for one in messages(tmp_path)] == [("Ben_7", "Anna", "hé")]


def test_everything_of_telegram(tmp_path: Path) -> None:
    sent = {"date": "2024-03-05T15:15:00", "from": "Anna", "from_id": "user1"}
    first = [
        {"id": 1, "type": "service", "actor": "Anna", "action": "phone_call", "text": "", **sent},
        {"id": 2, "type": "message", "photo": "a.jpg", "text": "look", **sent},
        {"id": 3, "type": "message", "media_type": "voice_message", "file": "a.ogg", "text": "", **sent},
        {"id": 4, "type": "message", "text": ["a ", {"type": "italic", "text": "b"}, " c"], **sent},
        {"id": 5, "type": "message", "text": "gone", **sent, "from": None},
        {"id": 6, "type": "message", "text": "no date"} | {"date": "soon", "from": "Anna"},
    ]
    chats = [
        {"name": "Ben", "type": "personal_chat", "id": 1, "messages": first},
        {
            "type": "saved_messages",
            "id": 2,
            "messages": [{"id": 1, "type": "message", "text": "note", **sent}],
        },
    ]
    export = {
        "about": "x",
        "contacts": {"list": [{"name": "no chat"}]},
        "chats": {"about": "y", "list": chats},
    }
    (tmp_path / "result.json").write_text(json.dumps(export), "utf-8")
    found = list(read_chats([str(tmp_path / "result.json")], names=[]))
    assert [(one.chat, one.sender, one.text, one.kind) for one in found if isinstance(one, Message)] == [
        ("Ben", None, "phone call", "system"),
        ("Ben", "Anna", "look", "media"),
        ("Ben", "Anna", "", "media"),
        ("Ben", "Anna", "a b c", "text"),
        ("Ben", "user1", "gone", "text"),
        ("result", "Anna", "note", "text"),
    ]
    assert [(one.line, one.why) for one in found if isinstance(one, Unread)] == [
        (6, "has no date or text as Telegram writes them")
    ]


def test_texts_of_the_subject(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("One line\nand its end.\n\n\nAnother: day.\n", "utf-8")
    (tmp_path / "post.md").write_text(
        "---\ntitle: no\n---\n# No heading\n\nIt is *really* [good](https://a.example),\nsay I.\n\n"
        "```\nno = code\n```\n\n> no quotation\n\n- an `item`\n<!-- no -->\n",
        "utf-8",
    )
    when = time.mktime((2024, 3, 5, 15, 15, 0, 0, 0, -1))
    for name in ("diary.txt", "post.md"):
        os.utime(tmp_path / name, (when, when))
    found = messages(tmp_path)
    assert [(one.chat, one.text, one.line) for one in found] == [
        ("diary", "One line\nand its end.", 1),
        ("diary", "Another: day.", 5),
        ("post", "It is really good,\nsay I.", 6),
        ("post", "an item", 15),
    ]
    assert {(one.sender, one.sent, one.kind) for one in found} == {
        ("Anna", datetime(2024, 3, 5, 15, 15), "text")
    }


def test_a_folder_of_everything(tmp_path: Path) -> None:
    (tmp_path / "whatsapp").mkdir()
    (tmp_path / "whatsapp" / "_chat.txt").write_text("13.03.24, 15:15 - Ben: hi\n", "utf-8")
    (tmp_path / "whatsapp" / "IMG-20240313-WA0001.jpg").write_bytes(b"\xff\xd8\x00")
    (tmp_path / "message_1.json").write_text(json.dumps(meta([("Ben", 1_700_000_000, "ho")])), "utf-8")
    (tmp_path / "profile.json").write_text('{"profile": {"name": "Ben"}}', "utf-8")
    (tmp_path / ".hidden.txt").write_text("no", "utf-8")
    found = list(read_chats([str(tmp_path), str(tmp_path / "*.json")], names=["Anna"]))
    assert [one.text for one in found if isinstance(one, Message)] == ["hi", "ho"]
    assert [(Path(one.source).name, one.why) for one in found if isinstance(one, Unread)] == [
        ("profile.json", "holds no messages; give message_1.json or Telegram's result.json")
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("chat.txt", b"", "is empty"),
        ("chat.txt", b"\xef\xbb\xbf \r\n", "is empty"),
        ("chat.txt", bytes(range(256)) * 8, "is no text"),
        ("chat.zip", b"PK\x03\x04" + b"\x00" * 80, "is no text"),
        ("chat.txt", b"13.03.24, 15:15 - Anna left\n", "holds no message"),
        ("message_1.json", b'{"messages": []}', "holds no messages"),
        ("message_1.json", b'{"messages": [{"sender_name": "A", "timestamp_ms": 1}, ', "is no whole JSON"),
        ("result.json", b'{"messages": [{"author": "A", "body": "hi"}]}', "is of no program that is known"),
        (
            "chat.txt",
            b"13.03.24 xx 15:15 - Anna: hi\n" * 3,
            r"chat\.txt:1: .* begins with a date as no phone",
        ),
    ],
)
def test_what_is_no_export_is_said_in_one_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        list(read_chats([str(tmp_path / name)], names=["Anna"]))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        list(read_chats([str(tmp_path / "chat.txt")], names=[]))
    with pytest.raises(UserError, match="holds no message"):
        list(read_chats([str(tmp_path)], names=[]))
    (tmp_path / "diary.txt").write_text("dear diary\n", "utf-8")
    with pytest.raises(UserError, match=r"subject\.names"):
        list(read_chats([str(tmp_path / "diary.txt")], names=[]))


def whatsapp_file(path: Path, count: int) -> Path:
    with (path / "_chat.txt").open("w", encoding="utf-8") as stream:
        for i in range(count):
            stream.write(f"{1 + i % 27:02}.03.24, 15:15 - Anna: {'word ' * 600}{i}\n")
    return path / "_chat.txt"


def meta_file(path: Path, count: int) -> Path:
    with (path / "message_1.json").open("w", encoding="utf-8") as stream:
        stream.write('{"messages": [')
        for i in range(count):
            said = {
                "sender_name": "Anna",
                "timestamp_ms": 1_700_000_000_000 - i,
                "content": f"{'word ' * 600}{i}",
            }
            stream.write("," * bool(i) + json.dumps(said))
        stream.write("]}")
    return path / "message_1.json"


@pytest.mark.parametrize("export", [whatsapp_file, meta_file])
def test_a_large_export_takes_little_memory(tmp_path: Path, export: Callable[[Path, int], Path]) -> None:
    few, many = (tmp_path / name for name in ("few", "many"))
    peaks = []
    for path, count in ((few, 50), (many, 4_000)):
        path.mkdir()
        file = export(path, count)
        tracemalloc.start()
        read = sum(1 for _ in read_chats([str(file)], names=[]))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert read == count
    assert file.stat().st_size > 10e6
    assert peaks[1] < peaks[0] + 1e6  # eighty times as much to read
