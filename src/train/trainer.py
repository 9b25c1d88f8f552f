"""The trainer with the precision that suits the device."""

from typing import Any

import pytorch_lightning as pl
import torch


def make_trainer(*, accelerator: str = "auto", precision: str = "auto", **settings: Any) -> pl.Trainer:
    """A `pl.Trainer`; precision "auto" takes bfloat16 where the device computes with it.

    That halves the time of a training step, and without such units doubles it.
    """
    if precision == "auto":
        precision = "bf16-mixed" if _computes_bfloat16(accelerator) else "32-true"
    return pl.Trainer(accelerator=accelerator, precision=precision, **settings)  # type: ignore[arg-type]


def _computes_bfloat16(accelerator: str) -> bool:
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if accelerator in ("auto", "cpu"):
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False
