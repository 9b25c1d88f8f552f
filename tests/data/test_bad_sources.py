"""A folder of what people really have: every source ends in clips or in a reason, and none stops the run."""

import json
from collections import defaultdict
from pathlib import Path

import pytest
from bad_sources import FAILS, LACKS, PLAYS, make_bad_sources
from conftest import run_verb

from understudy.data.demo.voice import SAMPLE_RATE, VOICES, speak
from understudy.data.manifest import read_json_lines, read_manifest
from understudy.errors import one_line


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    """What has to become of each."""
    voice = speak("The boat leaves at seven from the old harbour.", voice=VOICES["one"])
    return make_bad_sources(tmp_path_factory.mktemp("bad") / "sources", voice.samples, SAMPLE_RATE)


def prepare(sources: dict[Path, str], workspace: Path) -> int:
    return run_verb(
        "prepare",
        "subject=folder",
        "subject.name=someone",
        f"subject.sources=['{next(iter(sources)).parent}']",
        f"workspace={workspace}",
        "engine.workers=1",
    )


@pytest.fixture(scope="module")
def workspace(sources: dict[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After the whole of prepare."""
    workspace = tmp_path_factory.mktemp("prepared")
    assert prepare(sources, workspace) == 1
    return workspace


def ids(workspace: Path, sources: dict[Path, str]) -> dict[Path, str]:
    """What each source is called in manifests: its id, or its name where it has none."""
    records = {
        Path(record["path"]): path.stem
        for path in (workspace / "sources").glob("[!.]*.json")
        if (record := json.loads(path.read_text("utf-8")))
    }
    return {path: records.get(path.resolve() if path.exists() else path, one_line(path)) for path in sources}


def outcomes(workspace: Path) -> dict[str, set[str]]:
    """`stage kept`, `stage dropped` and `stage failed` by the source's id or name."""
    report = json.loads((workspace / "manifests" / "report.json").read_text("utf-8"))
    found = defaultdict(set)
    for stage in (row["stage"] for row in report):
        for clip in read_manifest(workspace / "manifests" / f"{stage}.jsonl"):
            found[clip.source].add(f"{stage} kept")
        for end in ("dropped", "failed"):
            for row in read_json_lines(workspace / "manifests" / f"{stage}.{end}.jsonl"):
                name = row["id"]
                found[name].add(f"{stage} {end}")
                found[name.rpartition("_")[0]].add(f"{stage} {end}")  # a clip of it
    return found


def test_thirty_and_more(sources: dict[Path, str]) -> None:
    assert len(sources) >= 40


def test_every_source_ends_in_clips_or_in_a_reason(workspace: Path, sources: dict[Path, str]) -> None:
    """In the last stage, or dropped or set aside on the way."""
    report = json.loads((workspace / "manifests" / "report.json").read_text("utf-8"))
    last = f"{report[-1]['stage']} kept"
    found = outcomes(workspace)
    for path, name in ids(workspace, sources).items():
        ends = found[name]
        assert last in ends or any(not end.endswith("kept") for end in ends), (path, ends)
    assert any(last in ends for ends in found.values())


def test_what_can_be_heard_comes_through(workspace: Path, sources: dict[Path, str]) -> None:
    found = outcomes(workspace)
    for path, name in ids(workspace, sources).items():
        ends = found[name]
        early = {"scrape failed", "scrape dropped", "decode failed", "decode dropped"} & ends
        if sources[path] == PLAYS:
            assert not early, (path, ends)
            assert "cut kept" in ends, (path, ends)
        elif sources[path] == LACKS:
            assert early, (path, ends)
            assert not any(end.endswith("failed") for end in ends), (path, ends)
        elif sources[path] == FAILS:
            assert ends == {"scrape failed"}, (path, ends)


def test_no_moment_is_lost_silently(workspace: Path) -> None:
    """After `cut` every second of a recording is in a clip or in a drop."""
    manifests = workspace / "manifests"
    left = {clip.source: clip.duration for clip in read_manifest(manifests / "decode.jsonl")}
    assert len(left) > 20
    for clip in read_manifest(manifests / "cut.jsonl"):
        left[clip.source] -= clip.duration
    for row in read_json_lines(manifests / "cut.dropped.jsonl"):
        left[row["id"].partition("_")[0]] -= row["end"] - row["start"]
    for row in read_json_lines(manifests / "cut.failed.jsonl"):
        del left[row["id"].partition("_")[0]]
    heard = {name: seconds for name, seconds in left.items() if abs(seconds) > 0.1}
    assert all(seconds > 0 for seconds in heard.values()), "none is counted twice"
    assert len(heard) <= 2, heard  # whose pictures outlast the sound


def test_reasons_are_lines_for_a_person(workspace: Path) -> None:
    """No traceback: nothing in a recording is a surprise to any stage."""
    rows = [
        row
        for end in ("dropped", "failed")
        for path in (workspace / "manifests").glob(f"*.{end}.jsonl")
        for row in read_json_lines(path)
    ]
    assert rows
    for row in rows:
        reason = row.get("reason") or row["error"]
        assert reason, row
        assert reason.isprintable(), row
        assert row["id"].isprintable(), row


def test_a_second_run_ends_the_same(workspace: Path, sources: dict[Path, str]) -> None:
    before = outcomes(workspace)
    assert prepare(sources, workspace) == 1
    assert outcomes(workspace) == before
