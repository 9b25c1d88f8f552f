"""The verb `train`: data, model, trainer; fit."""

import shutil
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import TensorBoardLogger

from understudy.errors import UserError
from understudy.train.checkpoint import (
    AtomicCheckpoints,
    KeepConfig,
    check_resumable,
    has_ended,
    module_class,
    read_checkpoint,
)


def fit(
    *,
    model: DictConfig,
    data: DictConfig,
    trainer: DictConfig,
    callbacks: DictConfig,
    workspace: str,
    run: str,
    resume: bool,
    seed: int,
    threads: int | None,
) -> int:
    """Train `model` on `data` into `WORKSPACE/runs/MODEL/RUN/`.

    With `resume` a run that was stopped, however it was, continues from its last checkpoint and
    ends with the weights it would have had.
    """
    if threads:
        torch.set_num_threads(threads)
    pl.seed_everything(seed, workers=True, verbose=False)
    kind = module_class(model)
    folder = Path(workspace) / "runs" / kind.role / str(run)  # run=1 is a number
    last = folder / "checkpoints" / "last.ckpt"
    if last.exists() and not resume:
        raise UserError(f"{folder}: this run exists; resume=true continues it, run=NAME starts another")
    settings = {"model": model, "data": data, "trainer": trainer, "seed": seed}
    plain: dict[str, Any] = {k: _plain(v) for k, v in settings.items()}
    if last.exists():
        check_resumable(last, plain)
    watching = list(instantiate(callbacks).values())
    if last.exists() and has_ended(read_checkpoint(last), watching):
        print(f"{folder}: has ended, it did not get better any more; run=NAME starts another")
        return 0

    datamodule = instantiate(data, _convert_="all")
    module = instantiate(model, _convert_="all")
    logger = TensorBoardLogger(folder, name="", version="", default_hp_metric=False)
    logger.log_hyperparams(plain, metrics=dict.fromkeys(kind.headline, float("nan")))
    lightning: pl.Trainer = instantiate(
        trainer,
        logger=logger,
        callbacks=[*watching, KeepConfig(plain)],
        plugins=[AtomicCheckpoints()],
        default_root_dir=folder,
    )
    print(f"run          {folder}\ntensorboard  tensorboard --logdir {folder.parent}")
    try:
        lightning.fit(module, datamodule=datamodule, ckpt_path=last if last.exists() else None)
    except SystemExit:  # what Lightning makes of Ctrl-C
        print(f"run={run} resume=true goes on from the last checkpoint")
        raise KeyboardInterrupt from None
    if last.exists() and not last.with_stem("best").exists():
        shutil.copy(last, last.with_stem("best"))
        print("no validation counted (see trainer.check_val_every_n_epoch): best.ckpt is the last one")
    print(f"checkpoints  {last.parent}")
    return 0


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if isinstance(value, DictConfig) else value
