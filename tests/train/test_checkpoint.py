from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from understudy.errors import UserError
from understudy.train.checkpoint import (
    CONFIG,
    AtomicCheckpoints,
    LatePatience,
    check_resumable,
    load_module,
    read_checkpoint,
)


def test_a_module_comes_back_with_its_weights(trained: Path) -> None:
    checkpoint = read_checkpoint(trained / "last.ckpt", role="sda")
    module = load_module(checkpoint)
    assert not module.training
    state = module.state_dict()
    assert all(torch.equal(state[name], kept) for name, kept in checkpoint["state_dict"].items())


def test_what_is_no_checkpoint_is_said(trained: Path, tmp_path: Path) -> None:
    whole = (trained / "last.ckpt").read_bytes()
    for name, content in (
        ("truncated.ckpt", whole[: len(whole) // 2]),
        ("text.ckpt", b"my notes"),
        ("empty.ckpt", b""),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=rf"{name}: not a checkpoint that can be read") as raised:
            read_checkpoint(tmp_path / name)
        assert "\n" not in str(raised.value)
    with pytest.raises(UserError, match="there is no such file"):
        read_checkpoint(tmp_path / "missing.ckpt")
    with pytest.raises(UserError, match="there is no such file"):
        read_checkpoint(tmp_path)


class Outsider:
    """Something a checkpoint must not bring with it."""


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "object": Outsider()}, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match="not a checkpoint that can be read") as raised:
        read_checkpoint(tmp_path / "a.ckpt")
    assert "\n" not in str(raised.value)


def test_another_program_s_weights(tmp_path: Path) -> None:
    torch.save({"state_dict": {"weight": torch.zeros(3)}}, tmp_path / "a.ckpt")
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    for name in ("a.ckpt", "tensor.pt"):
        with pytest.raises(UserError, match="not written by `understudy train`"):
            read_checkpoint(tmp_path / name)


def test_another_role(trained: Path) -> None:
    with pytest.raises(UserError, match="holds a model of role 'sda', here 'tts' is wanted"):
        read_checkpoint(trained / "last.ckpt", role="tts")


def test_a_save_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    AtomicCheckpoints().save_checkpoint({"step": 1}, path)
    with pytest.raises(AttributeError):
        AtomicCheckpoints().save_checkpoint({"step": lambda: 2}, path)
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert list(path.parent.iterdir()) == [path]


SETTINGS: dict[str, Any] = {
    "model": {"_target_": "understudy.train.sda.SDA", "lr": 0.1, "decay_steps": 100},
    "data": {"frames": 25},
    "trainer": {"max_steps": 100, "precision": "32-true"},
    "seed": 0,
}


@pytest.mark.parametrize(
    ("part", "change", "named"),
    [
        ("model", {"lr": 0.2}, r"model \(lr\)"),
        ("data", {"frames": 50}, r"data \(frames\)"),
        ("trainer", {"precision": "16-mixed", "max_steps": 200}, r"trainer \(precision\)"),
        ("trainer", {"devices": 2}, r"trainer \(devices\)"),
    ],
)
def test_what_may_not_change_is_named(part: str, change: dict[str, Any], named: str, tmp_path: Path) -> None:
    path = saved(tmp_path)
    now = {**SETTINGS, part: {**SETTINGS[part], **change}}
    with pytest.raises(UserError, match=f"other settings of {named}"):
        check_resumable(path, now)
    with pytest.raises(UserError, match=f"other settings of {named}"):  # nor the other way round
        check_resumable(saved(tmp_path, now), SETTINGS)


def test_the_length_may_change(tmp_path: Path) -> None:
    longer = {
        **SETTINGS,
        "model": {**SETTINGS["model"], "decay_steps": 200},
        "trainer": {"max_steps": 200, "precision": "32-true", "enable_progress_bar": False},
    }
    check_resumable(saved(tmp_path), longer)


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"other settings of seed \(seed\)"):
        check_resumable(saved(tmp_path), {**SETTINGS, "seed": 1})


def saved(folder: Path, settings: dict[str, Any] = SETTINGS) -> Path:
    path = folder / "run" / "checkpoints" / "last.ckpt"
    AtomicCheckpoints().save_checkpoint({CONFIG: settings}, path)
    return path


class Standstill(pl.LightningModule):
    """Gets no better, in epochs of one step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return 0.0 * self.weight.sum()

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.log("loss/val", 1.0)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


@pytest.mark.parametrize(("after", "stops"), [(None, 3), (4, 7)])
def test_patience_begins_when_it_is_told_to(after: int | None, stops: int, tmp_path: Path) -> None:
    trainer = pl.Trainer(
        max_steps=20,
        accelerator="cpu",
        default_root_dir=tmp_path,
        num_sanity_val_steps=0,
        callbacks=[LatePatience(after=after, monitor="loss/val", patience=2)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    one = torch.utils.data.DataLoader(torch.zeros(1, 1))
    trainer.fit(Standstill(), one, one)
    assert trainer.global_step == stops
