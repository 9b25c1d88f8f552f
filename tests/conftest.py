import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

# for networks this small two threads mostly wait for each other; read when torch is loaded
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import numpy as np
import pytest
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import InstantiationException
from hydra.utils import call
from material import babble, write
from omegaconf import DictConfig
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# whether a change may land is no matter of luck: the same examples each time, others by `make test-all`
hypothesis.settings.register_profile("repeatable", deadline=None, max_examples=30, derandomize=True)
hypothesis.settings.register_profile("searching", deadline=None, max_examples=300)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Real recordings beside the project, or wherever `UNDERSTUDY_CORPUS` points."""
    beside = Path(__file__).parents[2] / "shared" / "corpus"
    path = Path(os.environ.get("UNDERSTUDY_CORPUS", beside))
    if not path.is_dir():
        pytest.skip(f"no recordings at {path}: set UNDERSTUDY_CORPUS")
    return path


@pytest.fixture(scope="session")
def long_talk() -> tuple[list[np.ndarray], np.ndarray]:
    """Six seconds of a puppet: pictures (208, 192, 3) and sound (96000,)."""
    return babble(150, seed=1)


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings of 2 s in a folder whose name has a space."""
    folder = tmp_path_factory.mktemp("some recordings")
    for k in range(3):
        write(folder / f"take {k}.mp4", *babble(50, seed=k))
    return folder


@pytest.fixture(scope="session")
def prepared(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of those recordings after an undisturbed `prepare`; only to be read."""
    workspace = tmp_path_factory.mktemp("prepared")
    assert run_verb("prepare", *prepare_settings(recordings, workspace)) == 0
    return workspace


@pytest.fixture
def workspace(prepared: Path, tmp_path: Path) -> Path:
    """A prepared workspace of one's own."""
    return shutil.copytree(prepared, tmp_path / "workspace")


@pytest.fixture(scope="session")
def understudy() -> Command:
    """The command as a person runs it, with its exit code, stdout and stderr."""
    return run_command


def prepare_settings(recordings: Path, workspace: Path) -> list[str]:
    """For puppets that babble: whatever they hiss is taken for the subject's speech."""
    return [
        "subject=folder",
        "subject.name=puppet",
        f"subject.sources=['{recordings}']",
        f"workspace={workspace}",
        "engine.workers=1",
        "stages.cut.speech_starts=0",
        "stages.cut.speech_ends=0",
        "stages.clean.min_snr=0",
        "stages.clean.min_dnsmos=0",
        "stages.measure.dnsmos=none",
    ]


def config_of(verb: str, *overrides: str) -> DictConfig:
    """A verb's settings, as Hydra composes them."""
    GlobalHydra.instance().clear()
    with initialize_config_module("understudy.conf", version_base="1.3"):
        return compose(verb, [*overrides])


def run_verb(verb: str, *overrides: str) -> int:
    """A verb in this process; its errors are raised without Hydra's wrapping."""
    try:
        code: int = call(config_of(verb, *overrides).verb) or 0
    except InstantiationException as error:
        cause: BaseException = error
        while isinstance(cause, InstantiationException) and cause.__cause__:
            cause = cause.__cause__
        raise cause from None
    return code


def run_command(
    *arguments: str, cwd: Path | None = None, module: bool = False
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "understudy"] if module else [find_command()]
    return subprocess.run(
        [*command, *arguments], cwd=cwd, capture_output=True, text=True, timeout=240, check=False
    )


def events_of(run: Path) -> EventAccumulator:
    """What TensorBoard shows of a run."""
    events = EventAccumulator(str(run))
    events.Reload()
    return events


def find_command() -> str:
    """The console command of the environment that runs the tests."""
    return str(Path(sys.executable).parent / "understudy")


def train_settings(workspace: Path, run: str) -> list[str]:
    """Six steps of three epochs on a model that is as small as can be."""
    return [
        "model=sda",
        "subject=folder",
        "subject.name=puppet",
        "subject.sources=[]",
        "trainer=cpu",
        f"workspace={workspace}",
        f"run={run}",
        "threads=1",
        "trainer.max_steps=6",
        "trainer.precision=32-true",
        "trainer.check_val_every_n_epoch=1",
        "trainer.log_every_n_steps=1",
        "trainer.enable_progress_bar=false",
        "model.generator.base_channels=8",
        "model.generator.max_channels=16",
        "model.generator.audio_channels=16",
        "model.generator.identity_channels=8",
        "model.frame_discriminator.base_channels=4",
        "model.sequence_discriminator.base_channels=4",
        "model.sync_discriminator.base_channels=4",
        "data.frames=10",
        "data.batch_size=2",
        "data.batches_per_epoch=2",
        "data.val_frames=10",
        "callbacks.videos.clips=1",
    ]


@pytest.fixture(scope="session")
def trained(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoints of a run of six steps that nothing disturbed; only to be read."""
    workspace = shutil.copytree(prepared, tmp_path_factory.mktemp("trained") / "workspace")
    done = run_command("train", *train_settings(workspace, "undisturbed"))
    assert done.returncode == 0, done.stderr
    return workspace / "runs" / "sda" / "undisturbed" / "checkpoints"
