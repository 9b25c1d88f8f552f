"""The GAN's step: who learns when, what the losses weigh, what counts as out of step."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from conftest import config_of, train_settings
from hydra.utils import instantiate
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import Optimizer

from understudy.data.faces_datamodule import Window
from understudy.errors import UserError
from understudy.models.sda.audio import MELS_PER_FRAME
from understudy.train.losses import accuracy, judged, mouth_map
from understudy.train.sda import SDA


@pytest.fixture(scope="module")
def module(prepared: Path) -> SDA:
    torch.manual_seed(0)
    made: SDA = instantiate(config_of("train", *train_settings(prepared, "x")).model)
    return made


def judges(module: SDA) -> list[nn.Module]:
    return [module.frame_discriminator, module.sequence_discriminator, module.sync_discriminator]


class Witness(pl.Callback):
    """Keeps every weight as it was before and after each optimizer's step."""

    def __init__(self) -> None:
        self.steps: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        def weights() -> dict[str, Tensor]:
            return {name: p.detach().clone() for name, p in pl_module.named_parameters()}

        def before(*_: Any) -> None:
            self.before = weights()

        def after(*_: Any) -> None:
            self.steps.append((self.before, weights()))

        for optimizer in trainer.optimizers:
            optimizer.register_step_pre_hook(before)
            optimizer.register_step_post_hook(after)


def test_the_judges_learn_in_their_step_and_the_generator_in_its_own(prepared: Path, tmp_path: Path) -> None:
    config = config_of("train", *train_settings(prepared, "x"))
    torch.manual_seed(0)
    witness = Witness()
    trainer = instantiate(
        config.trainer,
        max_steps=2,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        callbacks=[witness],
        default_root_dir=tmp_path,
    )
    module = instantiate(config.model)
    trainer.fit(module, datamodule=instantiate(config.data))
    nets = ("generator", "frame_discriminator", "sequence_discriminator", "sync_discriminator")
    changed = [
        {net for net in nets for n in before if n.startswith(net) and not before[n].equal(after[n])}
        for before, after in witness.steps
    ]
    assert changed == [set(nets[1:]), {"generator"}] * 2
    assert trainer.global_step == 2, "a step is a batch"
    assert all(p.requires_grad for p in module.parameters())


def test_every_weight_belongs_to_one_optimizer(module: SDA) -> None:
    optimizers, schedules = module.configure_optimizers()
    owned = [[id(p) for g in o.param_groups for p in g["params"]] for o in optimizers]
    assert {id(p) for p in module.generator.parameters()} == set(owned[1])
    assert {id(p) for judge in judges(module) for p in judge.parameters()} == set(owned[0])
    assert not set(owned[0]) & set(owned[1])
    assert len(schedules) == len(optimizers)


def test_learning_rates_fall_and_stay_above_nothing(module: SDA) -> None:
    rates = [module.learning_rate_at(step) for step in range(module.decay_steps + 50)]
    assert rates[0] == 1
    assert all(a >= b for a, b in pairwise(rates))
    assert rates[-1] == 0.05


@given(
    x=st.floats(20, 76),
    y=st.floats(60, 110),
    width=st.floats(8, 40),
    height=st.floats(1, 30),
    emphasis=st.floats(0.5, 30),
)
def test_the_map_weighs_the_mouth_most_and_one_on_average(
    x: float, y: float, width: float, height: float, emphasis: float
) -> None:
    turn = torch.linspace(0, 6.28, 20)
    mouth = torch.stack([x + width / 2 * turn.cos(), y + height / 2 * turn.sin()], -1)
    importance = mouth_map(mouth.expand(2, 3, 20, 2), 128, 96, emphasis)
    assert importance.shape == (2, 3, 1, 128, 96)
    torch.testing.assert_close(importance.mean(dim=(2, 3, 4)), torch.ones(2, 3))
    row, column = divmod(int(importance[0, 0].argmax()), 96)
    assert abs(column - x) <= 1
    assert abs(row - y) <= 1
    peak = importance[0, 0].amax() / importance[0, 0, 0, 0, 0]  # against the corner
    assert 1 + 0.8 * emphasis < peak < 1 + 1.01 * emphasis


def test_a_wrong_mouth_costs_more_than_a_wrong_forehead(module: SDA) -> None:
    mouth = torch.tensor([48.0, 96.0]) + torch.randn(1, 1, 20, 2) * 5
    importance = mouth_map(mouth, 128, 96, module.mouth_emphasis)
    error = torch.zeros(2, 128, 96)
    error[0, 86:106, 38:58] = 1
    error[1, 10:30, 38:58] = 1
    at_mouth, at_forehead = (float((importance[0, 0, 0] * e).mean()) for e in error)
    assert at_mouth > 4 * at_forehead


@given(
    frames=st.integers(9, 40),
    min_shift=st.integers(1, 8),
    seed=st.integers(0, 100),
)
def test_shifted_sound_is_never_nearly_in_step(module: SDA, frames: int, min_shift: int, seed: int) -> None:
    torch.manual_seed(seed)
    module.min_shift = min_shift
    starts = module.sync_starts(frames)
    assert starts.min() >= 0
    assert starts.max() <= frames - module.sync_discriminator.frames
    smallest, largest = module.shifts(frames)
    assert smallest == min(min_shift, (frames - 4) // 2)
    shifted = module.shifted(starts, torch.randint(smallest, largest + 1, starts.shape), frames)
    assert shifted.min() >= 0, "outside the frames there may be silence that gives the answer away"
    assert shifted.max() <= frames - module.sync_discriminator.frames
    assert (shifted - starts).abs().min() >= smallest


def test_verdicts() -> None:
    right, wrong = torch.tensor([4.0, 6.0]), torch.tensor([-5.0, -3.0])
    assert float(judged(right, True)) < 0.02 < 3 < float(judged(wrong, True))
    assert float(judged(wrong, False)) < 0.03
    assert float(accuracy(right, wrong)) == 1
    assert float(accuracy(wrong, right)) == 0
    assert float(accuracy(right, right)) == 0.5


def test_sync_accuracy_is_chance_for_a_judge_that_does_not_look(module: SDA) -> None:
    """And for a still picture's frames it says what sound alone can tell: never above 1."""
    frames = torch.rand(1, 20, 3, 128, 96)
    mel = torch.randn(1, 80, 70 * MELS_PER_FRAME)
    judge = module.sync_discriminator.judge
    kept = judge.weight.detach().clone()
    with torch.no_grad():
        assert 0 <= module.sync_accuracy(frames, mel) <= 1
        judge.weight.zero_()
        assert module.sync_accuracy(frames, mel) == 0.5
        judge.weight.copy_(kept)


def test_the_generator_hears_its_context_and_lookahead(module: SDA) -> None:
    frames, margin = 10, 25
    columns = torch.arange((frames + 2 * margin) * MELS_PER_FRAME).expand(1, 80, -1)
    heard = module.heard_by_generator(columns, frames)[0, 0]
    generator = module.generator
    assert heard[0] == (margin - generator.context) * MELS_PER_FRAME
    assert heard[-1] == (margin + frames + generator.lookahead) * MELS_PER_FRAME - 1


def test_too_little_sound_around_a_window_is_said(module: SDA) -> None:
    mel = torch.zeros(1, 80, (10 + 2 * 5) * MELS_PER_FRAME)
    with pytest.raises(UserError, match=r"set data\.margin=0\.6"):
        module.margin(mel, 10)


def test_optimizers_are_those_of_the_config(module: SDA) -> None:
    optimizers, _ = module.configure_optimizers()
    assert all(isinstance(optimizer, Optimizer) for optimizer in optimizers)
    assert [optimizer.param_groups[0]["initial_lr"] for optimizer in optimizers] == [2e-4, 4e-4]


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((2, 3, 3, 128, 96), "a window of 3 frames is too short"),
        ((2, 10, 3, 96, 64), "faces were cut out 64x96, the model draws 96x128"),
    ],
)
def test_data_that_does_not_fit_the_model_is_said(module: SDA, shape: tuple[int, ...], said: str) -> None:
    batch = Window(
        still=torch.zeros(2, *shape[2:]),
        frames=torch.zeros(shape),
        mouth=torch.zeros(2, shape[1], 20, 2),
        audio=torch.zeros(2, shape[1] * 640 + 32000),
        clip="a",
    )
    with pytest.raises(UserError, match=said):
        module.unpack(batch)
