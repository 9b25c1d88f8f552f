"""The stage engine: every step maps clips to clips, item by item, and can be stopped at any time.

An item's result lives in `WORKSPACE/STAGE/KEY/`, where KEY is a hash of everything that decides it:
the clip, the stage's settings, its version and its models. A result is written under a temporary
name and renamed when complete, so a folder that exists is finished, and the next run takes it as it
is. What fails is set aside with its traceback, and the rest goes on.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import time
import traceback
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from tqdm import tqdm

from understudy.data.manifest import (
    Clip,
    Drop,
    apply_edits,
    json_lines,
    write_atomically,
    write_manifest,
)
from understudy.data.media import Seconds
from understudy.errors import UserError

RESULT = "result.json"


@dataclass
class Stage(ABC):
    """One step. Subclasses are dataclasses: their fields are the settings that decide the result."""

    name: ClassVar[str]
    version: ClassVar[int] = 1  # raise it when the same settings give another result

    def setup(self) -> None:  # noqa: B027
        """Load models; called once in each worker, before its first item."""

    @abstractmethod
    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        """What `clip` becomes. Files go into `folder`, named in fields relative to `workspace`."""

    def path_in(self, folder: Path, name: str) -> str:
        """How a file that is being written to `folder` will be called in the manifest."""
        return (Path(self.name) / folder.name.removeprefix(".partial-") / name).as_posix()

    def key(self, clip: Clip) -> str:
        decides = [self.name, self.version, _plain(self), clip.to_json()]
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:20]


def _plain(value: Any) -> Any:
    """Settings as JSON; a model stands for its `model_id`."""
    if hasattr(value, "model_id"):
        return value.model_id
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


@dataclass(frozen=True)
class Outcome:
    """What became of one item; `error` is a traceback, or one line where the input is at fault."""

    results: Sequence[Clip | Drop] = ()
    error: str = ""
    cached: bool = False


class Executor(Protocol):
    """Runs a stage over clips and hands back `(index, outcome)` in any order."""

    def __call__(
        self, stage: Stage, clips: Sequence[Clip], workspace: Path
    ) -> Iterator[tuple[int, Outcome]]: ...


def load_result(stage: Stage, clip: Clip, workspace: Path) -> Outcome | None:
    """The finished result of an earlier run, if there is one."""
    try:
        rows = json.loads((workspace / stage.name / stage.key(clip) / RESULT).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:  # cut short by a power failure: as if it were not there
        shutil.rmtree(workspace / stage.name / stage.key(clip))
        return None
    return Outcome([Drop(**r["drop"]) if "drop" in r else Clip.from_json(r) for r in rows], cached=True)


def process_item(stage: Stage, clip: Clip, workspace: Path) -> Outcome:
    """Run one item and keep its result. Never raises: what goes wrong is the outcome."""
    if finished := load_result(stage, clip, workspace):  # by a worker that died before telling
        return finished
    final = workspace / stage.name / stage.key(clip)
    partial = final.with_name(f".partial-{final.name}")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        results = list(stage.process(clip, workspace, partial))
        rows = [{"drop": asdict(r)} if isinstance(r, Drop) else r.to_json() for r in results]
        (partial / RESULT).write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        os.rename(partial, final)
        return Outcome(results)
    except UserError as error:
        return Outcome(error=str(error))
    except Exception:
        return Outcome(error=traceback.format_exc())
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@dataclass
class Report:
    """One row of the closing table."""

    stage: str
    clips_in: int
    clips_out: int = 0
    seconds_in: Seconds = 0.0
    seconds_out: Seconds = 0.0
    cached: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    dropped_seconds: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    wall: Seconds = 0.0

    def close(self, kept: Sequence[Clip], drops: Sequence[Drop], workspace: Path, began: Seconds) -> None:
        """Count, and write `manifests/STAGE.jsonl`, `.dropped.jsonl` and `.failed.jsonl`."""
        for drop in drops:
            self.dropped[drop.reason] += 1
            self.dropped_seconds[drop.reason] += drop.end - drop.start  # type: ignore[assignment]
        self.clips_out, self.seconds_out = len(kept), sum(c.duration for c in kept)
        manifests = workspace / "manifests"
        write_manifest(manifests / f"{self.stage}.jsonl", kept)
        write_atomically(manifests / f"{self.stage}.dropped.jsonl", json_lines(map(asdict, drops)))
        failed = [{"id": name, "error": error} for name, error in self.failed.items()]
        write_atomically(manifests / f"{self.stage}.failed.jsonl", json_lines(failed))
        self.wall = time.monotonic() - began


def run_stage(
    stage: Stage, clips: Sequence[Clip], workspace: Path, execute: Executor
) -> tuple[list[Clip], Report]:
    """All of `clips` through `stage`: the clips that come out, in order, and what became of the rest.

    Writes `manifests/STAGE.jsonl` and, beside it, what was dropped and what failed.
    """
    began = time.monotonic()
    report = Report(stage.name, len(clips), seconds_in=sum(c.duration for c in clips))
    outcomes = {i: load_result(stage, clip, workspace) for i, clip in enumerate(clips)}
    report.cached = sum(outcome is not None for outcome in outcomes.values())
    waiting = [i for i, outcome in outcomes.items() if outcome is None]
    with tqdm(total=len(clips), initial=report.cached, desc=f"{stage.name:<8}", unit="item") as bar:
        counts: Counter[str] = Counter()
        for place, outcome in execute(stage, [clips[i] for i in waiting], workspace):
            outcomes[waiting[place]] = outcome
            counts["failed"] += bool(outcome.error)
            for result in outcome.results:
                counts["dropped" if isinstance(result, Drop) else "kept"] += 1
            bar.set_postfix({k: n for k, n in counts.items() if n}, refresh=False)
            bar.update()

    kept: list[Clip] = []
    drops: list[Drop] = []
    for i, clip in enumerate(clips):
        finished = outcomes[i]
        assert finished is not None, "an executor hands back every item"
        if finished.error:
            report.failed[clip.id] = finished.error
        kept += [r for r in finished.results if isinstance(r, Clip)]
        drops += [r for r in finished.results if isinstance(r, Drop)]
    kept, dropped_by_hand = apply_edits(kept, workspace / "edits.jsonl")
    report.close(kept, drops + dropped_by_hand, workspace, began)
    return kept, report


def prune(stage: Stage, clips: Iterable[Clip], workspace: Path) -> int:
    """Delete results of `stage` that no current item has; says how many went."""
    current = {stage.key(clip) for clip in clips}
    stale = [p for p in (workspace / stage.name).glob("*") if p.name not in current]
    for folder in stale:
        shutil.rmtree(folder)
    return len(stale)
