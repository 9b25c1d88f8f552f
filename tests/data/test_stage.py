"""The engine with stages of its own kind: items that work, fail, complain, sleep and die."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from conftest import find_command, prepare_settings, run_verb
from filelock import FileLock
from material import files_under

from understudy.data.executors import LocalPool
from understudy.data.manifest import Clip, Drop, json_lines, read_manifest
from understudy.data.stage import Outcome, Report, SetStage, Stage, process_items, prune, run_stage
from understudy.errors import UserError

HERE = LocalPool(workers=1)


@dataclass
class Model:
    model_id: str = "first"


@dataclass
class Shout(Stage):
    """Writes down that it was called; does what a clip's field `do` asks for."""

    name: ClassVar[str] = "shout"
    reads: ClassVar[tuple[str, ...]] = ("do",)

    volume: int = 1
    model: Model = field(default_factory=Model)

    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        with (workspace / "calls.txt").open("a") as calls:
            calls.write(f"{clip.id}\n")
        match clip.fields.get("do"):
            case "fail":
                (folder / "half.txt").write_text("half")
                raise ValueError("a wrench in the works")
            case "complain":
                raise UserError("a.mp4: not good enough; give a better one")
            case "die":
                os._exit(9)
            case "sleep":
                (workspace / f"worker-{os.getpid()}").touch()
                time.sleep(600)
            case "drop":
                yield Drop(clip.id, clip.start, clip.end, "too quiet")
                return
        (folder / "shout.txt").write_text(clip.id.upper() * self.volume)
        yield clip.add(shout=self.path_in(folder, "shout.txt"))


def clips_of(**do: str) -> list[Clip]:
    return [Clip(name, name, 0.0, 2.0, {"do": what} if what else {}) for name, what in do.items()]


ABC = clips_of(a="", b="", c="")


def calls(workspace: Path) -> list[str]:
    path = workspace / "calls.txt"
    called = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return called


def run(
    workspace: Path, clips: Sequence[Clip] = ABC, pool: LocalPool = HERE, volume: int = 1
) -> tuple[list[Clip], Report]:
    return run_stage(Shout(volume=volume), clips, workspace, pool)


class Louder(Shout):
    version: ClassVar[int] = 2


def test_the_key_follows_from_all_that_decides() -> None:
    (clip,) = clips_of(a="")
    keys = [
        Shout().key(clip),
        Shout(volume=2).key(clip),
        Shout(model=Model("second")).key(clip),
        Louder().key(clip),
        Shout().key(clip.add(do="drop")),
        Shout().key(clip.part(0.0, 1.0)),
    ]
    assert len(set(keys)) == len(keys)
    assert Shout().key(clip.add(text="not read")) == keys[0]
    assert Shout(volume=1, model=Model("first")).key(clip.add()) == keys[0]


def test_results_are_named_in_the_manifest_and_there(tmp_path: Path) -> None:
    kept, report = run(tmp_path)
    assert read_manifest(tmp_path / "manifests" / "shout.jsonl") == kept
    assert [(tmp_path / clip["shout"]).read_text() for clip in kept] == ["A", "B", "C"]
    assert (report.clips_in, report.clips_out, report.cached) == (3, 3, 0)
    assert (report.seconds_in, report.seconds_out) == (6.0, 6.0)


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    first, _ = run(tmp_path)
    assert calls(tmp_path) == ["a", "b", "c"]
    before = files_under(tmp_path)
    again, report = run(tmp_path)
    assert calls(tmp_path) == []
    assert again == first
    assert report.cached == 3
    assert files_under(tmp_path) == before


def test_another_setting_runs_again_and_back_is_still_there(tmp_path: Path) -> None:
    run(tmp_path)
    calls(tmp_path)
    kept, _ = run(tmp_path, volume=2)
    assert calls(tmp_path) == ["a", "b", "c"]
    assert (tmp_path / kept[0]["shout"]).read_text() == "AA"
    run(tmp_path)
    assert calls(tmp_path) == []


def test_only_the_clip_that_changed_runs_again(tmp_path: Path) -> None:
    run(tmp_path)
    calls(tmp_path)
    run(tmp_path, [ABC[0], ABC[1].add(do="drop"), ABC[2]])
    assert calls(tmp_path) == ["b"]


def test_what_a_stage_does_not_read_is_carried_over(tmp_path: Path) -> None:
    run(tmp_path)
    calls(tmp_path)
    kept, report = run(tmp_path, [ABC[0], ABC[1].add(text="new"), ABC[2]])
    assert calls(tmp_path) == []
    assert report.cached == 3
    assert [clip.fields.get("text") for clip in kept] == [None, "new", None]
    assert (tmp_path / kept[1]["shout"]).read_text() == "B"


@dataclass
class Halve(Stage):
    """Cuts clips in two and says what it was shown."""

    name: ClassVar[str] = "halve"
    reads: ClassVar[tuple[str, ...]] = ("loudness",)

    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        middle = (clip.start + clip.end) / 2
        for part in (clip.part(clip.start, middle), clip.part(middle, clip.end)):
            yield part.add(shown=(*clip.fields,), loudness=clip["loudness"] - 3)


def test_a_stage_is_shown_what_it_reads_and_parts_keep_their_words(tmp_path: Path) -> None:
    words = [[0.1, 0.4, "good", 0.9], [0.6, 0.9, "morning", 0.9], [1.2, 1.5, "Vietnam", 0.9]]
    clip = Clip("a", "a", 0.0, 2.0, {"text": "good morning Vietnam", "words": words, "loudness": -20})
    for again in (False, True):
        (first, second), report = run_stage(Halve(), [clip], tmp_path, HERE)
        assert (first["text"], second["text"]) == ("good morning", "Vietnam")
        assert (first["words"], second["words"]) == (words[:2], words[2:])
        assert first["shown"] == ["loudness"], "and what JSON makes of a tuple is there at once"
        assert first["loudness"] == -23, "what it says of a field it read is what counts"
        assert report.cached == again


@pytest.mark.parametrize("workers", [1, 2])
def test_what_fails_is_set_aside_and_the_rest_goes_on(tmp_path: Path, workers: int) -> None:
    clips = clips_of(a="", b="fail", c="complain", d="drop", e="")
    kept, report = run(tmp_path, clips, LocalPool(workers=workers))
    assert [clip.id for clip in kept] == ["a", "e"]
    assert set(report.failed) == {"b", "c"}
    assert report.failed["b"].startswith("Traceback")
    assert "ValueError: a wrench in the works" in report.failed["b"]
    assert report.failed["c"] == "a.mp4: not good enough; give a better one"
    assert report.dropped == {"too quiet": 1}
    assert report.dropped_seconds == {"too quiet": 2.0}
    manifests = tmp_path / "manifests"
    failed = [json.loads(line) for line in (manifests / "shout.failed.jsonl").open()]
    assert [row["id"] for row in failed] == ["b", "c"]
    (dropped,) = [json.loads(line) for line in (manifests / "shout.dropped.jsonl").open()]
    assert dropped == {"id": "d", "start": 0.0, "end": 2.0, "reason": "too quiet"}
    assert not list((tmp_path / "shout").glob(".partial*"))
    calls(tmp_path)
    run(tmp_path, clips, LocalPool(workers=workers))
    assert sorted(calls(tmp_path)) == ["b", "c"], "what failed is tried again"


class Backwards:
    """An executor that hands the last item back first."""

    def __call__(self, stage: Stage, clips: Sequence[Clip], workspace: Path) -> Iterator[tuple[int, Outcome]]:
        for index in reversed(range(len(clips))):
            yield index, process_items(stage, [clips[index]], workspace)[0]

    def close(self) -> None:
        pass


def test_the_order_of_the_clips_is_kept(tmp_path: Path) -> None:
    clips = clips_of(**dict.fromkeys("zebra", ""))
    run(tmp_path, clips[1::2])  # some are there already
    kept, _ = run_stage(Shout(), clips, tmp_path, Backwards())
    assert [clip.id for clip in kept] == list("zebra")


@dataclass
class Rank(SetStage):
    """Places clips by loudness; drops those that are quieter than the mean by `below`."""

    name: ClassVar[str] = "rank"
    reads: ClassVar[tuple[str, ...]] = ("loudness",)

    below: float = 100.0
    model: Model = field(default_factory=Model)

    def process_set(self, clips: Sequence[Clip], workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        with (workspace / "calls.txt").open("a") as called:
            called.write("rank\n")
        (folder / "half.txt").write_text("half")
        if (workspace / "wait").exists():
            time.sleep(600)
        assert all(set(clip.fields) <= {*self.reads} for clip in clips)
        mean = sum(clip["loudness"] for clip in clips) / len(clips)
        order = sorted(clips, key=lambda clip: -clip["loudness"])
        for clip in clips:
            if clip["loudness"] < mean - self.below:
                yield Drop(clip.id, clip.start, clip.end, "quiet")
            else:
                yield clip.add(rank=order.index(clip), ranks=self.path_in(folder, "half.txt"))


LOUD = [clip.add(loudness=level, text=clip.id) for clip, level in zip(ABC, (-20, -10, -60), strict=True)]


def rank(workspace: Path, clips: Sequence[Clip] = LOUD, below: float = 20.0) -> tuple[list[Clip], Report]:
    return run_stage(Rank(below=below), clips, workspace, HERE)


def test_a_set_is_placed_as_a_whole(tmp_path: Path) -> None:
    for cached in (0, 3):
        kept, report = rank(tmp_path)
        assert [(clip.id, clip["rank"], clip["text"]) for clip in kept] == [("a", 1, "a"), ("b", 0, "b")]
        assert (tmp_path / kept[0]["ranks"]).read_text() == "half"
        assert report.dropped == {"quiet": 1}
        assert report.cached == cached
    assert calls(tmp_path) == ["rank"]
    assert read_manifest(tmp_path / "manifests" / "rank.jsonl") == kept
    assert rank(tmp_path, [])[0] == []
    assert calls(tmp_path) == []


def test_a_set_is_done_again_when_any_of_it_changes_that_is_read(tmp_path: Path) -> None:
    rank(tmp_path)
    calls(tmp_path)
    kept, _ = rank(tmp_path, [LOUD[0].add(text="new"), *LOUD[1:]])
    assert calls(tmp_path) == []
    assert kept[0]["text"] == "new"
    kept, _ = rank(tmp_path, [*LOUD[:2], LOUD[2].add(loudness=-5)])
    assert calls(tmp_path) == ["rank"]
    assert [clip["rank"] for clip in kept] == [2, 1, 0]
    rank(tmp_path, LOUD[:2])
    rank(tmp_path, below=1.0)
    assert calls(tmp_path) == ["rank", "rank"]
    assert prune(Rank(below=1.0), LOUD, tmp_path) == 3


def test_edits_are_laid_over_a_set(tmp_path: Path) -> None:
    rank(tmp_path)
    calls(tmp_path)
    edits: list[dict[str, Any]] = [{"clip": "a", "drop": "not her"}, {"clip": "b", "set": {"text": "hello"}}]
    (tmp_path / "edits.jsonl").write_text(json_lines(edits))
    kept, report = rank(tmp_path)
    assert calls(tmp_path) == []
    assert [(clip.id, clip["text"]) for clip in kept] == [("b", "hello")]
    assert report.dropped == {"quiet": 1, "a person: not her": 1}


def test_a_set_that_fails_ends_the_run_and_leaves_nothing(tmp_path: Path) -> None:
    """What comes after it cannot be without it."""
    with pytest.raises(KeyError, match="loudness"):
        rank(tmp_path, ABC)
    assert list((tmp_path / "rank").iterdir()) == []
    assert not (tmp_path / "manifests").exists()


@dataclass
class Broken(Shout):
    """Cannot be set up."""

    how: str = ""

    def setup(self) -> None:
        match self.how:
            case "complain":
                raise UserError("tiny.en: no such model; give another")
            case "fail":
                raise ZeroDivisionError("loading")
            case "die":
                os._exit(9)


@dataclass
class Together(Shout):
    """Takes up to four clips at once."""

    batch_size: ClassVar[int] = 4

    def process_batch(
        self, clips: Sequence[Clip], workspace: Path, folders: Sequence[Path]
    ) -> list[Iterable[Clip | Drop]]:
        with (workspace / "batches.txt").open("a") as batches:
            batches.write("".join(clip.id for clip in clips) + "\n")
        if (workspace / "overtaken").exists():
            other = folders[1].with_name(self.key(clips[1]))
            other.mkdir()
            (other / "result.json").write_text("[]")
        return super().process_batch(clips, workspace, folders)


def batches(workspace: Path) -> list[str]:
    path = workspace / "batches.txt"
    called = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return called


@pytest.mark.parametrize("workers", [1, 2])
def test_batches(tmp_path: Path, workers: int) -> None:
    clips = clips_of(**dict.fromkeys("abcdefg", ""))
    pool = LocalPool(workers=workers)
    run_stage(Together(), clips[2:4], tmp_path, pool)
    assert batches(tmp_path) == ["cd"]
    kept, report = run_stage(Together(), clips, tmp_path, pool)
    pool.close()
    assert sorted(batches(tmp_path)) == ["abef"], "what is done is in no batch, and one alone is none"
    assert report.cached == 2
    assert [(tmp_path / clip["shout"]).read_text() for clip in kept] == list("ABCDEFG")
    run_stage(Shout(), clips, tmp_path, HERE)
    assert len(calls(tmp_path)) == 7, "and are the same results"


def test_a_batch_that_fails_is_tried_one_by_one(tmp_path: Path) -> None:
    clips = clips_of(a="", b="drop", c="fail", d="", e="complain", f="")
    kept, report = run_stage(Together(), clips, tmp_path, HERE)
    assert batches(tmp_path) == ["abcd", "ef"]
    assert [clip.id for clip in kept] == ["a", "d", "f"]
    assert report.failed["c"].endswith("ValueError: a wrench in the works\n")
    assert report.failed["e"] == "a.mp4: not good enough; give a better one"
    assert not list((tmp_path / "shout").glob(".*"))
    assert len(list((tmp_path / "shout").iterdir())) == 4


def test_another_who_was_first(tmp_path: Path) -> None:
    """A worker that was given up for lost may still come home with its result."""
    (tmp_path / "overtaken").touch()
    kept, report = run_stage(Together(), ABC, tmp_path, HERE)
    assert not report.failed
    assert [clip.id for clip in kept] == ["a", "b", "c"]
    assert len(list((tmp_path / "shout").glob("*/result.json"))) == 3
    assert not list((tmp_path / "shout").glob(".*"))


@dataclass
class Slow(Shout):
    """Begins to write and waits until everybody else has."""

    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        (folder / "begun.txt").write_text("begun")
        BARRIER.wait(timeout=60)
        assert [path.name for path in folder.iterdir()] == ["begun.txt"]
        yield from super().process(clip, workspace, folder)


BARRIER = threading.Barrier(3)


def test_several_at_once_on_one_item(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as threads:
        outcomes = threads.map(lambda _: process_items(Slow(), ABC[:1], tmp_path)[0], range(3))
    assert [outcome.error for outcome in outcomes] == ["", "", ""]
    (folder,) = (tmp_path / "shout").iterdir()
    assert {path.name for path in folder.iterdir()} == {"begun.txt", "shout.txt", "result.json"}


def test_edits_are_laid_over_and_no_stage_is_run_for_them(tmp_path: Path) -> None:
    run(tmp_path)
    calls(tmp_path)
    edits: list[dict[str, Any]] = [{"clip": "a", "set": {"text": "hello"}}, {"clip": "b", "drop": "not her"}]
    (tmp_path / "edits.jsonl").write_text(json_lines(edits))
    kept, report = run(tmp_path)
    assert calls(tmp_path) == []
    assert [clip.id for clip in kept] == ["a", "c"]
    assert kept[0]["text"] == "hello"
    assert report.dropped == {"a person: not her": 1}


def test_prune_takes_what_no_setting_has(tmp_path: Path) -> None:
    run(tmp_path)
    kept, _ = run(tmp_path, volume=2)
    assert prune(Shout(volume=2), ABC, tmp_path) == 3
    assert len(list((tmp_path / "shout").iterdir())) == 3
    assert all((tmp_path / clip["shout"]).exists() for clip in kept)
    assert prune(Shout(volume=2), ABC, tmp_path) == 0


def wait_for(ready: Iterable[bool] | object, process: subprocess.Popen[bytes]) -> None:
    """Until `ready()`; fails if the process ends before."""
    assert callable(ready)
    deadline = time.monotonic() + 120
    while not ready():
        assert process.poll() is None, "ended before it was to be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)


KILLED = """
from pathlib import Path
from test_stage import rank
rank(Path({workspace!r}))
"""


def start(script: str, workspace: Path) -> subprocess.Popen[bytes]:
    """Python in a process of its own, where what is in these tests can be imported."""
    path = workspace / "script.py"
    path.write_text(script.format(workspace=str(workspace)))
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent), *sys.path])
    return subprocess.Popen(
        [sys.executable, path], env={**os.environ, "PYTHONPATH": paths}, stderr=subprocess.DEVNULL
    )


def test_a_set_that_is_killed_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "wait").touch()
    process = start(KILLED, tmp_path)
    wait_for(lambda: bool(list((tmp_path / "rank").glob(".partial-*/half.txt"))), process)
    process.kill()
    process.wait()
    assert list((tmp_path / "rank").glob(".partial-*"))
    (tmp_path / "wait").unlink()
    kept, _ = rank(tmp_path)
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    assert rank(undisturbed)[0] == kept
    assert files_under(tmp_path / "rank") == files_under(undisturbed / "rank")
    assert files_under(tmp_path / "manifests") == files_under(undisturbed / "manifests")


CHANGES = (".lock", ".index.json", "report.json")  # they hold times


def made(workspace: Path) -> dict[str, bytes]:
    """All files whose bytes do not depend on when and where they were made."""
    files = files_under(workspace, but=CHANGES)
    return {name: held for name, held in files.items() if not name.startswith("runs/")}


def test_a_killed_prepare_ends_with_the_same_bytes(recordings: Path, prepared: Path, tmp_path: Path) -> None:
    """Killed in the middle of `decode` and of a later item of `faces`, then left alone."""
    workspace = tmp_path / "workspace"
    settings = prepare_settings(recordings, workspace)

    def done(stage: str, items: int) -> bool:
        begun = list((workspace / stage).glob(".partial-*/*"))
        return bool(begun) and len(list((workspace / stage).glob("*/result.json"))) >= items

    for stage, items in (("decode", 1), ("faces", 2)):
        process = subprocess.Popen(
            [find_command(), "prepare", *settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda stage=stage, items=items: done(stage, items), process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert list((workspace / stage).glob(".partial-*")), "killed in the middle of an item"
    assert run_verb("prepare", *settings) == 0
    assert made(workspace) == made(prepared)


def on_a_small_disk(size: int, settings: list[str]) -> subprocess.CompletedProcess[str]:
    """A prepare that can write no file larger than `size` bytes."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return subprocess.run(
        [find_command(), "prepare", *settings],
        preexec_fn=limit,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_full_disk_costs_what_did_not_fit(recordings: Path, prepared: Path, tmp_path: Path) -> None:
    """The crops are too large: they are set aside, nothing half-written; with room it goes on."""
    workspace = tmp_path / "workspace"
    settings = prepare_settings(recordings, workspace)
    done = on_a_small_disk(500_000, settings)
    assert done.returncode == 1
    assert "File too large" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert len(read_manifest(workspace / "manifests" / "clean.jsonl")) == 3
    assert list((workspace / "faces").iterdir()) == []
    assert run_verb("prepare", *settings) == 0
    assert made(workspace) == made(prepared)


def test_a_disk_that_is_full_from_the_start(recordings: Path, tmp_path: Path) -> None:
    done = on_a_small_disk(100, prepare_settings(recordings, tmp_path))
    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert "nothing half-written was left" in line
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [".lock"]


def test_two_prepares_at_once(recordings: Path, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(UserError, match="another prepare is at work"):
        run_verb("prepare", *prepare_settings(recordings, tmp_path))
    assert {path.name for path in tmp_path.iterdir()} <= {".lock"}
