"""The engine with stages of its own kind: items that work, fail, complain, sleep and die."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from conftest import find_command, prepare_settings, run_verb
from filelock import FileLock
from material import files_under

from understudy.data.executors import LocalPool
from understudy.data.manifest import Clip, Drop, json_lines, read_manifest
from understudy.data.stage import Outcome, Report, Stage, process_item, prune, run_stage
from understudy.errors import UserError

HERE = LocalPool(workers=1)


@dataclass
class Model:
    model_id: str = "first"


@dataclass
class Shout(Stage):
    """Writes down that it was called; does what a clip's field `do` asks for."""

    name: ClassVar[str] = "shout"

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
        Shout().key(clip.add(text="hello")),
        Shout().key(clip.part(0.0, 1.0)),
    ]
    assert len(set(keys)) == len(keys)
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
    run(tmp_path, [ABC[0], ABC[1].add(text="new"), ABC[2]])
    assert calls(tmp_path) == ["b"]


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


def test_a_worker_that_dies_costs_its_item_alone(tmp_path: Path) -> None:
    clips = clips_of(**{name: "die" if name in "bg" else "" for name in "abcdefgh"})
    kept, report = run(tmp_path, clips, LocalPool(workers=2))
    assert [clip.id for clip in kept] == list("acdefh")
    assert set(report.failed) == {"b", "g"}
    assert "died" in report.failed["b"]
    assert "\n" not in report.failed["b"]


class Backwards:
    """An executor that hands the last item back first."""

    def __call__(self, stage: Stage, clips: Sequence[Clip], workspace: Path) -> Iterator[tuple[int, Outcome]]:
        for index in reversed(range(len(clips))):
            yield index, process_item(stage, clips[index], workspace)


def test_the_order_of_the_clips_is_kept(tmp_path: Path) -> None:
    clips = clips_of(**dict.fromkeys("zebra", ""))
    run(tmp_path, clips[1::2])  # some are there already
    kept, _ = run_stage(Shout(), clips, tmp_path, Backwards())
    assert [clip.id for clip in kept] == list("zebra")


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


WAITS = """
from pathlib import Path
from test_stage import clips_of, run
from understudy.data.executors import LocalPool
if __name__ == "__main__":
    run(Path({workspace!r}), clips_of(a="sleep", b="sleep"), LocalPool(workers=2))
"""


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes in /proc")
def test_workers_do_not_outlive_who_started_them(tmp_path: Path) -> None:
    """Or they would go on writing below the run that takes over."""
    script = tmp_path / "waits.py"
    script.write_text(WAITS.format(workspace=str(tmp_path)))
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent), *sys.path])
    process = subprocess.Popen(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": paths},
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: len(list(tmp_path.glob("worker-*"))) == 2, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    workers = [int(path.name.removeprefix("worker-")) for path in tmp_path.glob("worker-*")]
    for _ in range(100):
        if not any(alive(pid) for pid in workers):
            return
        time.sleep(0.1)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    pytest.fail("workers were left behind")


def wait_for(ready: Iterable[bool] | object, process: subprocess.Popen[bytes]) -> None:
    """Until `ready()`; fails if the process ends before."""
    assert callable(ready)
    deadline = time.monotonic() + 120
    while not ready():
        assert process.poll() is None, "ended before it was to be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)


CHANGES = (".lock", ".index.json", "report.json")  # they hold times


def test_a_killed_prepare_ends_with_the_same_bytes(recordings: Path, prepared: Path, tmp_path: Path) -> None:
    """Killed in the middle of `clean`, of the first and of a later item of `faces`, then left alone."""
    workspace = tmp_path / "workspace"
    settings = prepare_settings(recordings, workspace)

    def done(stage: str, items: int) -> bool:
        begun = list((workspace / stage).glob(".partial-*/*"))
        return bool(begun) and len(list((workspace / stage).glob("*/result.json"))) >= items

    for stage, items in (("clean", 1), ("faces", 0), ("faces", 2)):
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
    assert files_under(workspace, but=CHANGES) == files_under(prepared, but=CHANGES)


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
    assert files_under(workspace, but=CHANGES) == files_under(prepared, but=CHANGES)


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
