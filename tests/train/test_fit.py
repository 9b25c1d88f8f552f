"""Runs of six steps, by the command: what they write, and that a kill changes nothing."""

import math
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import config_of, events_of, find_command, run_verb, train_settings
from hydra.utils import instantiate

from understudy.data.media import probe
from understudy.errors import UserError


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(checkpoint, weights_only=True)["state_dict"]
    return state


def differing(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    assert a.keys() == b.keys()
    return [name for name in a if not torch.equal(a[name], b[name])]


def test_best_and_last_hold_plain_values(trained: Path) -> None:
    assert {path.name for path in trained.iterdir()} == {"best.ckpt", "last.ckpt"}
    last, best = (torch.load(trained / f"{name}.ckpt", weights_only=True) for name in ("last", "best"))
    assert last["global_step"] == 6
    assert best["global_step"] in (2, 4, 6)
    assert last["understudy"]["model"]["generator"]["base_channels"] == 8
    assert all(torch.isfinite(tensor).all() for tensor in last["state_dict"].values())


def test_every_net_has_learnt(trained: Path) -> None:
    config = config_of("train", *train_settings(trained, "fresh"))
    torch.manual_seed(0)
    fresh = instantiate(config.model).state_dict()
    changed = differing(fresh, weights(trained / "last.ckpt"))
    for net in ("generator", "frame_discriminator", "sequence_discriminator", "sync_discriminator"):
        assert any(name.startswith(net) for name in changed), net


def test_everything_is_in_tensorboard(trained: Path) -> None:
    run = trained.parent
    events = events_of(run)
    tags = events.Tags()
    scalars = set(tags["scalars"])
    assert scalars >= {
        *(f"generator/{name}" for name in ("reconstruction", "frame", "sequence", "sync")),
        *(f"discriminator/{name}" for name in ("frame", "sequence", "sync")),
        *(f"accuracy/{name}" for name in ("frame", "sequence", "sync", "sync_generated")),
        *(f"gradient_norm/{name}" for name in ("generator", "discriminator")),
        *(f"learning_rate/{name}" for name in ("generator", "discriminator")),
        *(f"{metric}/{who}" for metric in ("psnr", "ssim") for who in ("generated", "still")),
        *(f"mouth_distance/{who}" for who in ("generated", "still", "real")),
        *(f"sync_accuracy/{who}" for who in ("generated", "still", "real")),
    }
    values = [event.value for event in events.Scalars("psnr/generated")]
    assert sum(map(math.isfinite, values)) == 3, "one a validation, beside the place in the table"
    assert any(tag.startswith("video/") for tag in tags["images"])
    assert any(tag.startswith("sound/") for tag in tags["audio"])
    hparams = yaml.unsafe_load((run / "hparams.yaml").read_text())
    assert hparams["model"]["optimizer"]["lr"] == 4e-4


def test_held_out_clips_are_filmed_with_sound(trained: Path) -> None:
    films = sorted((trained.parent / "videos").glob("*.mp4"))
    assert [film.stem[-6:] for film in films] == ["000002", "000004", "000006"]
    info = probe(films[0])
    assert (info.width, info.height, info.sample_rate) == (192, 512, 16000)
    assert info.duration == pytest.approx(0.4, abs=0.1)
    assert films[0].with_suffix(".png").exists()


def test_a_killed_run_ends_with_the_same_weights(trained: Path, workspace: Path) -> None:
    command = [find_command(), "train", *train_settings(workspace, "killed")]
    checkpoints = workspace / "runs" / "sda" / "killed" / "checkpoints"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while not (checkpoints / "last.ckpt").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    steps = torch.load(checkpoints / "last.ckpt", weights_only=True)["global_step"]
    assert 0 < steps < 6
    done = subprocess.run([*command, "resume=true"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("last.ckpt", "best.ckpt"):
        assert differing(weights(trained / name), weights(checkpoints / name)) == []
    before, after = (
        torch.load(folder / "last.ckpt", weights_only=True)["optimizer_states"]
        for folder in (trained, checkpoints)
    )
    for a, b in zip(before, after, strict=True):
        for k in a["state"]:
            assert torch.equal(a["state"][k]["exp_avg_sq"], b["state"][k]["exp_avg_sq"])


@pytest.fixture
def run(trained: Path, workspace: Path) -> Path:
    """A finished run of one's own, and a workspace that is there."""
    shutil.copytree(trained.parents[1], workspace / "runs" / "sda", dirs_exist_ok=True)
    return workspace


def test_a_run_that_exists_is_not_overwritten(run: Path) -> None:
    last = run / "runs" / "sda" / "undisturbed" / "checkpoints" / "last.ckpt"
    before = last.read_bytes()
    with pytest.raises(UserError, match=r"this run exists; resume=true .* run=NAME"):
        run_verb("train", *train_settings(run, "undisturbed"))
    assert last.read_bytes() == before


def resumed(trained: Path, run: Path, *changes: str) -> int:
    """The run goes on in its first workspace's name, for that is a setting too."""
    first = trained.parents[3]
    settings = train_settings(run, "undisturbed")
    return run_verb("train", *settings, f"data.workspace={first}", "resume=true", *changes)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("model.generator.base_channels=4", "generator"),
        ("model.optimizer.lr=1e-3", "optimizer"),
        ("data.frames=12", "frames"),
        ("data.batch_size=4", "batch_size"),
        ("trainer.precision=64-true", "precision"),
        ("seed=1", "seed"),
    ],
)
def test_a_run_does_not_go_on_as_another(trained: Path, run: Path, change: str, name: str) -> None:
    with pytest.raises(UserError, match=rf"other settings of .*\(.*\b{name}\b.*\).*run=NAME"):
        resumed(trained, run, change)


def test_a_run_can_be_made_longer(trained: Path, run: Path) -> None:
    assert resumed(trained, run, "trainer.max_steps=8") == 0
    checkpoints = run / "runs" / "sda" / "undisturbed" / "checkpoints"
    assert torch.load(checkpoints / "last.ckpt", weights_only=True)["global_step"] == 8


def test_a_last_checkpoint_that_is_broken_is_said(trained: Path, run: Path) -> None:
    last = run / "runs" / "sda" / "undisturbed" / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(UserError, match="not a checkpoint that can be read"):
        resumed(trained, run)


def test_a_run_may_be_a_number(trained: Path, run: Path) -> None:
    (run / "runs" / "sda" / "undisturbed").rename(run / "runs" / "sda" / "1")
    with pytest.raises(UserError, match="sda/1: this run exists"):
        run_verb("train", *train_settings(run, "1"))


def test_without_data_it_says_what_to_run_first(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run `understudy prepare` first"):
        run_verb("train", *train_settings(tmp_path, "none"))


def test_a_sweep_makes_a_run_each(workspace: Path) -> None:
    settings = [s for s in train_settings(workspace, "") if not s.startswith("run=")]
    sweep = ["trainer.max_steps=2", "model.optimizer.lr=1e-4,2e-4"]
    done = subprocess.run(
        [find_command(), "train", *settings, *sweep, "-m"],
        cwd=workspace,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = sorted((workspace / "runs" / "sda").glob("*/checkpoints/last.ckpt"))
    rates = [torch.load(path, weights_only=True)["understudy"]["model"]["optimizer"]["lr"] for path in found]
    assert rates == [1e-4, 2e-4]
    assert {path.name for path in (workspace / "runs").iterdir()} <= {"prepare", "sda", "multirun.yaml"}
