import pytest
from pytorch_lightning.callbacks import TQDMProgressBar

from understudy.errors import UserError
from understudy.train.trainer import make_trainer

QUIET = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False}


def test_a_device_that_is_not_here_is_said_in_a_line() -> None:
    with pytest.raises(UserError, match=r"trainer\.accelerator=tpu") as raised:
        make_trainer(accelerator="tpu", **QUIET)
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
