"""Where a stage's items run: in this process, or in a pool of workers that each load their model once."""

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from understudy.data.manifest import Clip
from understudy.data.stage import Outcome, Stage, process_item

_worker_stage: Stage
_worker_is_ready = False


def _start_worker(stage: Stage) -> None:
    global _worker_stage
    _worker_stage = stage
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """A run that is killed leaves no workers behind, waiting for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(clip: Clip, workspace: Path) -> Outcome:
    global _worker_is_ready
    if not _worker_is_ready:  # not in the initializer, where an error would only read "broken pool"
        _worker_stage.setup()
        _worker_is_ready = True
    return process_item(_worker_stage, clip, workspace)


class LocalPool:
    """`workers` processes on this machine; 1 stays in this process.

    A worker that dies (killed, out of memory, a crash in a native library) costs the item it was on:
    the rest is done again by fresh workers, one at a time until the culprit is known.
    """

    def __init__(self, *, workers: int = 2) -> None:
        self.workers = workers

    def __call__(self, stage: Stage, clips: Sequence[Clip], workspace: Path) -> Iterator[tuple[int, Outcome]]:
        if not clips:
            return
        if self.workers <= 1:
            stage.setup()
            for index, clip in enumerate(clips):
                yield index, process_item(stage, clip, workspace)
            return
        left = dict(enumerate(clips))
        for index, outcome in self._run_pool(stage, left, workspace, self.workers):
            del left[index]
            yield index, outcome
        while left:  # the pool broke: with one worker and one item in flight, who broke it is known
            index = next(iter(left))
            for index, outcome in self._run_pool(stage, left, workspace, workers=1):
                del left[index]
                yield index, outcome
            if left:
                index = next(iter(left))
                del left[index]
                yield index, Outcome(error="the worker process died on this item (out of memory?)")

    def _run_pool(
        self, stage: Stage, clips: dict[int, Clip], workspace: Path, workers: int
    ) -> Iterator[tuple[int, Outcome]]:
        """Outcomes until all is done or the pool breaks."""
        # "spawn": models' native threads do not survive a fork
        context = multiprocessing.get_context("spawn")
        todo = iter(list(clips.items()))
        with ProcessPoolExecutor(
            workers, mp_context=context, initializer=_start_worker, initargs=(stage,)
        ) as pool:
            running: dict[Future[Outcome], int] = {}
            ahead = workers * 2 if workers > 1 else 1  # bounded: a million clips are not a million futures
            try:
                while True:
                    while len(running) < ahead and (item := next(todo, None)):
                        running[pool.submit(_work, item[1], workspace)] = item[0]
                    if not running:
                        return
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        outcome = future.result()
                        yield running.pop(future), outcome
            except BrokenProcessPool:
                return
