"""The voice as a part of the twin: weights, config, card and ONNX."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from understudy.data.lexicon import LEXICON
from understudy.data.training_notes import write_training
from understudy.models.tts import FastSpeech
from understudy.models.tts.fastspeech import token_of_frame, whole_frames
from understudy.train.checkpoint import CONFIG, base_of
from understudy.train.module import TwinModule
from understudy.train.onnx_file import check_parity, run_onnx, write_onnx
from understudy.train.tts import VoiceTraining

CARD = """# Voice

Says any text as mel spectrograms in the voice of the person it was trained on; `vocoder/` beside it makes
them sound. `understudy speak` uses both. Give it only to who has that person's consent; what it says must
be marked as generated.

| | |
|---|---|
| model | {model} |
| begun with | {base} |
| sounds | {sounds} symbols, language {language} |
| clips trained on | {clips} |
| parameters | {parameters:,} |
| steps trained | {step} |

`config.json` holds the arguments of the network and its symbols, `lexicon.tsv` how the person says words that
a dictionary lacks, `training.json` the names of the clips it has heard.
"""
ONNX_CARD = """
`encoder.onnx` and `decoder.onnx` are the same for ONNX Runtime: `ids` (1, tokens) to `hidden`,
`log_durations`, `pitch` and `energy`; these, and in `frames` (1, frames) the token of every frame, to `mel`
(1, n_mels, frames). They agree with PyTorch to {parity:.1e}.
"""


def export_tts(
    module: TwinModule, checkpoint: dict[str, Any], folder: Path, *, onnx: bool, **_: object
) -> None:
    """Write the voice, its lexicon and what it was trained on into `folder`; FastSpeech also as ONNX."""
    assert isinstance(module, VoiceTraining)
    kind = module.save(folder)
    settings = checkpoint[CONFIG]["model"]
    lexicon = settings["pronouncer"].get("lexicon")
    if lexicon and Path(lexicon).exists():
        shutil.copyfile(lexicon, folder / LEXICON)
    base = base_of(checkpoint)
    write_training(folder, base=base, language=module.pronouncer.language, clips=module.spoken["clips"])
    card = CARD.format(
        model=kind,
        base=base,
        sounds=len(module.pronouncer.alphabet),
        language=module.pronouncer.language,
        clips=len(module.spoken["clips"]["train"]),
        parameters=sum(p.numel() for p in module.network.parameters()),
        step=checkpoint["global_step"],
    )
    if onnx and kind == "FastSpeech":
        parity = export_onnx(module.network, folder)
        print(f"ONNX agrees with PyTorch to {parity:.1e}")
        card += ONNX_CARD.format(parity=parity)
    (folder / "README.md").write_text(card, encoding="utf-8")


class _Encoder(nn.Module):
    def __init__(self, network: FastSpeech) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: Tensor) -> tuple[Tensor, ...]:
        said = torch.ones_like(ids, dtype=torch.bool)
        hidden = self.network.encode(ids, said)
        return hidden, *self.network.predict(hidden, said)


class _Decoder(nn.Module):
    def __init__(self, network: FastSpeech) -> None:
        super().__init__()
        self.network = network

    def forward(self, hidden: Tensor, pitch: Tensor, energy: Tensor, frames: Tensor) -> Tensor:
        sounding = torch.ones_like(frames, dtype=torch.bool)
        return self.network.decode(hidden, pitch, energy, frames, sounding)


def export_onnx(network: FastSpeech, folder: Path) -> float:
    """Write both parts for texts of any length; returns the largest difference of their mels from PyTorch's.

    Raises `UserError` when they disagree by more than a hundredth of a natural logarithm.
    """
    encoder, decoder = _Encoder(network).eval(), _Decoder(network).eval()
    tokens, frames = torch.export.Dim("tokens", min=3), torch.export.Dim("frames", min=3)

    def some_ids(length: int) -> Tensor:
        return torch.randint(1, network.alphabet_size, (1, length))

    with torch.inference_mode():
        hidden, log_durations, pitch, energy = encoder(some_ids(20))
        places, _ = token_of_frame(whole_frames(log_durations.expm1()))
    write_onnx(
        encoder,
        (some_ids(20),),
        folder / "encoder.onnx",
        input_names=["ids"],
        output_names=["hidden", "log_durations", "pitch", "energy"],
        dynamic_shapes={"ids": {1: tokens}},
    )
    by_token = {1: tokens}
    write_onnx(
        decoder,
        tuple(part.clone() for part in (hidden, pitch, energy, places)),
        folder / "decoder.onnx",
        input_names=["hidden", "pitch", "energy", "frames"],
        output_names=["mel"],
        dynamic_shapes={"hidden": by_token, "pitch": by_token, "energy": by_token, "frames": {1: frames}},
    )
    worst = 0.0
    for length in (5, 20, 71):
        ids = some_ids(length)
        hidden, log_durations, pitch, energy = map(torch.from_numpy, run_onnx(folder / "encoder.onnx", [ids]))
        places, _ = token_of_frame(whole_frames(log_durations.expm1()))
        (mel,) = run_onnx(folder / "decoder.onnx", [hidden, pitch, energy, places])
        with torch.inference_mode():
            hidden, _, pitch, energy = encoder(ids)
            expected = decoder(hidden, pitch, energy, places).numpy()
        worst = max(worst, float(np.abs(mel - expected).max()))
    return check_parity(worst, 1e-2)
