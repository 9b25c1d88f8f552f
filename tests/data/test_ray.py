"""The engine on a Ray cluster: one of several nodes on this machine, whose nodes and workers die."""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import find_command, prepare_settings, run_verb
from material import files_under
from test_stage import Broken, Shout, Together, batches, calls, clips_of, made

from understudy.data.executors import LocalPool
from understudy.data.manifest import Clip, Drop
from understudy.data.ray_executor import RayCluster, Worker
from understudy.data.stage import run_stage
from understudy.errors import UserError

ray = pytest.importorskip("ray", reason="needs understudy[ray]")


@dataclass
class Afar(Shout):
    """Also writes down where it was called, and waits for what a test is to do meanwhile."""

    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else "here"
        place = f"{node} {os.getpid()}"
        match clip.fields.get("do"):
            case "hold" if not (workspace / "held").exists():  # the first time only
                (workspace / "held").write_text(place)
                time.sleep(100)
            case "meet":  # needs two workers at once
                (workspace / f"met-{clip.id}").touch()
                wait_for(lambda: len(list(workspace.glob("met-*"))) == 2)
        (workspace / f"where-{clip.id}").write_text(place)
        yield from super().process(clip, workspace, folder)


def wait_for(ready: Callable[[], bool], seconds: float = 100) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that holds no workers, and two nodes for one worker each."""
    from ray.cluster_utils import Cluster

    here = Path(__file__).parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(here), str(here.parent), *sys.path]))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        cluster.add_node(num_cpus=1)
        cluster.add_node(num_cpus=1)
        yield cluster
        cluster.shutdown()


@pytest.fixture(scope="module")
def engine(cluster: Any) -> Iterator[RayCluster]:
    engine = RayCluster(address=cluster.address)
    yield engine
    engine.close()


@pytest.fixture
def alone(engine: RayCluster) -> None:
    """A process is connected to one cluster at a time."""
    engine.close()


@pytest.fixture
def join(cluster: Any) -> Iterator[Callable[[], None]]:
    """Adds one more node, as a person does."""
    nodes = []

    def start() -> None:
        command = [str(Path(sys.executable).parent / "ray"), "start", f"--address={cluster.address}"]
        nodes.append(
            subprocess.Popen(
                [*command, "--num-cpus=1", "--block"], stdout=subprocess.DEVNULL, start_new_session=True
            )
        )

    yield start
    for node in nodes:
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()


def meanwhile(do: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    return thread


def where(path: Path) -> tuple[str, int]:
    """Node and process that wrote to `path`, as soon as there is one."""
    wait_for(lambda: path.exists() and bool(path.read_text()))
    node, process = path.read_text().split()
    return node, int(process)


def manifests(workspace: Path) -> dict[str, bytes]:
    return files_under(workspace / "manifests")


def test_a_node_dies_and_another_joins(
    cluster: Any, engine: RayCluster, join: Callable[[], None], tmp_path: Path
) -> None:
    """What comes out is what the local pool makes, to the byte."""
    special = {"held": "hold", "x": "drop", "y": "meet", "z": "meet", "bad": "fail"}
    clips = clips_of(**dict.fromkeys("abcdef", ""), **special, **dict.fromkeys("mnop", ""))
    local, far = tmp_path / "local", tmp_path / "far"
    local.mkdir()
    (local / "held").touch()  # nothing holds there
    run_stage(Afar(), clips, local, LocalPool(workers=2))
    died = []

    def disturb() -> None:
        name, _ = where(far / "held")
        (node,) = (n for n in cluster.list_all_nodes() if n.node_id == name)
        cluster.remove_node(node, allow_graceful=False)
        died.append(name)
        join()

    disturber = meanwhile(disturb)
    _, report = run_stage(Afar(), clips, far, engine)
    disturber.join()
    assert manifests(far) == manifests(local)
    assert files_under(far / "shout") == files_under(local / "shout"), "and nothing half-written"
    assert set(report.failed) == {"bad"}
    assert report.dropped == {"too quiet": 1}
    # y and z waited for each other, on the node that was left and on the one that joined
    met = {where(far / f"where-{name}")[0] for name in "yz"}
    assert len(met) == 2
    assert len(met & {node.node_id for node in cluster.list_all_nodes()}) == 1
    assert where(far / "where-held")[0] not in died


def test_workers_are_killed(engine: RayCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that had nothing to do, then one that had: it cost the item one attempt, not two."""
    monkeypatch.setattr(engine, "attempts", 2)
    clips = clips_of(y="meet", z="meet", held="hold")

    def disturb() -> None:
        busy = where(tmp_path / "held")[1]
        (idle,) = {where(tmp_path / f"where-{name}")[1] for name in "yz"} - {busy}
        for process in (idle, busy):
            os.kill(process, signal.SIGKILL)

    disturber = meanwhile(disturb)
    kept, report = run_stage(Afar(), clips, tmp_path, engine)
    disturber.join()
    assert not report.failed
    assert [clip.id for clip in kept] == ["y", "z", "held"]
    assert sorted(calls(tmp_path)) == ["held", "y", "z"], "nothing else was done again"


def test_an_item_that_kills_its_workers_is_set_aside(engine: RayCluster, tmp_path: Path) -> None:
    """It is tried in its batch and twice alone."""
    clips = clips_of(**{name: "die" if name == "b" else "" for name in "abcdefgh"})
    kept, report = run_stage(Together(), clips, tmp_path, engine)
    assert [clip.id for clip in kept] == list("acdefgh")
    assert report.failed == {"b": "3 workers, one after the other, died on this item (out of memory?)"}
    assert sorted(batches(tmp_path)) == ["abcd", "efgh"]
    called = calls(tmp_path)
    assert called.count("b") == 3
    assert {called.count(name) for name in "efgh"} == {1}


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [
        ("complain", UserError, "^tiny.en: no such model; give another$"),
        ("fail", ZeroDivisionError, "^loading$"),
        ("die", UserError, "one worker after the other dies while it loads"),
    ],
)
def test_a_setup_that_fails(
    how: str, kind: type[Exception], said: str, engine: RayCluster, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=said):
        run_stage(Broken(how=how), clips_of(a="", b=""), tmp_path, engine)
    assert not list((tmp_path / "shout").iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_prepare_on_a_cluster(cluster: Any, recordings: Path, prepared: Path, tmp_path: Path) -> None:
    """The real stages, and the bytes of the local engine."""
    workspace = tmp_path / "workspace"
    settings = prepare_settings(recordings, workspace)
    far = ["engine=ray", f"engine.address='{cluster.address}'", "engine.workers=2"]
    assert run_verb("prepare", *settings, *far) == 0
    assert made(workspace) == made(prepared)


@pytest.mark.slow
def test_a_machine_of_its_own(recordings: Path, tmp_path: Path) -> None:
    """Without an address, and nothing is said but by us."""
    workspace = tmp_path / "workspace"
    settings = prepare_settings(recordings, workspace)
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as home:  # sockets need short paths
        done = subprocess.run(
            [find_command(), "prepare", *settings, "engine=ray", "until=decode"],
            env={**os.environ, "RAY_TMPDIR": home, "HOME": home},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert ["decode", "3", "3"] in [line.split()[:3] for line in done.stdout.splitlines()]
    assert done.stdout.splitlines()[0].startswith("stage ")
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert [line for line in lines if not line.startswith(("scrape ", "decode "))] == []


def test_a_node_that_does_not_share_the_workspace(tmp_path: Path) -> None:
    """As a worker there would see it."""
    with pytest.raises(UserError, match=r"/data/anna: node .+ does not see this folder"):
        Worker().load(pickle.dumps(Shout()), Path("/data/anna"), tmp_path / "elsewhere")


def refused(engine: RayCluster, workspace: Path) -> str:
    try:
        with pytest.raises(UserError) as error:
            run_stage(Afar(), clips_of(a=""), workspace, engine)
    finally:
        engine.close()
    assert not list(workspace.glob("shout/*"))
    return str(error.value)


@pytest.mark.usefixtures("alone")
def test_what_no_node_can_hold(cluster: Any, tmp_path: Path) -> None:
    said = refused(RayCluster(address=cluster.address, cpus_per_worker=64, gpus_per_worker=0.5), tmp_path)
    assert "a worker of 64 CPU + 0.5 GPU (they have 0 CPU + 0 GPU / 1 CPU + 0 GPU)" in said
    with pytest.raises(UserError, match="a worker must take up something"):
        RayCluster(cpus_per_worker=0)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere.invalid:6379", "rubbish"])
def test_an_address_where_nothing_is(address: str, tmp_path: Path) -> None:
    assert refused(RayCluster(address=address), tmp_path).startswith(f"engine.address={address}: ")


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'understudy\[ray\]'"):
        RayCluster()
