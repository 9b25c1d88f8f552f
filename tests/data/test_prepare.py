"""Everything `prepare` does, on an interview of two synthetic voices."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import run_verb
from material import files_under

from understudy.data.demo.voice import SAMPLE_RATE, VOICES, join, silence, speak
from understudy.data.lexicon import read_lexicon
from understudy.data.manifest import json_lines, read_manifest
from understudy.data.text import word_error_rate
from understudy.errors import UserError

INTERVIEW = (
    ("one", "The boat leaves at seven from the old harbour."),
    ("two", "I have never been out on the sea before."),
    ("one", "Then take a warm coat, the wind is cold out there."),
    ("two", "What if the weather turns while we are far away?"),
    ("one", "We always listen to the radio before we leave."),
    ("two", "That is good to hear, thank you very much."),
)


@pytest.fixture(scope="module")
def interview(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with interview.wav, and reference.wav of voice one beside it."""
    folder = tmp_path_factory.mktemp("interview")
    said = [part for who, text in INTERVIEW for part in (speak(text, voice=VOICES[who]), silence(0.8))]
    sound = join(said).samples + np.random.default_rng(0).normal(scale=3e-4, size=len(join(said).samples))
    (folder / "talk").mkdir()
    soundfile.write(folder / "talk" / "interview.wav", sound, SAMPLE_RATE)
    reference = speak("Good morning, and welcome to our little show by the water.", voice=VOICES["one"])
    soundfile.write(folder / "reference.wav", reference.samples, SAMPLE_RATE)
    return folder


def settings(interview: Path, workspace: Path) -> list[str]:
    return [
        "subject=folder",
        "subject.name=anna",
        f"subject.sources=['{interview / 'talk'}']",
        f"subject.reference='{interview / 'reference.wav'}'",
        f"workspace='{workspace}'",
        "engine.workers=1",
    ]


@pytest.fixture(scope="module")
def done(interview: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its workspace after an undisturbed run; only to be read."""
    workspace = tmp_path_factory.mktemp("done") / "workspace"
    assert run_verb("prepare", *settings(interview, workspace)) == 0
    return workspace


def test_the_subject_s_clips_are_kept_and_transcribed(done: Path) -> None:
    clips = read_manifest(done / "manifests" / "transcribe.jsonl")
    assert len(clips) == 3
    assert [clip.start for clip in clips] == sorted(clip.start for clip in clips)
    assert all(clip["text"] and clip["words"] for clip in clips)
    assert all(clip.start <= w[0] <= w[1] <= clip.end for clip in clips for w in clip["words"])
    assert len({clip["speaker"] for clip in clips}) == 1
    labelled = read_manifest(done / "manifests" / "speakers.jsonl")
    assert len(labelled) == 6
    assert len({clip["speaker"] for clip in labelled}) == 2
    assert all(clip["face"] is False for clip in read_manifest(done / "manifests" / "faces.jsonl"))


def test_a_second_run_computes_nothing(interview: Path, done: Path) -> None:
    before = files_under(done / "manifests", but=["report.json"])
    assert run_verb("prepare", *settings(interview, done)) == 0
    assert files_under(done / "manifests", but=["report.json"]) == before
    rows = json.loads((done / "manifests" / "report.json").read_text())
    assert {row["stage"]: row["cached"] for row in rows} == {row["stage"]: row["clips_in"] for row in rows}
    assert {"scrape", "speakers", "transcribe", "faces"} <= {row["stage"] for row in rows}


def test_a_dry_run_tells_and_changes_nothing(
    interview: Path, done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_under(done)
    given = [*settings(interview, done), "dry_run=true", "until=clean", "stages.clean.min_snr=60.5"]
    assert run_verb("prepare", *given) == 0
    assert files_under(done) == before
    out = capsys.readouterr().out
    row = next(line.split() for line in out.splitlines() if line.startswith("clean "))
    assert row[:3] == ["clean", "6", "0"]
    assert "SNR below 60.5 dB" in out


def test_a_dry_run_needs_a_run_to_compare_with(interview: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run prepare once"):
        run_verb("prepare", *settings(interview, tmp_path), "dry_run=true")


def test_until_stops_after_a_stage(interview: Path, tmp_path: Path) -> None:
    assert run_verb("prepare", *settings(interview, tmp_path), "until=cut") == 0
    assert (tmp_path / "manifests" / "cut.jsonl").exists()
    assert not (tmp_path / "manifests" / "measure.jsonl").exists()
    with pytest.raises(UserError, match=r"until=cutting: there is no such stage; the stages are decode, cut"):
        run_verb("prepare", *settings(interview, tmp_path), "until=cutting")


def test_a_list_of_words_goes_into_the_lexicon(
    interview: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("Vougioukas\nGRID\tgrid\n")
    given = [*settings(interview, tmp_path), "until=decode", f"words={names}"]
    for new in (2, 0):
        assert run_verb("prepare", *given) == 0
        assert f"{new} new words from {names}" in capsys.readouterr().out
    assert [entry.word for entry in read_lexicon(tmp_path / "lexicon.tsv")] == ["Vougioukas", "GRID"]


def test_corrections_of_clips_that_are_gone_are_told(
    interview: Path, done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = shutil.copytree(done, tmp_path / "workspace")
    clip = read_manifest(workspace / "manifests" / "transcribe.jsonl")[0]
    edits = [{"clip": clip.id, "set": {"text": "right"}}, {"clip": "gone", "set": {"text": "lost"}}]
    (workspace / "edits.jsonl").write_text(json_lines(edits))
    assert run_verb("prepare", *settings(interview, workspace), "until=transcribe") == 0
    assert "1 corrected clips are not there with these settings: gone" in capsys.readouterr().out
    assert read_manifest(workspace / "manifests" / "transcribe.jsonl")[0]["text"] == "right"


def test_another_transcriber_is_compared_on_corrected_clips(
    interview: Path, done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = shutil.copytree(done, tmp_path / "workspace")
    before = read_manifest(workspace / "manifests" / "transcribe.jsonl")
    texts = [text for who, text in INTERVIEW if who == "one"]
    said = {clip.id: text for clip, text in zip(before, texts, strict=True)}
    edits = [{"clip": name, "set": {"text": text, "reviewed": True}} for name, text in said.items()]
    (workspace / "edits.jsonl").write_text(json_lines(edits))
    given = [*settings(interview, workspace), "until=transcribe"]
    assert run_verb("prepare", *given) == 0
    assert "WER" not in capsys.readouterr().out
    assert run_verb("prepare", *given, "asr.max_states=10") == 0
    now = read_manifest(workspace / "manifests" / "transcribe.jsonl")
    assert [clip["text"] for clip in now] == texts
    assert [clip["heard"] for clip in before] != [clip["heard"] for clip in now] != texts
    assert "WER before" in capsys.readouterr().out
    told = json.loads((workspace / "manifests" / "transcribers.json").read_text())
    (rates,) = told["rates"]
    assert (told["before"], rates["clips"]) == (before[0]["transcriber"], 3)
    heard = [clip["heard"] for clip in before]
    assert rates["wer_before"] == pytest.approx(word_error_rate(texts, heard))
    assert rates["wer_before"] < rates["wer_now"]


def test_a_stage_that_cannot_go_on_leaves_the_table_of_those_before(
    interview: Path, done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = shutil.copytree(done, tmp_path / "workspace")
    with pytest.raises(UserError, match="no such speaker"):
        run_verb("prepare", *settings(interview, workspace), "stages.subject.choose=speaker_9")
    assert "speakers" in capsys.readouterr().out


@pytest.mark.slow
def test_one_person_is_found_in_real_interviews(corpus: Path, tmp_path: Path) -> None:
    reference = sorted((corpus / "grid" / "s1").glob("*.mp4"))[0]
    given = [
        "subject=folder",
        "subject.name=s1",
        f"subject.sources=['{corpus / 'interviews'}']",
        f"subject.reference='{reference}'",
        f"workspace={tmp_path}",
    ]
    assert run_verb("prepare", *given) == 0
    script = Path(__file__).parents[2] / "experiments" / "score_interviews.py"
    command = [sys.executable, str(script), str(tmp_path), str(corpus / "interviews"), "--subject", "s1"]
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in table.splitlines() if line.startswith("interview_")]
    assert len(rows) == 2
    for _, recall, precision, others, crossing, purity, found, _, true, *_ in rows:
        assert float(recall) >= 0.97
        assert float(precision) >= 0.97
        assert float(others) <= 0.01
        assert float(purity) >= 0.97
        assert crossing == "0"
        assert found == true
