"""The vocoder as a part of the twin: weights, config, card and ONNX."""

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from understudy.data.training_notes import write_training
from understudy.data.twin_vocoder import WEIGHTS
from understudy.models.vocoder import Vocoder
from understudy.train.checkpoint import CONFIG, base_of
from understudy.train.module import TwinModule
from understudy.train.onnx_file import check_parity, run_onnx, write_onnx
from understudy.train.vocoder import VocoderTraining

CARD = """# Vocoder

Turns mel spectrograms into the voice of the person it was trained on. Give it only to who has that
person's consent; what it makes must be marked as generated.

| | |
|---|---|
| sound | {sample_rate} Hz mono, {hop_length} samples a frame |
| mels | {n_mels} bands, natural logarithm |
| hears around a frame | {context} frames on either side |
| fine-tuned from | {base} |
| mels trained on | {mels} |
| clips trained on | {clips} |
| parameters | {parameters:,} |
| steps trained | {step} |

`config.json` holds the arguments of the generator, `generator.safetensors` its weights, `training.json` the
names of the clips it has heard.
"""
ONNX_CARD = """
`vocoder.onnx` is the same for ONNX Runtime: from `mel` (1, {n_mels}, frames) to `audio`
(1, frames * {hop_length}). It agrees with PyTorch to {parity:.1e}.
"""


def export_vocoder(
    module: TwinModule, checkpoint: dict[str, Any], folder: Path, *, onnx: bool, **_: object
) -> None:
    """Write the generator's weights, config and card into `folder`."""
    assert isinstance(module, VocoderTraining)
    model, data = checkpoint[CONFIG]["model"], checkpoint[CONFIG]["data"]
    vocoder = module.generator.fold_weight_norm()
    defaults = {k: p.default for k, p in inspect.signature(Vocoder).parameters.items()}
    config = defaults | {k: v for k, v in model["generator"].items() if not k.startswith("_")}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    save_file(vocoder.state_dict(), folder / WEIGHTS)
    base = base_of(checkpoint)
    write_training(folder, base=base, language=None, clips=module.heard)
    card = CARD.format(
        sample_rate=vocoder.sample_rate,
        hop_length=vocoder.hop_length,
        n_mels=vocoder.n_mels,
        context=vocoder.context,
        base=base,
        mels=data["mels"],
        clips=len(module.heard["train"]),
        parameters=sum(p.numel() for p in vocoder.parameters()),
        step=checkpoint["global_step"],
    )
    if onnx:
        parity = export_onnx(vocoder, folder / "vocoder.onnx")
        print(f"ONNX agrees with PyTorch to {parity:.1e}")
        card += ONNX_CARD.format(n_mels=vocoder.n_mels, hop_length=vocoder.hop_length, parity=parity)
    (folder / "README.md").write_text(card, encoding="utf-8")


def export_onnx(vocoder: Vocoder, path: Path) -> float:
    """Write the vocoder for mels of any length; returns the largest difference of its samples from PyTorch's.

    Raises `UserError` when the two disagree by more than a thousandth of full scale.
    """
    write_onnx(
        vocoder,
        (torch.randn(1, vocoder.n_mels, 32),),
        path,
        input_names=["mel"],
        output_names=["audio"],
        dynamic_shapes={"mel": {2: torch.export.Dim("frames", min=2)}},
    )
    worst = 0.0
    for frames in (5, 32, 77):
        mel = torch.randn(1, vocoder.n_mels, frames) * 2 - 5  # about as loud as speech
        with torch.inference_mode():
            expected = vocoder(mel).numpy()
        (found,) = run_onnx(path, [mel])
        worst = max(worst, float(np.abs(found - expected).max()))
    return check_parity(worst, 1e-3)
