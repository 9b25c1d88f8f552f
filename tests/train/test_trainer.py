from typing import Any

import pytest
from pytorch_lightning.callbacks import TQDMProgressBar

from understudy.errors import UserError
from understudy.train.trainer import make_trainer

QUIET: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"accelerator": "tpu"}, "accelerator=tpu"),
        ({"accelerator": "gup"}, "accelerator=gup"),
        ({"accelerator": "cpu", "precision": "8"}, "precision=8"),
        ({"accelerator": "cpu", "devices": 0}, r"devices=0"),
        ({"accelerator": "cpu", "max_steps": -3}, "max_steps"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=rf"^trainer .*{said}") as raised:
        make_trainer(**settings, **QUIET)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("wanted", [True, False])
def test_the_progress_bar_can_be_turned_off(wanted: bool) -> None:
    trainer = make_trainer(
        accelerator="cpu", enable_progress_bar=wanted, callbacks=[TQDMProgressBar()], **QUIET
    )
    assert (trainer.progress_bar_callback is not None) == wanted


def test_precision_is_chosen_or_given() -> None:
    assert make_trainer(accelerator="cpu", precision="32-true", **QUIET).precision == "32-true"
    assert make_trainer(accelerator="cpu", **QUIET).precision in ("32-true", "bf16-mixed")
