"""Networks as files for ONNX Runtime."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from understudy.errors import UserError


def write_onnx(
    module: nn.Module,
    inputs: tuple[Any, ...],
    path: Path,
    *,
    input_names: Sequence[str],
    output_names: Sequence[str],
    dynamic_shapes: dict[str, Any] | None = None,
) -> None:
    for talkative in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(talkative).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's notes to its own makers
        torch.onnx.export(
            module,
            inputs,
            path,
            input_names=list(input_names),
            output_names=list(output_names),
            dynamic_shapes=dynamic_shapes,
            dynamo=True,
            verbose=False,
            external_data=False,
        )


def run_onnx(path: Path, inputs: Sequence[Tensor]) -> list[np.ndarray]:
    """What the file makes of inputs in its own order."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]
    given = {name: value.detach().numpy() for name, value in zip(names, inputs, strict=True)}
    found: list[np.ndarray] = session.run(None, given)
    return found


def check_parity(worst: float, allowed: float, what: str = "") -> float:
    """Raises `UserError` when an ONNX file and PyTorch disagree by more than is allowed."""
    if not worst <= allowed:
        raise UserError(f"the ONNX file disagrees with PyTorch by {worst:.1e}{what}; export with onnx=false")
    return worst
