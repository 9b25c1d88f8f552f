"""The step of `prepare` that reads chats: exports in, dialogues out."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import run_verb
from material import files_under

from understudy.data.demo.persona import write_persona
from understudy.data.dialogues import read_dialogues, split_by_time
from understudy.data.manifest import Clip, json_lines, read_json_lines, write_manifest
from understudy.errors import UserError

START = datetime(2023, 1, 31, 18, 0)
FORWARDED = "Dear all, " + " ".join(f"word{k}" for k in range(30))


def export(path: Path, *said: tuple[float, str | None, str]) -> Path:
    """A chat as Android writes it, of (minutes, sender, text)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for minutes, sender, text in said:
        stamp = f"{START + timedelta(minutes=minutes):%d/%m/%Y, %H:%M}"
        lines.append(f"{stamp} - {sender}: {text}\n" if sender else f"{stamp} - {text}\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    """Pip with Anna and Ben; one line fits nothing."""
    folder = tmp_path / "my chats"
    anna = export(
        folder / "WhatsApp Chat with Anna.txt",
        (0, None, "Messages and calls are end-to-end encrypted. Tap to learn more."),
        (1, "Anna", "Have you seen Ben?"),
        (2, "Pip", "no.. ring +44 7700 900123"),
        (3, "Pip", "<Media omitted>"),
        (4, "Pip", "or anna knows"),
        (600, "Anna", "Nobody answers"),
        (2000, "Anna", FORWARDED),
        (2001, "Pip", "ta"),
    )
    anna.write_text("no date here\n" + anna.read_text("utf-8"), encoding="utf-8")
    export(
        folder / "WhatsApp Chat with Ben.txt",
        (3000, "Ben", FORWARDED + " again"),
        (3001, "Pip", "got that from Anna"),
        (3002, "Ben", "two lines\nof text"),
    )
    return folder


def prepare(workspace: Path, chats: Path, *overrides: str) -> int:
    given = ["subject=folder", "subject.name=pip", f"workspace='{workspace}'", "subject.names=[Pip]"]
    return run_verb("prepare", *given, f"subject.chats=['{chats}']", *overrides)


def report_of(workspace: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((workspace / "chats" / "report.json").read_text("utf-8"))
    return report


def test_chats_become_dialogues(chats: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = tmp_path / "workspace"
    assert prepare(workspace, chats) == 1  # a line is not read
    said = [
        [(t.speaker, t.text) for t in d.turns] for d in read_dialogues(workspace / "chats/dialogues.jsonl")
    ]
    assert said == [
        [("[name 1]", "Have you seen [name 2]?"), ("Pip", "no.. ring [phone]\nor [name 1] knows")],
        [("[name 1]", FORWARDED), ("Pip", "ta")],
        [("Pip", "got that from [name 1]"), ("[name 2]", "two lines\nof text")],
    ]
    messages = read_json_lines(workspace / "chats" / "messages.jsonl")
    assert messages[2]["text"] == "no.. ring +44 7700 900123"  # as it was written
    report = report_of(workspace)
    assert report["dropped"] == {
        "from the app, not a person": 1,
        "media without words": 1,
        "in a dialogue without the subject": 1,
        "a long text that came before": 1,
    }
    assert report["personal"]["phones"] == [1, "replace"]
    assert report["personal"]["names"][0] == 3
    assert report["unread"] == 1
    found = [(row["kind"], row["line"]) for row in read_json_lines(workspace / "chats" / "privacy.jsonl")]
    assert found == [("names", 3), ("phones", 4), ("names", 6), ("names", 2)]
    out = capsys.readouterr().out
    assert "have not consented" in out
    assert f"{chats / 'WhatsApp Chat with Anna.txt'}:1: " in out
    assert not (workspace / "manifests").exists()


def test_every_message_is_learnt_from_or_dropped_for_a_reason(tmp_path: Path) -> None:
    write_persona(tmp_path / "chats", months=2)
    workspace = tmp_path / "workspace"
    assert prepare(workspace, tmp_path / "chats", "chats.privacy.phones=drop", "chats.gap=600") == 0
    report = report_of(workspace)
    dialogues = read_dialogues(workspace / "chats" / "dialogues.jsonl")
    learnt = sum(turn.text.count("\n") + 1 for dialogue in dialogues for turn in dialogue.turns)
    listed = sum(source["messages"] for source in report["sources"].values())
    assert listed == len(read_json_lines(workspace / "chats" / "messages.jsonl"))
    assert learnt + sum(report["dropped"].values()) == listed
    assert sum(source["dialogues"] for source in report["sources"].values()) == len(dialogues)


def test_what_has_not_changed_is_not_read_again(
    chats: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = tmp_path / "workspace"
    for path in chats.iterdir():
        path.write_text(path.read_text("utf-8").removeprefix("no date here\n"), encoding="utf-8")
    assert prepare(workspace, chats) == 0
    before = files_under(workspace / "chats")
    capsys.readouterr()
    assert prepare(workspace, chats) == 0
    assert "chats          as they were" in capsys.readouterr().out
    assert prepare(workspace, chats, "chats.privacy.names=keep") == 0
    assert "as they were" not in capsys.readouterr().out
    dialogues = read_dialogues(workspace / "chats" / "dialogues.jsonl")
    assert {turn.speaker for dialogue in dialogues for turn in dialogue.turns} == {"Anna", "Ben", "Pip"}
    assert prepare(workspace, chats) == 0
    assert files_under(workspace / "chats") == before
    export(chats / "WhatsApp Chat with Cleo.txt", (20000, "Cleo", "hi"), (20001, "Pip", "hiya"))
    assert prepare(workspace, chats) == 0
    assert len(read_dialogues(workspace / "chats" / "dialogues.jsonl")) == 4


def test_two_exports_of_one_chat_are_one(tmp_path: Path) -> None:
    early = [(0, "Anna", "hi"), (1, "Pip", "ok"), (1, "Pip", "ok")]
    late = [(5, "Anna", "still there?"), (6, "Pip", "yep")]
    for name, said in (("may", early), ("june", [*early, *late])):
        export(tmp_path / "chats" / name / "WhatsApp Chat with Anna.txt", *said)
    assert prepare(tmp_path / "workspace", tmp_path / "chats") == 0
    (dialogue,) = read_dialogues(tmp_path / "workspace" / "chats" / "dialogues.jsonl")
    assert [turn.text for turn in dialogue.turns] == ["hi", "ok\nok", "still there?", "yep"]
    assert report_of(tmp_path / "workspace")["dropped"] == {"exported twice": 3}


def test_what_the_subject_says_in_recordings_is_learnt_as_well(chats: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    clips = [
        Clip(f"talk_{k}", "talk", k, k + 1.0, {"text": text}) for k, text in enumerate(("wrong", "", "two"))
    ]
    write_manifest(workspace / "manifests" / "transcribe.jsonl", clips)
    (workspace / "sources").mkdir()
    (workspace / "sources" / "talk.json").write_text(json.dumps({"date": "2020-02-03"}))
    edits = [{"clip": "talk_0", "set": {"text": "call Ben"}}]
    (workspace / "edits.jsonl").write_text(json_lines(edits))
    prepare(workspace, chats)
    talks = [d for d in read_dialogues(workspace / "chats" / "dialogues.jsonl") if d.chat == "talk"]
    assert [[turn.text for turn in talk.turns] for talk in talks] == [["call [name 2]\ntwo"]]
    assert talks[0].turns[0].sent == datetime(2020, 2, 3)
    assert talks[0].turns[0].subject


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["subject.names=[Pipp]"], r"no message is theirs; the senders are Pip \(5\), Anna \(3\), Ben \(2\)"),
        (["subject.names=[Pip,Anna,ben]"], "all messages are theirs"),
        (["subject.names=null"], "subject.names is empty"),
        (["chats.privacy.names=hide"], "chats.privacy.names=hide"),
        (["chats.region=Wales"], "chats.region=Wales"),
        (["subject.chats=null"], "subject.sources is empty"),
        (["subject.chats=[/no/such]"], "/no/such"),
        (["until=clean"], "until=clean: a stage of recordings"),
        (["until=chat"], "the stages are decode, .*, faces, chats"),
    ],
)
def test_a_mistake_is_told(overrides: list[str], said: str, chats: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        prepare(tmp_path / "workspace", chats, *overrides)
    assert not (tmp_path / "workspace" / "chats").exists()


def test_the_demo_has_a_persona(tmp_path: Path) -> None:
    """A year, some thousand messages; the same again writes nothing anew."""
    given = ["subject=demo", "subject.recorded=false", f"workspace={tmp_path}"]
    assert run_verb("prepare", *given) == 0
    report = report_of(tmp_path)
    assert sum(source["messages"] for source in report["sources"].values()) > 2000
    kinds = ("names", "phones", "emails", "cards", "accounts", "links", "addresses")
    assert all(report["personal"][kind][0] for kind in kinds)
    dialogues = read_dialogues(tmp_path / "chats" / "dialogues.jsonl")
    sent = [turn.sent for dialogue in dialogues for turn in dialogue.turns]
    assert max(sent) - min(sent) > timedelta(days=330)
    split = split_by_time(dialogues, 0.1, 0.2)
    early, late = (
        [turn.text for dialogue in split[part] for turn in dialogue.turns if turn.subject]
        for part in ("train", "test")
    )
    longer = [text for text in late if len(text.split()) > 3]
    assert sum(text in early for text in longer) < 0.25 * len(longer)  # verbatim memory does not answer
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "recordings" / "chats").iterdir()}
    assert len(written) == 4
    write_persona(tmp_path / "recordings" / "chats")
    assert {path: path.stat().st_mtime_ns for path in written} == written
    (another, *_) = write_persona(tmp_path / "other", seed=1)
    assert another.read_text("utf-8") not in [path.read_text("utf-8") for path in written]
