"""The stage engine: every step maps clips to clips, item by item, and can be stopped at any time.

An item's result lives in `WORKSPACE/STAGE/KEY/`, where KEY is a hash of everything that decides it:
the clip, the stage's settings, its version and its models. A result is written under a temporary
name that nobody else writes to and renamed when complete, so a folder that exists is finished, and
the next run takes it as it is. What fails is set aside with its traceback, and the rest goes on.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import time
import traceback
import uuid
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from tqdm import tqdm

from understudy.data.edits import apply_edits
from understudy.data.manifest import Clip, Drop, json_lines, write_atomically, write_manifest
from understudy.data.media import Seconds
from understudy.errors import UserError, one_line

RESULT = "result.json"
PARTIAL = ".partial-"


@dataclass
class Step(ABC):
    """What stages have in common. They are dataclasses: their fields are the settings that decide."""

    name: ClassVar[str]
    version: ClassVar[int] = 1  # raise it when the same settings give another result
    reads: ClassVar[tuple[str, ...]] = ()  # fields of a clip that it looks at; it is shown no others

    def setup(self) -> None:  # noqa: B027
        """Load models; called once in each worker, before its first item."""

    def path_in(self, folder: Path, name: str) -> str:
        """How a file that is being written to `folder` will be called in the manifest."""
        return (Path(self.name) / folder.name.removeprefix(PARTIAL).partition("-")[0] / name).as_posix()

    def view(self, clip: Clip) -> Clip:
        """All of `clip` that this stage sees: what else changes does not make it compute again."""
        return replace(clip, fields={k: v for k, v in clip.fields.items() if k in self.reads})

    def key(self, *clips: Clip) -> str:
        decides = [self.name, self.version, _plain(self), *(self.view(clip).to_json() for clip in clips)]
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:20]


@dataclass
class Stage(Step):
    """A step that takes clips one by one, on any machine, in any order."""

    @property
    def batch_size(self) -> int:
        """Clips that `process_batch` is given at once."""
        return 1

    @abstractmethod
    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        """What `clip` becomes. Files go into `folder`, named in fields relative to `workspace`."""

    def process_batch(
        self, clips: Sequence[Clip], workspace: Path, folders: Sequence[Path]
    ) -> list[Iterable[Clip | Drop]]:
        """As `process`, for models that are faster with several clips at once."""
        return [self.process(c, workspace, folder) for c, folder in zip(clips, folders, strict=True)]


@dataclass
class SetStage(Step):
    """A step that needs all clips at once: clustering, duplicates, anything relative to the rest."""

    @abstractmethod
    def process_set(self, clips: Sequence[Clip], workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        """What the set becomes. Files go into `folder`, named in fields relative to `workspace`."""


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

    def close(self) -> None:
        """Let go of workers and their models."""


def load_result(step: Step, key: str, workspace: Path) -> Outcome | None:
    """The finished result of an earlier run, if there is one."""
    folder = workspace / step.name / key
    try:
        rows = json.loads((folder / RESULT).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:  # cut short by a power failure: as if it were not there
        shutil.rmtree(folder)
        return None
    return Outcome(_from_rows(rows), cached=True)


def _from_rows(rows: list[dict[str, Any]]) -> list[Clip | Drop]:
    return [Drop(**row["drop"]) if "drop" in row else Clip.from_json(row) for row in rows]


@contextmanager
def _new_folder(final: Path) -> Iterator[Path]:
    """A folder to write to that becomes `final` when the block ends well, and vanishes when not.

    Its name is new each time: a worker that was given up for lost may still be writing to its own.
    """
    partial = final.with_name(f"{PARTIAL}{final.name}-{uuid.uuid4().hex[:8]}")
    try:
        partial.mkdir(parents=True)
        yield partial
        try:
            os.rename(partial, final)
        except OSError:
            if not (final / RESULT).exists():  # else that worker was first, with the same result
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_result(folder: Path, results: Iterable[Clip | Drop]) -> Outcome:
    rows = [{"drop": asdict(r)} if isinstance(r, Drop) else r.to_json() for r in results]
    text = json.dumps(rows, ensure_ascii=False)
    (folder / RESULT).write_text(text, encoding="utf-8")
    return Outcome(_from_rows(json.loads(text)))  # as the next run will read it


def process_items(stage: Stage, clips: Sequence[Clip], workspace: Path) -> list[Outcome]:
    """Run items and keep their results. Never raises: what goes wrong is the outcome."""
    outcomes = {k: load_result(stage, stage.key(clip), workspace) for k, clip in enumerate(clips)}
    waiting = [k for k, done in outcomes.items() if done is None]  # others: by a worker that died since
    if len(waiting) > 1 and stage.batch_size > 1:
        with suppress(Exception):  # what fails together is tried one by one
            together = _process_batch(stage, [clips[k] for k in waiting], workspace)
            outcomes.update(zip(waiting, together, strict=True))
            waiting = []
    for k in waiting:
        outcomes[k] = _process_item(stage, clips[k], workspace)
    return [outcome for outcome in outcomes.values() if outcome]


def _process_batch(stage: Stage, clips: Sequence[Clip], workspace: Path) -> list[Outcome]:
    with ExitStack() as stack:
        finals = [workspace / stage.name / stage.key(clip) for clip in clips]
        folders = [stack.enter_context(_new_folder(final)) for final in finals]
        found = stage.process_batch([stage.view(clip) for clip in clips], workspace, folders)
        return [_write_result(folder, results) for folder, results in zip(folders, found, strict=True)]


def _process_item(stage: Stage, clip: Clip, workspace: Path) -> Outcome:
    try:
        with _new_folder(workspace / stage.name / stage.key(clip)) as folder:
            return _write_result(folder, stage.process(stage.view(clip), workspace, folder))
    except UserError as error:
        return Outcome(error=one_line(error))
    except Exception:
        return Outcome(error=traceback.format_exc())


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
    met: set[str] = field(default_factory=set)  # clips that a person's edits spoke of

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return {name: value for name, value in vars(self).items() if name != "met"}

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
    stage: Step, clips: Sequence[Clip], workspace: Path, execute: Executor
) -> tuple[list[Clip], Report]:
    """All of `clips` through `stage`: the clips that come out, in order, and what became of the rest.

    Writes `manifests/STAGE.jsonl` and, beside it, what was dropped and what failed.
    """
    began = time.monotonic()
    report = Report(stage.name, len(clips), seconds_in=sum(c.duration for c in clips))
    _sweep(workspace / stage.name)  # after a run that was killed
    results: list[Clip | Drop] = []
    if isinstance(stage, SetStage):
        outcome = _run_set(stage, clips, workspace)
        report.cached = len(clips) if outcome.cached else 0
        whole = {clip.id: clip for clip in clips}
        results = [_carry_over(whole[r.id], r) for r in outcome.results]
    else:
        assert isinstance(stage, Stage)
        for clip, outcome in zip(clips, _run_items(stage, clips, workspace, execute), strict=True):
            report.cached += outcome.cached
            if outcome.error:
                report.failed[clip.id] = outcome.error
            results += [_carry_over(clip, r) for r in outcome.results]
    _sweep(workspace / stage.name)  # after workers that died
    kept, dropped_by_hand, report.met = apply_edits(
        [r for r in results if isinstance(r, Clip)], workspace / "edits.jsonl"
    )
    drops = [r for r in results if isinstance(r, Drop)]
    report.close(kept, drops + dropped_by_hand, workspace, began)
    return kept, report


def _sweep(folder: Path) -> None:
    """Delete what was begun there and given up."""
    for partial in folder.glob(f"{PARTIAL}*"):
        shutil.rmtree(partial, ignore_errors=True)


def _run_set(stage: SetStage, clips: Sequence[Clip], workspace: Path) -> Outcome:
    key = stage.key(*clips)
    if not clips:
        return Outcome(cached=True)
    if finished := load_result(stage, key, workspace):
        _show_pictures(workspace / stage.name / key, workspace)
        return finished
    stage = deepcopy(stage)  # its models go when it is done
    stage.setup()
    with _new_folder(workspace / stage.name / key) as folder:
        views = [stage.view(clip) for clip in clips]
        outcome = _write_result(folder, stage.process_set(views, workspace, folder))
    _show_pictures(workspace / stage.name / key, workspace)
    return outcome


def _show_pictures(result: Path, workspace: Path) -> None:
    """Plots of the result at hand, be it new or an earlier one, where a person finds them."""
    for picture in result.glob("*.png"):
        shutil.copyfile(picture, workspace / picture.name)


def _run_items(stage: Stage, clips: Sequence[Clip], workspace: Path, execute: Executor) -> list[Outcome]:
    """Outcomes in the order of `clips`."""
    outcomes = {i: load_result(stage, stage.key(clip), workspace) for i, clip in enumerate(clips)}
    waiting = [i for i, outcome in outcomes.items() if outcome is None]
    done = len(clips) - len(waiting)
    with tqdm(total=len(clips), initial=done, desc=f"{stage.name:<10}", unit="item") as bar:
        counts: Counter[str] = Counter()
        for place, outcome in execute(stage, [clips[i] for i in waiting], workspace):
            outcomes[waiting[place]] = outcome
            counts["failed"] += bool(outcome.error)
            for result in outcome.results:
                counts["dropped" if isinstance(result, Drop) else "kept"] += 1
            bar.set_postfix({k: n for k, n in counts.items() if n}, refresh=False)
            bar.update()
    finished = [outcome for outcome in outcomes.values() if outcome]
    assert len(finished) == len(clips), "an executor hands back every item"
    return finished


def _carry_over(clip: Clip, result: Clip | Drop) -> Clip | Drop:
    """A result with those fields of the clip it came from that its stage did not look at."""
    if isinstance(result, Drop):
        return result
    if (result.start, result.end) != (clip.start, clip.end):
        clip = clip.part(result.start, result.end)
    return replace(result, fields={**clip.fields, **result.fields})


def prune(stage: Step, clips: Sequence[Clip], workspace: Path) -> int:
    """Delete results of `stage` that no current item has; says how many went."""
    keys = [stage.key(*clips)] if isinstance(stage, SetStage) else map(stage.key, clips)
    current = set(keys)
    stale = [p for p in (workspace / stage.name).glob("*") if p.is_dir() and p.name not in current]
    for folder in stale:
        shutil.rmtree(folder)
    return len(stale)
