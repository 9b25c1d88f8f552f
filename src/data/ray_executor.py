"""Where a stage's items run, for many machines: workers on the nodes of a Ray cluster."""

import importlib.util
import logging
import math
import os
import pickle
import platform
import socket
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.data.executors import work
from understudy.data.manifest import Clip
from understudy.data.media import Seconds
from understudy.data.stage import PARTIAL, Outcome, Stage
from understudy.errors import UserError, one_line

LOOK_AROUND: Seconds = 3.0
"""How often the cluster is asked which nodes it has."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # pages on every worker that dies; a line is said here
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",  # of workers that were not needed any more
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # workers start as this process did, whatever started it
}


class Worker:
    """A process on some node that loads a stage's models once and keeps them from item to item."""

    def load(self, pickled_stage: bytes, workspace: Path, witness: Path) -> list[Outcome]:
        if not witness.exists():
            raise UserError(
                f"{workspace}: node {platform.node()} does not see this folder as it is here; "
                "share it between all nodes, under one path"
            )
        return work(pickled_stage, [], workspace)

    def work(self, pickled_stage: bytes, clips: Sequence[Clip], workspace: Path) -> list[Outcome]:
        return work(pickled_stage, clips, workspace)


@dataclass(frozen=True)
class Task:
    """What a worker is at: items or, with none, loading."""

    worker: Any
    indices: Sequence[int] = ()
    generation: int = 0  # workers that died before it while they loaded, each in place of the last


class RayCluster:
    """Workers on all nodes of a Ray cluster, started once for all stages.

    Workers write their results straight into the workspace: it and the recordings lie in a folder
    that all nodes have under one path, and so does what settings name by path. `ray start` runs on
    each node from an installation of this package, the same everywhere (with RAY_USAGE_STATS_ENABLED=0
    and --include-dashboard=false, which only who starts a cluster can say). What is lost with a worker
    or a node is what they had in flight; others do it again. A node that joins is used within seconds.

    address            None: the cluster this machine is in, else one of this machine alone, for this
                       run; "auto": the cluster this machine is in; "HOST:PORT" of its head
    workers            None: as many as there is room for; a number: that many, though some may have
                       to wait for nodes that are still to come
    cpus_per_worker, gpus_per_worker, memory_per_worker (GiB)
                       what a worker takes up of its node; half a GPU is shared by two
    attempts           workers that an item may cost before it is set aside
    patience           how long the run waits when no node is left that could hold a worker
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        workers: int | None = None,
        cpus_per_worker: float = 1.0,
        gpus_per_worker: float = 0.0,
        memory_per_worker: float = 0.0,
        attempts: int = 3,
        patience: Seconds = 300.0,
    ) -> None:
        if importlib.util.find_spec("ray") is None:
            raise UserError("engine=ray: Ray is not installed; pip install 'understudy[ray]'")
        needs = {"CPU": cpus_per_worker, "GPU": gpus_per_worker, "memory": memory_per_worker * 2**30}
        self.needs = {name: amount for name, amount in needs.items() if amount > 0}
        if not self.needs:
            raise UserError("engine.cpus_per_worker=0: a worker must take up something; give 1")
        self.address = address
        self.workers = workers
        self.attempts = attempts
        self.patience = patience
        self._workers: list[Any] = []
        self._connected = False
        self._room = 0  # for so many workers
        self._looked = self._had_room = 0.0  # when

    def __call__(self, stage: Stage, clips: Sequence[Clip], workspace: Path) -> Iterator[tuple[int, Outcome]]:
        if not clips:
            return
        self._connect()
        workspace = workspace.resolve()
        witness = workspace / stage.name / f"{PARTIAL}{uuid.uuid4().hex}"
        witness.mkdir(parents=True)
        try:
            yield from self._run(stage, clips, workspace, witness)
        finally:
            witness.rmdir()

    def close(self) -> None:
        if self._connected:
            import ray

            for worker in self._workers:
                ray.kill(worker)
            self._workers.clear()
            ray.shutdown()
            self._connected = False

    def _run(
        self, stage: Stage, clips: Sequence[Clip], workspace: Path, witness: Path
    ) -> Iterator[tuple[int, Outcome]]:
        import ray

        pickled = pickle.dumps(stage)
        todo = deque(range(len(clips)))
        deaths: Counter[int] = Counter()  # by item
        generation = 0
        idle: list[Any] = []
        running: dict[Any, Task] = {}  # by reference to what comes of it

        def load(worker: Any) -> None:
            running[worker.load.remote(pickled, workspace, witness)] = Task(worker, (), generation)

        for worker in self._workers:
            load(worker)
        while todo or any(task.indices for task in running.values()):
            in_flight = sum(bool(task.indices) for task in running.values())
            wanted = min(self._wanted(), in_flight + math.ceil(len(todo) / stage.batch_size))
            while len(self._workers) < wanted:
                load(self._hire())
            while todo and idle:  # one batch each: bounded, and a death has few suspects
                worker, indices = idle.pop(), _take(todo, deaths, stage.batch_size)
                batch = [clips[index] for index in indices]
                running[worker.work.remote(pickled, batch, workspace)] = Task(worker, indices)
            if not running:  # no node has room, for now
                time.sleep(LOOK_AROUND)
                continue
            for reference in ray.wait([*running], timeout=LOOK_AROUND)[0]:
                task = running.pop(reference)
                outcomes = self._outcomes(reference)
                if outcomes is not None:
                    idle.append(task.worker)
                    generation = generation if task.indices else 0
                    yield from zip(task.indices, outcomes, strict=True)
                    continue
                self._dismiss(task.worker)
                while idle:  # others may have gone with it: no item is given to them before they answer
                    load(idle.pop())
                if not task.indices:
                    generation = self._next_generation(task, stage)
                for index in task.indices:
                    deaths[index] += 1
                    if deaths[index] < self.attempts:
                        todo.append(index)
                    else:
                        died = f"{self.attempts} workers, one after the other, died on this item"
                        yield index, Outcome(error=f"{died} (out of memory?)")

    def _next_generation(self, task: Task, stage: Stage) -> int:
        """After a worker died before it came to any item; raises `UserError` when that is no chance."""
        if task.generation + 1 == self.attempts:
            raise UserError(
                f"{stage.name}: one worker after the other dies while it loads its models (out of memory?); "
                "give each more with engine.memory_per_worker=..."
            )
        return task.generation + 1

    def _connect(self) -> None:
        """Start or find the cluster; raises `UserError` where that fails or no node can hold a worker."""
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        import ray

        if not self._connected:
            self._reach()
            try:
                ray.init(
                    self.address,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise UserError(
                    f"engine.address={self.address}: {one_line(error)}; a cluster that asks for a token "
                    "needs RAY_AUTH_MODE=token and the token it was started with, here too"
                ) from None
            self._connected = True
        if not self._look_around():
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            raise UserError(
                f"engine: no node of the cluster can hold a worker of {_told(self.needs, self.needs)} "
                f"(they have {' / '.join(sorted({_told(node, self.needs) for node in nodes}))}); "
                "ask for less for each, or start a node that has it"
            )

    def _reach(self) -> None:
        """Ray itself would try for two minutes and then end the program."""
        host, colon, port = (self.address or "").rpartition(":")
        if colon and port.isdecimal() and "://" not in host:
            try:
                socket.create_connection((host, int(port)), timeout=10).close()
            except OSError as error:
                raise UserError(
                    f"engine.address={self.address}: nothing answers there ({error}); "
                    "is `ray start --head` running on that machine?"
                ) from None

    def _wanted(self) -> int:
        """How many workers there should be by now."""
        now = time.monotonic()
        if now > self._looked + LOOK_AROUND:
            self._looked = now
            self._look_around()
            if now > self._had_room + self.patience:
                raise UserError(
                    f"engine: for {self.patience:g} seconds no node was left that could hold a worker; "
                    "what was finished is kept: run again when there is one"
                )
        return self.workers or self._room

    def _look_around(self) -> int:
        """How many workers the nodes that are alive could hold."""
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        self._room = sum(
            int(min(node.get(name, 0.0) / amount for name, amount in self.needs.items())) for node in nodes
        )
        if self._room:
            self._had_room = time.monotonic()
        return self._room

    def _hire(self) -> Any:
        import ray

        worker = ray.remote(Worker).options(
            num_cpus=self.needs.get("CPU", 0),
            num_gpus=self.needs.get("GPU", 0),
            memory=self.needs.get("memory"),
            scheduling_strategy="SPREAD",
        )
        self._workers.append(worker.remote())
        return self._workers[-1]

    def _dismiss(self, worker: Any) -> None:
        """It is gone, or cannot be reached: then it may not know."""
        import ray

        self._workers.remove(worker)
        ray.kill(worker)

    @staticmethod
    def _outcomes(reference: Any) -> list[Outcome] | None:
        """What a worker found; nothing where it is lost. Raises what it raised."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            outcomes: list[Outcome] = ray.get(reference)
            return outcomes
        except RayTaskError as error:
            raise error.cause from error
        except RayError:
            return None


def _take(todo: deque[int], deaths: Counter[int], batch_size: int) -> list[int]:
    """The next batch; an item that a worker died on before goes alone."""
    batch = [todo.popleft()]
    while todo and len(batch) < batch_size and not deaths[batch[0]] and not deaths[todo[0]]:
        batch.append(todo.popleft())
    return batch


def _told(resources: Mapping[str, float], names: Iterable[str]) -> str:
    amounts = {name: resources.get(name, 0.0) for name in names}
    return " + ".join(
        f"{amount / 2**30:.1f} GiB" if name == "memory" else f"{amount:g} {name}"
        for name, amount in amounts.items()
    )
