"""Where a stage's items run: in this process, or in a pool of workers that each load their model once."""

import multiprocessing
import os
import pickle
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from copy import deepcopy
from pathlib import Path

from understudy.data.manifest import Clip
from understudy.data.stage import Outcome, Stage, process_items
from understudy.errors import UserError

_loaded: tuple[bytes, Stage] | None = None


def _start_worker() -> None:
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """A run that is killed leaves no workers behind, waiting for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def work(pickled_stage: bytes, clips: Sequence[Clip], workspace: Path) -> list[Outcome]:
    """In a worker: run `clips` through a stage that is set up when it first comes by."""
    global _loaded
    if _loaded is None or _loaded[0] != pickled_stage:
        _loaded = None  # the models of the stage before make room
        stage: Stage = pickle.loads(pickled_stage)
        stage.setup()
        _loaded = pickled_stage, stage
    return process_items(_loaded[1], clips, workspace)


class LocalPool:
    """`workers` processes on this machine, started once for all stages; 1 stays in this process.

    A worker that dies (killed, out of memory, a crash in a native library) costs the item it was on:
    what was in flight is done again one item at a time, and who dies then is the culprit.
    """

    def __init__(self, *, workers: int = 2) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def __call__(self, stage: Stage, clips: Sequence[Clip], workspace: Path) -> Iterator[tuple[int, Outcome]]:
        if not clips:
            return
        if self.workers <= 1:
            stage = deepcopy(stage)  # its models go when it is done
            stage.setup()
            for first in range(0, len(clips), stage.batch_size):
                batch = clips[first : first + stage.batch_size]
                yield from enumerate(process_items(stage, batch, workspace), start=first)
            return
        todo = deque(range(len(clips)))
        while todo:
            suspects = yield from self._run_pool(stage, clips, todo, workspace, stage.batch_size)
            for index in suspects:
                self._set_up(stage, workspace)
                if (yield from self._run_pool(stage, clips, deque([index]), workspace, 1)):
                    yield index, Outcome(error="the worker process died on this item (out of memory?)")

    def close(self) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _workers(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # "spawn": models' native threads do not survive a fork
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_start_worker)
        return self._pool

    def _set_up(self, stage: Stage, workspace: Path) -> None:
        """Items are not to blame for a worker that dies before it comes to any."""
        try:
            self._workers().submit(work, pickle.dumps(stage), [], workspace).result()
        except BrokenProcessPool:
            self.close()
            raise UserError(
                f"{stage.name}: a worker process dies while it loads its models (out of memory?); "
                "give it smaller models or more memory"
            ) from None

    def _run_pool(
        self, stage: Stage, clips: Sequence[Clip], todo: deque[int], workspace: Path, batch_size: int
    ) -> Generator[tuple[int, Outcome], None, list[int]]:
        """Outcomes until `todo` is empty or the pool breaks; returns what was in flight then."""
        pickled = pickle.dumps(stage)
        running: dict[Future[list[Outcome]], list[int]] = {}
        try:
            pool = self._workers()
            while True:
                # bounded: a million clips are not a million futures
                while todo and len(running) < 2 * self.workers:
                    indices = [todo[k] for k in range(min(batch_size, len(todo)))]
                    batch = [clips[index] for index in indices]
                    running[pool.submit(work, pickled, batch, workspace)] = indices
                    for _ in indices:
                        todo.popleft()
                if not running:
                    return []
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    outcomes = future.result()
                    yield from zip(running.pop(future), outcomes, strict=True)
        except BrokenProcessPool:
            self.close()
            return [index for indices in running.values() for index in indices]
