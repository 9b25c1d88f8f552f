"""The verb `evaluate`: a checkpoint on clips it never saw, beside doing nothing and beside the real."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate

from understudy.data.landmarks import Landmarker
from understudy.errors import UserError
from understudy.tables import print_table, write_json
from understudy.train.checkpoint import CONFIG, load_module, read_checkpoint
from understudy.train.tts import VoiceTraining


def evaluate(
    *,
    ckpt: str,
    workspace: str,
    trainer: Callable[..., pl.Trainer],
    callbacks: dict[str, dict[str, pl.Callback]],
    landmarker: Landmarker,
    listening: dict[str, Any],
    vocoder: str | None,
    data: dict[str, Any],
    threads: int | None,
) -> int:
    """Print the module's table over the test split; write it and pictures to `RUN/evaluation/`.

    The data is the checkpoint's own, taken from `workspace`; `data` changes single settings of it,
    `callbacks` are those of each role. A voice is heard through `vocoder`, by what `VoiceMetrics` has for
    `listening`.
    """
    if threads:
        torch.set_num_threads(threads)
    checkpoint = read_checkpoint(ckpt)
    module = load_module(checkpoint, landmarker=landmarker)
    if isinstance(module, VoiceTraining):
        module.listen_by(listening)
        hear(module, vocoder, own=Path(workspace) / "twin" / "vocoder")
    settings = checkpoint[CONFIG]["data"]
    if unknown := data.keys() - settings.keys():
        known = ", ".join(k for k in settings if not k.startswith("_"))
        raise UserError(f"data.{min(unknown)}: there is no such setting; there are {known}")
    settings = {**settings, "workspace": workspace, **data}
    folder = Path(ckpt).resolve().parent.parent / "evaluation"
    lightning = trainer(callbacks=list(callbacks.get(module.role, {}).values()), default_root_dir=folder)
    lightning.test(module, datamodule=instantiate(settings), verbose=False)
    values = module.metrics.summary()
    columns = list(values)
    metrics = list(dict.fromkeys(name for column in columns for name in values[column]))
    rows = [[name, *(values[c].get(name, "") for c in columns)] for name in metrics]
    print_table(["metric", *columns], rows)
    write_json(folder / "metrics.json", {"ckpt": str(ckpt), "step": checkpoint["global_step"], **values})
    print(f"metrics and pictures  {folder}")
    return 0


def hear(module: VoiceTraining, vocoder: str | None, *, own: Path) -> None:
    """Through the vocoder that is given; else the twin's own, the checkpoint's or none, whichever fits first.

    Raises `UserError` for one that is given and is not there or does not fit.
    """
    names = [vocoder] if vocoder else [str(own) if own.is_dir() else None, module.vocoder_name]
    for name in [*filter(None, names), None]:
        try:
            module.hear_through(name, setting="vocoder")
            break
        except UserError as error:
            if vocoder:
                raise
            print(f"passed over: {error}")
    print(f"heard through {name or 'Griffin-Lim'}")
