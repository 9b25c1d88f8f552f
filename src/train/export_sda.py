"""The talking face as a part of the twin: weights, config, card and ONNX."""

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from understudy.models.sda import Generator
from understudy.models.sda.audio import MELS_PER_FRAME
from understudy.models.sda.generator import Identity
from understudy.train.checkpoint import CONFIG
from understudy.train.module import TwinModule
from understudy.train.onnx_file import check_parity, run_onnx, write_onnx

CARD = """# Talking face

Animates a portrait of the person it was trained on with speech. Give it only to who has that
person's consent; what it makes must be marked as generated.

| | |
|---|---|
| picture | {width}x{height} aligned crop, 25 frames a second |
| sound | 16 kHz mono, {lookahead} frames of lookahead |
| parameters | {parameters:,} |
| steps trained | {step} |

`config.json` holds the arguments of the generator, `generator.safetensors` its weights.
"""
ONNX_CARD = """
`identity.onnx` and `frames.onnx` (chunks of {chunk} frames) are the same for ONNX Runtime; they agree with
PyTorch to {parity:.1e}.
"""


def export_sda(
    module: TwinModule, checkpoint: dict[str, Any], folder: Path, *, onnx: bool, chunk: int
) -> None:
    """Write the generator's weights, config and card into `folder`."""
    generator = module.generator
    assert isinstance(generator, Generator)
    arguments = checkpoint[CONFIG]["model"]["generator"]
    defaults = {k: p.default for k, p in inspect.signature(Generator).parameters.items()}
    config = defaults | {k: v for k, v in arguments.items() if not k.startswith("_")}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    (folder / "generator.safetensors").write_bytes(save(generator.state_dict()))
    card = CARD.format(
        width=generator.width,
        height=generator.height,
        lookahead=generator.lookahead,
        parameters=sum(p.numel() for p in generator.parameters()),
        step=checkpoint["global_step"],
    )
    if onnx:
        parity = export_onnx(generator, folder, chunk=chunk)
        print(f"ONNX agrees with PyTorch to {parity:.1e}")
        card += ONNX_CARD.format(chunk=chunk, parity=parity)
    (folder / "README.md").write_text(card)


class _Identify(nn.Module):
    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.encoder = generator.identity_encoder

    def forward(self, still: Tensor) -> tuple[Tensor, ...]:
        identity = self.encoder(still)
        return identity.code, *identity.skips


class _Draw(nn.Module):
    """One chunk of frames; what is carried to the next goes in and comes out."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(
        self,
        still: Tensor,
        code: Tensor,
        skips: list[Tensor],
        mel: Tensor,
        noise: Tensor,
        noise_state: Tensor,
        audio_state: list[Tensor],
    ) -> tuple[Tensor, ...]:
        audio, audio_state = self.generator.audio_encoder(mel, audio_state)
        wander, noise_state = self.generator.noise_generator(noise, noise_state)
        frames = self.generator.decode(Identity(still, code, skips), audio, wander)
        return frames, noise_state, *audio_state


def export_onnx(generator: Generator, folder: Path, *, chunk: int = 5) -> float:
    """Write `identity.onnx` and `frames.onnx`; returns the largest difference from PyTorch.

    Log-mels are computed outside. A call draws `chunk` frames, no more and no fewer, for the noise's
    GRU is unrolled. Raises `UserError` when the two disagree by more than half a grey level.
    """
    identify, draw = _Identify(generator).eval(), _Draw(generator).eval()
    still = torch.rand(1, 3, generator.height, generator.width)
    inputs = _inputs(generator, still, chunk)
    skips = [f"skip_{i}" for i in range(len(inputs[2]))]
    carried = ["noise_state", *(f"audio_state_{i}" for i in range(len(inputs[6])))]
    write_onnx(
        identify,
        (still,),
        folder / "identity.onnx",
        input_names=["still"],
        output_names=["code", *skips],
    )
    write_onnx(
        draw,
        inputs,
        folder / "frames.onnx",
        input_names=["still", "code", *skips, "mel", "noise", *carried],
        output_names=["frames", *(f"next_{name}" for name in carried)],
    )
    worst = max(
        _difference(folder / "identity.onnx", identify, (still,)),
        _difference(folder / "frames.onnx", draw, inputs),
    )
    return check_parity(worst, 0.5 / 255)


def _inputs(generator: Generator, still: Tensor, frames: int) -> tuple[Any, ...]:
    """What `_Draw` takes, for the first chunk."""
    with torch.inference_mode():
        identity = generator.identity_encoder(still)
    state = generator.initial_state(1)
    mel = torch.randn(1, generator.log_mel.n_mels, frames * MELS_PER_FRAME)
    noise = generator.noise(1, frames)
    return still, identity.code.clone(), [s.clone() for s in identity.skips], mel, noise, *state[::-1]


def _difference(path: Path, module: nn.Module, inputs: tuple[Any, ...]) -> float:
    """The largest one between an ONNX file's outputs and a module's."""
    with torch.inference_mode():
        expected = module(*inputs)
    flat = [t for value in inputs for t in (value if isinstance(value, list) else [value])]
    found = run_onnx(path, flat)
    return max(float(np.abs(f - e.numpy()).max()) for f, e in zip(found, expected, strict=True))
