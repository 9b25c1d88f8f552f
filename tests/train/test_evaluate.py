import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import run_verb
from torch import Tensor

from understudy.data.faces_datamodule import FaceWindows
from understudy.data.manifest import read_manifest
from understudy.data.media import probe
from understudy.errors import UserError
from understudy.train.face_metrics import FaceMetrics, correlation


def evaluate(ckpt: Path, workspace: Path, *changes: str) -> int:
    return run_verb(
        "evaluate",
        "subject=folder",
        "subject.name=puppet",
        "subject.sources=[]",
        "trainer=cpu",
        "trainer.enable_progress_bar=false",
        f"workspace={workspace}",
        f"ckpt={ckpt}",
        "videos=1",
        "threads=1",
        *changes,
    )


def test_a_table_on_clips_it_never_saw(
    trained: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(trained.parent, tmp_path / "run")
    assert evaluate(run / "checkpoints" / "last.ckpt", prepared, "+data.val_frames=12") == 0
    printed = capsys.readouterr().out
    values = json.loads((run / "evaluation" / "metrics.json").read_text())
    assert values["step"] == 6
    for name in ("psnr", "ssim", "mouth_distance", "mouth_follows", "sync_accuracy", "face_found"):
        assert name in printed
        assert np.isfinite(values["generated"][name])
        assert np.isfinite(values["still"][name])
    assert values["real"]["mouth_distance"] < values["still"]["mouth_distance"]
    assert values["real"]["mouth_follows"] > 0.8
    assert values["still"]["mouth_follows"] == pytest.approx(0, abs=0.4)
    assert values["real"]["face_found"] == 1
    (film,) = (run / "evaluation" / "videos").glob("*.mp4")
    assert probe(film).duration == pytest.approx(12 / 25, abs=0.1)


@pytest.mark.parametrize(
    ("ckpt", "why"), [("missing.ckpt", "there is no such file"), ("notes.ckpt", "can be read")]
)
def test_a_checkpoint_that_is_none(ckpt: str, why: str, prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.ckpt").write_text("my notes")
    with pytest.raises(UserError, match=why):
        evaluate(tmp_path / ckpt, prepared)
    assert not (tmp_path.parent / "evaluation").exists()


@pytest.fixture(scope="module")
def clip(prepared: Path) -> tuple[Tensor, Tensor]:
    """Frames (40, 3, 128, 96) in [0, 1] and mouth landmarks (40, 20, 2) of a puppet."""
    clips = read_manifest(prepared / "manifests" / "faces.jsonl")
    window = FaceWindows(clips, prepared, frames=40, margin=0.0)[0]
    return window["frames"] / 255, window["mouth"]


def test_the_real_is_near_itself(clip: tuple[Tensor, Tensor]) -> None:
    frames, mouth = clip
    values = FaceMetrics().measure(frames, frames, mouth)
    assert values["face_found"] == 1
    assert values["mouth_distance"] < 1.0
    assert values["mouth_follows"] > 0.9
    assert "psnr" not in values


def test_what_is_worse_scores_worse(clip: tuple[Tensor, Tensor]) -> None:
    frames, mouth = clip
    metrics = FaceMetrics()
    still = metrics.measure(frames[:1].expand_as(frames), frames, mouth)
    torch.manual_seed(0)
    noisy = metrics.measure((frames + torch.randn_like(frames) * 0.05).clamp(0, 1), frames, mouth)
    other = metrics.measure(frames.flip(0), frames, mouth)
    assert noisy["psnr"] == pytest.approx(26, abs=1.5)  # -20 log10(0.05)
    assert noisy["ssim"] < 1
    assert still["mouth_follows"] == pytest.approx(0, abs=0.35)
    assert other["mouth_follows"] < 0.6
    assert still["mouth_distance"] > 1.5 * noisy["mouth_distance"]


def test_no_face_at_all_is_a_number_not_an_error(clip: tuple[Tensor, Tensor]) -> None:
    frames, mouth = clip
    values = FaceMetrics().measure(torch.full_like(frames[:5], 0.5), frames[:5], mouth[:5])
    assert values["face_found"] == 0
    assert values["mouth_distance"] == float("inf")  # so that no such checkpoint is the best


def test_means_are_over_clips(clip: tuple[Tensor, Tensor]) -> None:
    metrics = FaceMetrics()
    metrics.add("generated", "psnr", 20.0)
    metrics.add("generated", "psnr", 30.0)
    assert metrics.summary() == {"generated": {"psnr": 25.0}}
    frames, mouth = (part[None, :3] for part in clip)
    assert not metrics.knows(["a"], "real")
    metrics.compare("real", frames, frames, mouth, ["a"])
    first = metrics.summary()["real"]
    metrics.reset()
    assert metrics.knows(["a"], "real")
    assert metrics.summary() == {"real": first}
    assert not metrics.knows(["a", "b"], "real")


def test_correlation() -> None:
    wave = np.sin(np.arange(20))
    assert correlation(wave, 3 * wave + 1) == pytest.approx(1)
    assert correlation(wave, -wave) == pytest.approx(-1)
    assert correlation(wave, np.ones(20)) == 0
