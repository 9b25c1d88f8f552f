"""Checkpoints that say what they are: weights and, as plain values, the config that made them."""

import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import get_class, instantiate
from pytorch_lightning.plugins.io import TorchCheckpointIO

from understudy.errors import UserError
from understudy.train.module import TwinModule

CONFIG = "understudy"
MAY_CHANGE = (
    "max_steps",
    "decay_steps",
    "max_epochs",
    "max_time",
    "log_every_n_steps",
    "enable_progress_bar",
    "num_workers",
)


class KeepConfig(pl.Callback):
    """Puts the run's config into every checkpoint."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint[CONFIG] = self.config


class LateBest(pl.callbacks.ModelCheckpoint):
    """The best checkpoint after the step `after`: what is learnt before it is learnt for something else.

    Without `after` from the beginning.
    """

    def __init__(self, *, after: int | None, **settings: Any) -> None:
        super().__init__(**settings)
        self.after = after

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.is_late(trainer):
            super().on_train_epoch_end(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.is_late(trainer):
            super().on_validation_end(trainer, pl_module)

    def is_late(self, trainer: pl.Trainer) -> bool:
        return self.after is None or trainer.global_step > self.after


class LatePatience(pl.callbacks.EarlyStopping):
    """Early stopping that begins to count after the step `after`; without it, at once."""

    def __init__(self, *, after: int | None, **settings: Any) -> None:
        super().__init__(**settings)
        self.after = after

    def _run_early_stopping_check(self, trainer: pl.Trainer) -> None:
        if self.after is None or trainer.global_step > self.after:
            super()._run_early_stopping_check(trainer)


class AtomicCheckpoints(TorchCheckpointIO):
    """A checkpoint is the old one or the new one, whenever the machine stops.

    Lightning's own goes by way of the folder for temporary files; where that is another disk, what
    takes the old one's place is a copy, which can be cut short.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        try:
            buffer = io.BytesIO()  # a full disk is then an OSError that names the file
            torch.save(checkpoint, buffer)
            partial.write_bytes(buffer.getbuffer())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def read_checkpoint(path: str | Path, *, role: str | None = None) -> dict[str, Any]:
    """A checkpoint's plain content. Raises `UserError` if it is missing, broken or another model's."""
    if not Path(path).is_file():
        raise UserError(f"ckpt={path}: there is no such file; checkpoints are in RUN/checkpoints/")
    try:
        checkpoint: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever pickle and zip raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"ckpt={path}: not a checkpoint that can be read ({reason})") from None
    if not isinstance(checkpoint, dict) or CONFIG not in checkpoint:
        raise UserError(f"ckpt={path}: not written by `understudy train`")
    found = module_class(checkpoint[CONFIG]["model"]).role
    if role and found != role:
        raise UserError(f"ckpt={path}: holds a model of role {found!r}, here {role!r} is wanted")
    return checkpoint


def module_class(model: Mapping[Any, Any]) -> type[TwinModule]:
    """The class that a model's config names."""
    found = get_class(model["_target_"])
    assert issubclass(found, TwinModule)
    return found


def base_of(checkpoint: dict[str, Any]) -> str:
    """The model that a run began with, by name: a hub's, or a file's or folder's without where it lies."""
    pretrained = checkpoint[CONFIG]["model"]["pretrained"]
    if not pretrained:
        return "nothing"
    path = Path(pretrained)
    is_of_hub = len(path.parts) == 2 and not path.suffix and not path.exists()
    return str(pretrained) if is_of_hub else path.name


def load_module(checkpoint: dict[str, Any], **replaced: Any) -> TwinModule:
    """The module with the checkpoint's weights, in evaluation mode.

    `replaced` are other arguments, for a module that takes them. Raises `UserError` for a config that
    would call anything but models and optimizers, and for weights that are not the config's.
    """
    settings = checkpoint[CONFIG]["model"]
    config = {k: v for k, v in settings.items() if k not in replaced}
    for target in _targets(config):
        if not target.startswith(("understudy.", "torch.optim.")):
            raise UserError(f"the checkpoint's config calls {target}; it is not one of ours")
    module: TwinModule = instantiate(
        config, _convert_="all", **{k: v for k, v in replaced.items() if k in settings}
    )
    module.configure_model()
    found = module.load_state_dict(checkpoint["state_dict"], strict=False)
    frozen = {name for name, p in module.named_parameters(remove_duplicate=False) if not p.requires_grad}
    if wrong := sorted({*found.unexpected_keys, *(set(found.missing_keys) - frozen)}):
        raise UserError(f"the checkpoint's weights do not fit its config: {', '.join(wrong[:3])}")
    module.on_load_checkpoint(checkpoint)
    return module.eval()


def _targets(config: Any) -> list[str]:
    """All `_target_`s in a plain config."""
    if isinstance(config, dict):
        own = [config["_target_"]] if "_target_" in config else []
        return own + [target for value in config.values() for target in _targets(value)]
    return [target for value in config for target in _targets(value)] if isinstance(config, list) else []


def check_resumable(path: Path, config: dict[str, Any]) -> None:
    """A run can be made longer, but not go on as another one."""
    before = read_checkpoint(path)[CONFIG]
    for part in ("model", "data", "trainer", "seed"):
        was, now = (_without(c[part]) if isinstance(c[part], dict) else c[part] for c in (before, config))
        if was != now:
            changed = _differing(was, now) if isinstance(now, dict) else [part]
            raise UserError(
                f"{path.parent.parent}: this run was begun with other settings of {part} "
                f"({', '.join(changed)}); give the same ones, or run=NAME to start another"
            )


def has_ended(checkpoint: dict[str, Any], callbacks: Iterable[pl.Callback]) -> bool:
    """Whether early stopping has ended the run: Lightning itself would train one epoch more each time."""
    stopping = [callback for callback in callbacks if isinstance(callback, pl.callbacks.EarlyStopping)]
    states = [checkpoint["callbacks"].get(callback.state_key) for callback in stopping]
    return any(state["wait_count"] >= state["patience"] for state in states if state)


def _differing(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    return [k for k in {**a, **b} if k not in a or k not in b or a[k] != b[k]]


def _without(settings: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in settings.items() if k not in MAY_CHANGE}
