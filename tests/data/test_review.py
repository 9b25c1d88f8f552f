"""The server of the review page, asked over HTTP as the page asks it."""

import json
import math
import re
import signal
import socket
import struct
import subprocess
import threading
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from conftest import find_command
from review_workspace import (
    DISPUTED,
    FAST,
    FINE,
    RADIO,
    TEXTS,
    WORST,
    Client,
    MortalServer,
    clips,
    copy_of,
    desk_of,
    edits_of,
    judge,
    make_workspace,
    served,
    told,
)

from understudy.data.executors import LocalPool
from understudy.data.manifest import Clip, Drop, json_lines, read_manifest, write_manifest
from understudy.data.media import probe, read_frames
from understudy.data.review.query import ORDERS
from understudy.data.review.server import listen, review
from understudy.data.review.suspicion import Suspicion
from understudy.data.sound import clip_audio
from understudy.data.stage import Stage, run_stage
from understudy.errors import UserError

Talk = tuple[list[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def original(long_talk: Talk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("review"), long_talk)


@pytest.fixture
def workspace(original: Path, tmp_path: Path) -> Path:
    return copy_of(original, tmp_path)


@pytest.fixture
def client(workspace: Path) -> Iterator[Client]:
    with served(workspace) as one:
        yield one


@pytest.fixture(scope="module")
def reader(original: Path) -> Iterator[Client]:
    """One server for all who change nothing."""
    with served(original) as one:
        yield one


def test_the_worst_come_first(reader: Client) -> None:
    told = reader.ask("api/clips")
    assert told["ids"][:3] == [WORST, FAST, DISPUTED]
    assert set(told["ids"]) == {clip.id for clip in clips()}
    scores = [row["suspicion"] for row in told["rows"]]
    assert scores == sorted(scores, reverse=True)
    assert told["rows"][0]["tags"][0] == ["confidence", "30% sure"]
    assert (
        told["progress"] | {"total": 7, "todo": 7, "speakers": ["speaker_1", "speaker_2"]} == told["progress"]
    )


def test_other_orders_and_filters(reader: Client) -> None:
    assert reader.ids(order="time")[:4] == [WORST, FAST, DISPUTED, FINE]
    assert reader.ids(order="longest")[:3] == RADIO
    assert reader.ids(order="confidence")[0] == WORST
    assert reader.ids(order="confidence")[-1] == RADIO[2], "what is unknown comes last"
    assert reader.ids(order="random") == reader.ids(order="random") != reader.ids(order="time")
    assert reader.ids(text="ZYZZLE again") == [RADIO[1]]
    assert reader.ids(text="radio") == sorted(reader.ids(text="radio"), key=reader.ids().index)
    assert reader.ids(speaker="speaker_2") == reader.ids(flag="repetition") == [WORST]
    assert set(reader.ids(source="radio")) == set(RADIO)
    assert reader.ids(status="confirmed,dropped") == []
    status, _, text = reader.fetch("api/clips", order="sideways")
    assert (status, "choose one of suspicion" in text.decode()) == (409, True)


def test_all_there_is_to_a_clip(reader: Client) -> None:
    clip = reader.clip(WORST)
    assert (clip["text"], clip["heard"], clip["status"], clip["video"]) == (TEXTS[0], TEXTS[0], "todo", True)
    assert clip["window"] == [0.0, 2.48], "a second more on either side, where there is one"
    assert (clip["before"], clip["after"]) == (None, FAST)
    known = {sign["name"]: sign["words"] for sign in clip["signs"] if sign["score"] is not None}
    assert known["flags"] == "repetition, no speech"
    assert set(known) == {"confidence", "rate", "flags"}
    assert reader.clip(RADIO[0])["unknown"] == ["zyzzle"]
    assert reader.fetch("api/clip", id="gone")[0] == 404


def test_a_manifest_that_says_little(workspace: Path) -> None:
    bare = [Clip(c.id, c.source, c.start, c.end, {"audio": c["audio"]}) for c in clips()]
    odd = {"snr": math.inf, "confidence": math.nan, "disagreement": "?", "words": [[0, 1, "x", math.nan]]}
    others = [Clip("silent", "lost", 0.0, 1.0), Clip("strange", "lost", 1.0, 2.0, odd)]
    write_manifest(workspace / "manifests" / "cut.jsonl", [*bare, *others])
    with served(workspace, manifest="cut") as client:
        assert all(len(client.ids(order=order)) == 9 for order in ORDERS)
        strange = client.clip("strange")
        assert (strange["words"], strange["numbers"]) == ([[0, 1, "x", None]], {"snr": None})
        assert all(sign["score"] is None for sign in strange["signs"])
        clip = client.clip(WORST)
        assert (clip["text"], clip["words"], clip["speaker"], clip["heard"]) == (None, [], None, None)
        assert all(sign["score"] is None for sign in clip["signs"])
        assert client.clip("silent")["video"] is False
        assert client.fetch("media/sound.wav", id="silent", start=0, end=1)[0] == 404
        assert client.edit(WORST, set={"text": "from nothing"}, was={"text": None})["kind"] == "written"


def test_the_sound_is_the_clips_with_its_gain(reader: Client, original: Path) -> None:
    status, headers, wav = reader.fetch("media/sound.wav", id=WORST, start=0.5, end=2.5)
    assert (status, headers["content-type"], headers["accept-ranges"]) == (200, "audio/wav", "bytes")
    assert wav[:4] == b"RIFF"
    assert struct.unpack("<I", wav[40:44])[0] == len(wav) - 44 == 2 * 32000
    samples = np.frombuffer(wav[44:], "<i2") / 32767
    stretch = Clip("x", "talk", 0.5, 2.5, {"audio": "decode/talk/audio.wav", "gain": 3.0})
    np.testing.assert_allclose(samples, clip_audio(stretch, original).clip(-1, 1), atol=1e-4)


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("0-", (0, 64043)),
        ("0-99", (0, 99)),
        ("43-44", (43, 44)),
        ("45-45", (45, 45)),
        ("1001-33332", (1001, 33332)),
        ("64000-99999", (64000, 64043)),
        ("-10", (64034, 64043)),
    ],
)
def test_any_part_of_the_sound(reader: Client, asked: str, span: tuple[int, int]) -> None:
    stretch = {"id": WORST, "start": 0.5, "end": 2.5}
    _, _, whole = reader.fetch("media/sound.wav", **stretch)
    status, headers, part = reader.fetch("media/sound.wav", headers={"range": f"bytes={asked}"}, **stretch)
    assert (status, headers["content-range"]) == (206, f"bytes {span[0]}-{span[1]}/64044")
    assert part == whole[span[0] : span[1] + 1]


@pytest.mark.parametrize("asked", ["bytes=64044-", "bytes=9-3", "bytes=-", "lines=1-2", "bytes=-0"])
def test_parts_that_are_none(reader: Client, asked: str) -> None:
    answer = reader.fetch("media/sound.wav", headers={"range": asked}, id=WORST, start=0.5, end=2.5)
    assert answer[0] == 416


@pytest.mark.parametrize(("start", "end"), [("", ""), (1, 1), (-1, 1), (0, "nan"), (0, 1e9)])
def test_stretches_that_are_none(reader: Client, start: Any, end: Any) -> None:
    for kind in ("peaks", "sound.wav", "pictures.mp4"):
        assert reader.fetch(f"media/{kind}", id=WORST, start=start, end=end)[0] == 400


def test_the_waveform(reader: Client, original: Path) -> None:
    told = reader.ask("media/peaks", id=RADIO[0], start=0.25, end=1.75)
    step = round(told["step"] * 16000)
    stretch = Clip("x", "radio", 0.25, 1.75, {"audio": "decode/radio/audio.wav"})
    columns = clip_audio(stretch, original).reshape(-1, step)
    np.testing.assert_allclose(told["high"], columns.max(axis=1) * 127, atol=0.51)
    np.testing.assert_allclose(told["low"], columns.min(axis=1) * 127, atol=0.51)


def test_the_pictures(reader: Client, original: Path, tmp_path: Path, long_talk: Talk) -> None:
    answers = [reader.fetch("media/pictures.mp4", id=WORST, start=0.2, end=1.6) for _ in range(2)]
    (made,) = (original / "review").glob("*.mp4")
    assert answers[0][2] == answers[1][2] == made.read_bytes()
    frames = list(read_frames(made))
    assert (len(frames), probe(made).has_audio) == (35, False)
    difference = np.abs(frames[3].astype(float) - long_talk[0][8].astype(float)).mean()
    assert difference < 6, "the right pictures, through a codec"
    part = reader.fetch("media/pictures.mp4", headers={"range": "bytes=5-9"}, id=WORST, start=0.2, end=1.6)
    assert (part[0], part[2]) == (206, answers[0][2][5:10])


def test_an_edit_is_in_the_file_when_it_is_answered(client: Client, workspace: Path) -> None:
    assert client.edit(WORST, set={"text": " bin  blue "}, was={"text": TEXTS[0]})["kind"] == "written"
    (line,) = edits_of(workspace)
    assert (line["clip"], line["set"], line["was"]) == (WORST, {"text": "bin blue"}, {"text": TEXTS[0]})
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", line["at"])
    clip = client.clip(WORST)
    assert (clip["text"], clip["status"], clip["heard"]) == ("bin blue", "edited", TEXTS[0])
    assert client.edit(WORST, set={"text": "bin blue"})["kind"] == "unchanged"
    assert len(edits_of(workspace)) == 1


def test_an_edit_that_is_sent_twice_is_written_once(client: Client, workspace: Path) -> None:
    edit = {"id": "once", "clip": WORST, "set": {"text": "bin"}, "was": {"text": TEXTS[0]}}
    for _ in range(2):
        client.ask("api/edits", {"edits": [edit, edit]})
    assert len(edits_of(workspace)) == 1


def test_what_is_right_is_these_words(client: Client, workspace: Path) -> None:
    client.edit(FINE, set={"reviewed": True}, was={"text": TEXTS[3]})
    assert edits_of(workspace)[0]["set"] == {"reviewed": True, "text": TEXTS[3]}
    assert client.clip(FINE)["status"] == "confirmed"
    assert client.ask("api/hello")["progress"]["confirmed"] == 1


def test_a_conflict_writes_nothing(client: Client, workspace: Path) -> None:
    client.edit(WORST, set={"text": "mine"}, was={"text": TEXTS[0]})
    answer = client.edit(WORST, set={"text": "yours"}, was={"text": TEXTS[0]})
    assert (answer["kind"], answer["why"]) == ("conflict", "text has been changed elsewhere in the meantime")
    assert client.clip(WORST)["text"] == "mine"
    assert client.edit(WORST, set={"text": "mine"}, was={"text": TEXTS[0]})["kind"] == "unchanged"
    assert client.edit(WORST, set={"text": "yours"}, was={"text": "mine"})["kind"] == "written"
    assert client.edit(WORST, set={"speaker": "x"}, was={"speaker": "speaker_2"})["kind"] == "written"
    assert len(edits_of(workspace)) == 3


def test_drop_and_take_back(client: Client) -> None:
    client.edit(FAST, drop="noise")
    clip = client.clip(FAST)
    assert (clip["status"], clip["reason"]) == ("dropped", "noise")
    assert client.clip(WORST)["after"] is None, "what is dropped is not taken in by a join"
    assert client.ids(status="dropped") == [FAST]
    client.edit(FAST, drop=None)
    assert client.clip(FAST)["status"] == "todo"


def test_split_falls_between_pictures_and_hands_on_what_was_said(client: Client, workspace: Path) -> None:
    client.edit(WORST, set={"text": "bin blew at for now", "speaker": "anna"})
    client.edit(WORST, split=0.733)
    one, two = "talk_0.00-0.72", "talk_0.72-1.48"
    assert [client.clip(name)["text"] for name in (one, two)] == ["bin blew", "at for now"]
    lines = edits_of(workspace)[1:]
    assert [line.get("split") or line["set"] for line in lines] == [
        0.72,
        {"speaker": "anna", "text": "bin blew"},
        {"speaker": "anna", "text": "at for now"},
    ]
    assert client.fetch("api/clip", id=WORST)[0] == 404
    assert client.edit(WORST, set={"text": "late"})["kind"] == "gone"
    assert client.ids(order="time")[:3] == [one, two, FAST]
    client.edit(one, undo=["edit-2"])
    assert client.clip(WORST)["text"] == "bin blew at for now"


def test_merge_with_a_neighbour(client: Client) -> None:
    assert client.edit(WORST, merge=DISPUTED)["why"] == "only clips that follow on each other can be joined"
    assert client.edit(RADIO[0], merge=WORST)["kind"] == "refused"
    assert client.edit(DISPUTED, merge=FAST)["kind"] == "written"
    assert client.clip("talk_1.48-4.48")["text"] == f"{TEXTS[1]} {TEXTS[2]}"


def test_trim(client: Client, workspace: Path) -> None:
    client.edit(WORST, set={"text": "bin blew at four now"})
    client.edit(WORST, set={"end": 1.155}, was={"end": 1.48})
    assert edits_of(workspace)[1]["set"] == {"end": 1.16, "text": "bin blew at four"}
    clip = client.clip(WORST)
    assert (clip["start"], clip["end"], clip["text"]) == (0.0, 1.16, "bin blew at four")
    assert client.edit(WORST, set={"start": 1.1})["kind"] == "refused"
    assert client.edit(FINE, set={"end": 9.0})["why"] == "the recording ends at 6.00 s"
    assert client.edit(FINE, set={"start": 4.2})["kind"] == "written", "outwards too"


@pytest.mark.parametrize(
    "wish",
    [
        {"set": {"text": "x" * 5001}},
        {"set": {"audio": "/etc/passwd"}},
        {"set": {"id": "other"}},
        {"set": {"speaker": ""}},
        {"set": {"speaker": "x" * 81}},
        {"set": {"reviewed": "yes"}},
        {"set": {"end": "soon"}},
        {"drop": ""},
        {"drop": "   "},
        {"split": 0.1},
        {"split": -4},
        {"undo": ["never"]},
        {"merge": 5},
        {},
        {"drop": "a", "split": 1},
        {"id": "not good", "drop": "noise"},
        {"id": 5, "drop": "noise"},
    ],
)
def test_wishes_that_are_refused_leave_no_trace(reader: Client, original: Path, wish: dict[str, Any]) -> None:
    assert reader.edit(WORST, **wish)["kind"] == "refused"
    assert edits_of(original) == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"edits": {}}', b'{"edits": [1]}', b'{"edits": "x"}'])
def test_bodies_that_are_none(reader: Client, body: bytes) -> None:
    assert reader.fetch("api/edits", body)[0] == 400


def test_a_page_hears_what_others_do(client: Client) -> None:
    before = client.ask("api/hello")
    seen = {"instance": before["instance"], "version": before["version"]}
    assert client.ask("api/changes", **seen)["rows"] == []
    client.edit(WORST, split=0.72)
    client.edit(FAST, set={"text": "other"})
    told = client.ask("api/changes", **seen)
    assert told["gone"] == {WORST: ["talk_0.00-0.72", "talk_0.72-1.48"]}
    assert {row["id"] for row in told["rows"]} == {"talk_0.00-0.72", "talk_0.72-1.48", FAST}
    assert told["progress"]["total"] == 8
    assert client.ask("api/changes", instance="another", version=0)["reset"] is True
    assert client.fetch("api/changes", instance="x", version="x")[0] == 400


def test_two_servers_of_one_workspace_lose_nothing(workspace: Path) -> None:
    with served(workspace) as one, served(workspace) as other:
        assert one.edit(WORST, set={"text": "one"}, was={"text": TEXTS[0]})["kind"] == "written"
        other.sent = 100
        assert other.edit(WORST, set={"text": "two"}, was={"text": TEXTS[0]})["kind"] == "conflict"
        assert other.edit(FAST, set={"text": "two"}, was={"text": TEXTS[1]})["kind"] == "written"
        assert one.clip(FAST)["text"] == "two"
    assert len(edits_of(workspace)) == 2


def test_lines_by_hand_and_a_file_written_anew(client: Client, workspace: Path) -> None:
    path = workspace / "edits.jsonl"
    path.write_text(json_lines([{"clip": WORST, "set": {"text": "by hand"}}]).removesuffix("\n"))
    client.edit(FAST, drop="noise")
    assert client.clip(WORST)["text"] == "by hand", "its line was ended before the next one"
    path.unlink()
    path.write_text(json_lines([{"clip": FINE, "drop": "x"}]))
    assert client.clip(WORST)["text"] == TEXTS[0]
    assert client.ids(status="dropped") == [FINE]
    path.write_text("nonsense\n")
    for _ in range(2):
        status, _, text = client.fetch("api/clips")
        assert (status, "edits.jsonl:1: not JSON" in text.decode()) == (409, True)
    path.write_text(json_lines([{"clip": FAST, "drop": "x"}]))
    assert client.ids(status="dropped") == [FAST], "mended, it goes on"


def test_an_unfinished_line_is_cut_away(workspace: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = json_lines([{"clip": WORST, "drop": "noise"}])
    (workspace / "edits.jsonl").write_text(whole + '{"clip": "talk_1.4')
    with served(workspace) as client:
        assert client.ids(status="dropped") == [WORST]
        assert "unfinished last line" in caplog.text
        client.edit(FAST, drop="noise")
    assert [line["clip"] for line in edits_of(workspace)] == [WORST, FAST]


class Transcribe(Stage):
    """Hears something of its own in every clip."""

    name: ClassVar[str] = "transcribe"
    reads: ClassVar[tuple[str, ...]] = ("audio",)

    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        yield told(clip, "heard anew", 0.8)


def test_the_next_prepare_sees_the_edits_and_the_page_what_was_heard(client: Client, workspace: Path) -> None:
    client.edit(FAST, set={"reviewed": True, "text": "lay red by z two"})
    client.edit(DISPUTED, drop="music")
    client.edit(FINE, split=5.2)
    client.edit(WORST, set={"end": 1.2})
    cut = [Clip(c.id, c.source, c.start, c.end, {"audio": c["audio"]}) for c in clips()]

    class Cut(Transcribe):
        name: ClassVar[str] = "cut"

        def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
            yield clip

    pool = LocalPool(workers=1)
    parts, report = run_stage(Cut(), cut, workspace, pool)
    assert report.dropped == {"a person: music": 1}
    kept, _ = run_stage(Transcribe(), parts, workspace, pool)
    assert [(clip.id, clip.end, clip["text"]) for clip in kept[:4]] == [
        (WORST, 1.2, "heard anew"),
        (FAST, 3.0, "lay red by z two"),
        ("talk_4.48-5.20", 5.2, "heard anew"),
        ("talk_5.20-6.00", 6.0, "heard anew"),
    ]
    assert read_manifest(workspace / "manifests" / "transcribe.jsonl") == kept
    assert client.clip(WORST)["text"] == "heard anew"
    corrected = client.clip(FAST)
    assert (corrected["text"], corrected["heard"], corrected["status"]) == (
        "lay red by z two", TEXTS[1], "confirmed",
    )  # fmt: skip
    assert client.ids(status="dropped") == [DISPUTED], "it can still be taken back"
    client.edit(FAST, undo=["edit-1"])
    assert client.clip(FAST)["text"] == TEXTS[1]


def test_new_words_are_offered_for_the_lexicon(client: Client, workspace: Path) -> None:
    assert client.ask("api/hello")["progress"]["offers"] == [], "nobody has looked at them yet"
    client.edit(RADIO[0], set={"reviewed": True})
    client.edit(RADIO[1], set={"text": "Zyzzle the qwyx again"})
    assert client.ask("api/hello")["progress"]["offers"] == [["zyzzle", 2], ["qwyx", 1]]
    assert client.clip(RADIO[1])["unknown"] == ["qwyx"], "zyzzle is confirmed elsewhere"
    assert client.clip(RADIO[0])["unknown"] == ["zyzzle"]
    told = client.ask("api/lexicon", {"word": "zyzzle", "spoken": " zizz  ull", "accept": True})
    assert told["progress"]["offers"] == [["qwyx", 1]]
    told = client.ask("api/lexicon", {"word": "qwyx", "accept": False})
    assert told["progress"]["offers"] == []
    assert (workspace / "lexicon.tsv").read_text().splitlines()[1:] == ["zyzzle\tzizz ull\t\t1\treview"]
    assert client.clip(RADIO[0])["unknown"] == []
    assert client.fetch("api/lexicon", b'{"word": "a\\tb", "accept": true}')[0] == 409
    assert client.ask("api/unknown", {"id": FINE, "text": "qwyx flurb"})["unknown"] == ["qwyx", "flurb"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"host": "localhost:80"}, 200),
        ({"host": "[::1]:80"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_strangers_are_not_answered(reader: Client, headers: dict[str, str], code: int) -> None:
    assert reader.fetch("api/hello", headers=headers)[0] == code
    own = reader.fetch("api/hello", headers={"origin": reader.address})
    assert own[0] == 200
    assert "default-src 'self'" in own[1]["content-security-policy"]


def test_what_a_model_that_never_saw_it_contradicts_comes_up(client: Client, workspace: Path) -> None:
    seen = client.ask("api/hello")
    assert client.ids()[-1] != FINE != client.ids()[0]
    judge(workspace, FINE)
    told = client.ask("api/changes", instance=seen["instance"], version=seen["version"])
    assert told["reset"] is True, "the order is another one"
    clip = client.clip(FINE)
    assert client.ids()[0] == FINE
    assert {name for name, _ in clip["tags"]} == {"held_out_loss", "held_out_error"}
    assert any("it hears: “nothing of the kind”" in sign["words"] for sign in clip["signs"])
    client.edit(FINE, set={"text": "another text"})
    assert client.ids()[0] != FINE, "what was judged stands there no more"
    client.edit(FINE, undo=["edit-1"])
    assert client.ids()[0] == FINE
    (workspace / "held_out.jsonl").unlink()
    assert client.ids()[0] == WORST


def test_a_confirmed_clip_that_is_contradicted_is_asked_for_once_more(
    client: Client, workspace: Path
) -> None:
    wanted = {"status": "todo,edited,doubted"}
    for name in (WORST, FINE):
        client.edit(name, set={"reviewed": True})
    assert {WORST, FINE}.isdisjoint(client.ids(**wanted))
    judge(workspace, FINE)
    assert client.ids(**wanted)[0] == FINE
    assert client.clip(FINE)["status"] == "doubted"
    assert client.clip(WORST)["status"] == "confirmed"
    assert client.clip(WORST)["suspicion"] == 0.0, "the transcriber's doubt has been answered"
    assert client.ask("api/hello")["progress"]["doubted"] == 1
    seen = client.ask("api/hello")
    assert client.edit(FINE, set={"reviewed": True}, was={"text": TEXTS[3]})["kind"] == "written"
    assert client.clip(FINE)["status"] == "confirmed", "the person insists"
    told = client.ask("api/changes", instance=seen["instance"], version=seen["version"])
    assert [row["id"] for row in told["rows"]] == [FINE]
    assert FINE not in client.ids(**wanted)
    assert client.edit(FINE, set={"reviewed": True})["kind"] == "unchanged"
    client.edit(FINE, undo=["edit-3"])
    assert client.clip(FINE)["status"] == "doubted"
    client.edit(FINE, set={"text": "place white with"})
    assert client.clip(FINE)["status"] == "confirmed", "this text was not judged"


def test_judgements_that_cannot_be_read_are_said_in_a_line(client: Client, workspace: Path) -> None:
    (workspace / "held_out.jsonl").write_text("{}\n")
    status, _, text = client.fetch("api/clips")
    assert (status, "held_out.jsonl: line 1 lacks something" in text.decode()) == (409, True)
    (workspace / "held_out.jsonl").unlink()
    assert client.ids()[0] == WORST


def test_a_body_that_is_too_long_is_not_read(reader: Client) -> None:
    host, _, port = reader.address.removeprefix("http://").partition(":")

    def answer(headers: bytes, *blocks: bytes) -> bytes:
        with socket.create_connection((host, int(port))) as line:
            line.sendall(b"POST /api/edits HTTP/1.1\r\nhost: localhost\r\n" + headers + b"\r\n\r\n")
            with suppress(ConnectionError):  # it may hang up in the middle of it
                for block in blocks:
                    line.sendall(block)
                return line.recv(1000).partition(b"\r\n")[0]
        return b""

    assert b" 413 " in answer(b"content-length: 2000000")
    block = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    unsaid = answer(b"transfer-encoding: chunked", *[block] * 40, b"0\r\n\r\n")
    assert not unsaid or b" 400 " in unsaid
    assert reader.fetch("api/hello")[0] == 200


def test_the_token_where_others_can_reach_the_page(workspace: Path) -> None:
    with served(workspace, token="secret") as client:
        assert client.fetch("api/hello")[0] == 401
        assert client.fetch("", token="guess")[0] == 401
        name = f"understudy_{client.address.rpartition(':')[2]}"
        assert client.fetch("api/hello", headers={"cookie": f"{name}=guess"})[0] == 401
        assert client.fetch("api/hello", headers={"cookie": f"{name}=secret"})[0] == 200
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        assert b"<title>Review" in opener.open(f"{client.address}/?token=secret").read()
        assert opener.open(f"{client.address}/api/hello").status == 200


def test_a_server_that_is_killed_at_random_moments(workspace: Path) -> None:
    """What it has answered is in the file, and what is sent again is there once."""
    server, rng = MortalServer(workspace), np.random.default_rng(0)
    client, answered = Client(server.address), 0
    for _ in range(4):
        server.start()
        killer = threading.Timer(rng.uniform(0.0, 0.03), server.kill)
        enough = answered + rng.integers(2, 6)
        while True:
            edit = {"id": f"edit-{answered}", "clip": FAST, "set": {"text": f"text {answered}"}}
            try:
                (answer,) = client.ask("api/edits", {"edits": [edit]})["answers"]
            except OSError:  # it is dead: the page keeps the edit and sends it to the next
                break
            assert answer["kind"] in ("written", "unchanged")
            answered += 1
            if answered == enough:
                killer.start()
        killer.join()
        lines = (workspace / "edits.jsonl").read_text().splitlines(keepends=True)
        whole = [json.loads(line)["id"] for line in lines if line.endswith("\n")]
        assert whole[:answered] == [f"edit-{n}" for n in range(answered)]
        assert len(whole) <= answered + 1
    with served(workspace) as again:
        assert again.clip(FAST)["text"] in (f"text {answered - 1}", f"text {answered}")


def test_many_clips(workspace: Path) -> None:
    places = [(f"s{k // 500}", float(k % 500), k) for k in range(20_000)]
    many = [
        told(Clip(f"{source}_{k}", source, start, start + 1), "one two three", 0.5 + k / 40_000)
        for source, start, k in places
    ]
    write_manifest(workspace / "manifests" / "many.jsonl", many)
    with served(workspace, manifest="many") as client:
        ids = client.ids()
        assert len(ids) == 20_000
        assert ids[0] == "s0_0"
        assert client.edit(ids[0], set={"text": "one"}, was={"text": "one two three"})["kind"] == "written"
        assert client.ids(text="s39_19999") == ["s39_19999"]
        rows = client.ask("api/rows", {"ids": ids[10_000:10_060]})["rows"]
        assert [row["id"] for row in rows] == ids[10_000:10_060]
        assert client.fetch("api/rows", json.dumps({"ids": ids}).encode())[0] == 413


def test_what_cannot_be_served_is_said_in_a_line(workspace: Path) -> None:
    settings: dict[str, Any] = {"name": "anna", "suspicion": Suspicion(), "open_browser": False}
    with pytest.raises(UserError, match=r"none\.jsonl: there is no such manifest; run `understudy prepare`"):
        review(workspace=str(workspace), manifest="none", **settings)
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"port={port}: .*port=0 takes a free one"):
            review(workspace=str(workspace), port=port, **settings)
    with pytest.raises(UserError, match=r"host=no\.such\.host\.invalid"):
        listen("no.such.host.invalid", 0)
    with pytest.raises(UserError, match=r"word_list=.*cannot be read"):
        review(workspace=str(workspace), word_list=str(workspace / "none.txt"), **settings)
    assert desk_of(workspace).state.clips.keys() == {clip.id for clip in clips()}


def test_the_command(workspace: Path) -> None:
    settings = [
        "subject=folder",
        "subject.name=anna",
        f"workspace={workspace}",
        "port=0",
        "open_browser=false",
    ]
    command = subprocess.Popen([find_command(), "review", *settings], stdout=subprocess.PIPE, text=True)
    assert command.stdout is not None
    assert command.stdout.readline().split() == [
        "review",
        "7",
        "clips",
        "of",
        f"{workspace}/manifests/transcribe.jsonl",
    ]
    client = Client(command.stdout.readline().split()[1].removesuffix("/"))
    status, _, page = client.fetch("")
    assert (status, b"<title>Review" in page) == (200, True)
    assert client.fetch("page/main.js")[0] == 200
    assert client.fetch("page/../app.py")[0] == 404
    command.send_signal(signal.SIGINT)
    assert command.wait() == 0
