"""What is told after another transcriber has been at work, on corrected clips and on no others."""

import json
from pathlib import Path

import pytest

from understudy.data.hub import model_name
from understudy.data.manifest import Clip, json_lines, write_manifest
from understudy.data.training_notes import write_training
from understudy.data.transcriber_report import tell_transcribers, transcribed

SAID = ["bin blue at four now", "lay red by zed two", "set green in kew nine", "place white with an eye"]


def clips(transcriber: str, *heard: str) -> list[Clip]:
    told = [{"text": text, "heard": text, "transcriber": transcriber} for text in heard]
    return [Clip(f"talk_{k}", "talk", float(k), k + 1.0, fields) for k, fields in enumerate(told)]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Two transcripts were set, one confirmed as it was, and one nobody has looked at."""
    edits = [
        {"clip": "talk_0", "set": {"text": SAID[0]}},
        {"clip": "talk_1", "set": {"text": SAID[1], "reviewed": True}},
        {"clip": "talk_2", "set": {"text": SAID[2], "reviewed": True}},
    ]
    (tmp_path / "edits.jsonl").write_text(json_lines(edits))
    return tmp_path


def stands(workspace: Path, now: list[Clip]) -> None:
    write_manifest(workspace / "manifests" / "transcribe.jsonl", now)


def told(workspace: Path) -> dict[str, list[float]]:
    rates = json.loads((workspace / "manifests" / "transcribers.json").read_text())["rates"]
    return {row["which"]: [row["clips"], row["words"], row["wer_before"], row["wer_now"]] for row in rates}


BEFORE = clips("old", "bin blew at four", "lay red by said two", SAID[2], "nothing like it")
NOW = clips("new", SAID[0], "lay red by said two", SAID[2], SAID[3])


def test_corrected_clips_before_and_now(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stands(workspace, NOW)
    tell_transcribers(BEFORE, workspace)
    assert told(workspace) == {"all": [3, 15, pytest.approx(3 / 15), pytest.approx(1 / 15)]}
    out = capsys.readouterr().out
    assert "old\n            -> new" in out
    assert out.splitlines()[-1].split()[:5] == ["all", "3", "15", "0.200", "0.067"]


def test_what_the_model_was_trained_on_is_told_apart(workspace: Path) -> None:
    twin = workspace / "twin" / "asr"
    twin.mkdir(parents=True)
    clips = {"train": ["talk_0"], "val": ["talk_1"], "test": []}
    write_training(twin, base="nothing", language="en", clips=clips)
    stands(workspace, NOW)
    tell_transcribers(BEFORE, workspace)
    assert told(workspace).keys() == {"all"}, "it is not the twin that transcribed"
    stands(workspace, [clip.add(transcriber=f"ctc {model_name(str(twin))}, en") for clip in NOW])
    tell_transcribers(BEFORE, workspace)
    assert told(workspace) == {
        "trained on": [1, 5, pytest.approx(2 / 5), 0.0],
        "never seen": [2, 10, pytest.approx(1 / 10), pytest.approx(1 / 10)],
    }


def test_nothing_is_told_where_nothing_changed(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell_transcribers(transcribed(workspace), workspace)  # nothing was transcribed yet
    stands(workspace, BEFORE)
    tell_transcribers([], workspace)
    tell_transcribers(BEFORE, workspace)
    (workspace / "edits.jsonl").unlink()
    stands(workspace, NOW)
    tell_transcribers(BEFORE, workspace)
    assert capsys.readouterr().out == ""
    assert not (workspace / "manifests" / "transcribers.json").exists()


def test_what_was_heard_before_is_not_guessed(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    older = [Clip.from_json({k: v for k, v in c.to_json().items() if k != "heard"}) for c in BEFORE[:2]]
    moved = Clip("talk_2", "talk", 2.0, 2.5, BEFORE[2].fields)
    stands(workspace, NOW)
    tell_transcribers([*older, moved], workspace)
    assert capsys.readouterr().out.startswith("transcribers   2 corrected clips are not compared: ")
    assert not (workspace / "manifests" / "transcribers.json").exists()
