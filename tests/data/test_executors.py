"""The pool of processes: kept across stages, mended when one dies, gone with who started it."""

import os
import signal
import time
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from test_stage import Broken, Shout, Together, calls, clips_of, start, wait_for

from understudy.data.executors import LocalPool
from understudy.data.manifest import Clip, Drop
from understudy.data.stage import run_stage
from understudy.errors import UserError


class Heavy:
    """Stands for a model."""


MODELS: weakref.WeakSet[Heavy] = weakref.WeakSet()  # of this process


@dataclass
class Lift(Shout):
    """Says in which process it ran and how many models there were; needs two workers at once."""

    name: ClassVar[str] = "lift"
    workers: int = 2

    def setup(self) -> None:
        self.heavy = Heavy()
        MODELS.add(self.heavy)

    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        (workspace / f"{self.volume}-met-{os.getpid()}").touch()
        deadline = time.monotonic() + 60
        while len(list(workspace.glob(f"{self.volume}-met-*"))) < self.workers:
            assert time.monotonic() < deadline, "the other did not come"
            time.sleep(0.01)
        yield clip.add(process=os.getpid(), models=len(MODELS))


@pytest.fixture
def pool() -> Iterator[LocalPool]:
    pool = LocalPool(workers=2)
    yield pool
    pool.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_stay_for_all_stages_and_models_do_not(tmp_path: Path, workers: int) -> None:
    pool = LocalPool(workers=workers)
    seen = []
    for volume in (1, 2, 3):
        clips = clips_of(**dict.fromkeys("abcdef", ""))
        kept, report = run_stage(Lift(volume=volume, workers=workers), clips, tmp_path, pool)
        assert not report.failed
        seen.append({clip["process"] for clip in kept})
        assert {clip["models"] for clip in kept} == {1}
    pool.close()
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == workers
    assert (os.getpid() in seen[0]) == (workers == 1)
    assert not MODELS
    if workers > 1:
        assert not any(alive(process) for process in seen[0])


def test_a_worker_that_dies_costs_its_item_alone(tmp_path: Path, pool: LocalPool) -> None:
    """Not even the rest of its batch."""
    names = "abcdefghijklmnopqrst"
    clips = clips_of(**{name: "die" if name in "bq" else "" for name in names})
    kept, report = run_stage(Together(), clips, tmp_path, pool)
    assert [clip.id for clip in kept] == [name for name in names if name not in "bq"]
    assert set(report.failed) == {"b", "q"}
    assert "died" in report.failed["b"]
    assert "\n" not in report.failed["b"]
    called = calls(tmp_path)
    assert max(called.count(name) for name in names) <= 2, "what was in flight is tried once more"
    assert not list((tmp_path / "shout").glob(".*")), "nor is anything left of what was begun"


def test_a_worker_that_is_killed_between_stages_costs_nothing(tmp_path: Path, pool: LocalPool) -> None:
    kept, _ = run_stage(Lift(), clips_of(a="", b=""), tmp_path, pool)
    os.kill(kept[0]["process"], signal.SIGKILL)
    while alive(kept[0]["process"]):
        time.sleep(0.01)
    kept, report = run_stage(Shout(), clips_of(a="", b=""), tmp_path, pool)
    assert not report.failed
    assert len(kept) == 2


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [
        ("complain", UserError, "^tiny.en: no such model; give another$"),
        ("fail", ZeroDivisionError, "^loading$"),
        ("die", UserError, "^shout: a worker process dies while it loads its models"),
    ],
)
def test_a_setup_that_fails(
    how: str, kind: type[Exception], said: str, tmp_path: Path, pool: LocalPool
) -> None:
    with pytest.raises(kind, match=said):
        run_stage(Broken(how=how), clips_of(a="", b=""), tmp_path, pool)
    assert not (tmp_path / "manifests").exists()
    kept, _ = run_stage(Shout(), clips_of(a="", b=""), tmp_path, pool)
    assert len(kept) == 2, "and the pool can be used again"


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
    process = start(WAITS, tmp_path)
    wait_for(lambda: len(list(tmp_path.glob("worker-*"))) == 2, process)
    process.kill()
    process.wait()
    workers = [int(path.name.removeprefix("worker-")) for path in tmp_path.glob("worker-*")]
    for _ in range(100):
        if not any(alive(pid) for pid in workers):
            return
        time.sleep(0.1)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    pytest.fail("workers were left behind")
