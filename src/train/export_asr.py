"""The speech recogniser as a part of the twin: a folder that `from_pretrained` loads."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from understudy.data.ctc import SENTENCES
from understudy.data.media import SAMPLE_RATE, Seconds
from understudy.data.speech_datamodule import SpeechBatch
from understudy.data.text import spoken
from understudy.data.training_notes import write_training
from understudy.train.asr import SpeechRecognition
from understudy.train.asr_ctc import CtcTraining
from understudy.train.checkpoint import base_of
from understudy.train.module import TwinModule
from understudy.train.onnx_file import check_parity, run_onnx, write_onnx

CARD = """# Speech recogniser

Writes down what the person says whom it was fine-tuned on. `understudy prepare asr=twin` transcribes with it;
so does whatever loads models of transformers: `from_pretrained` of this folder.

| | |
|---|---|
| model | {model} |
| fine-tuned from | {base} |
| parameters | {parameters:,} |
| clips trained on | {clips} |
| steps trained | {step} |

`training.json` names the clips it has seen; `sentences.txt` holds their words, from which the order of words
is learnt: give it away only with the person's consent.
"""
ONNX_CARD = """
`ctc.onnx` is the same for ONNX Runtime: `{name}` of one clip, as the folder's processor makes them, to
`logits` (1, frames, characters). It agrees with PyTorch to {parity:.1e}.
"""

SHORTEST: Seconds = 0.2


def export_asr(
    module: TwinModule, checkpoint: dict[str, Any], folder: Path, *, onnx: bool, **_: object
) -> None:
    """Write model, processor, and what was trained on, into `folder`; CTC models also as ONNX."""
    assert isinstance(module, SpeechRecognition)
    kind = module.save_pretrained(folder)
    sentences = [" ".join(spoken(text, module.language)) for text in module.heard["texts"]]
    (folder / SENTENCES).write_text("".join(f"{s}\n" for s in sentences), encoding="utf-8")
    base = base_of(checkpoint)
    write_training(folder, base=base, language=module.language, clips=module.heard["clips"])
    card = CARD.format(
        model=kind,
        base=base,
        parameters=sum(p.numel() for p in module.network.parameters()),
        clips=len(sentences),
        step=checkpoint["global_step"],
    )
    if onnx and isinstance(module, CtcTraining):
        parity = export_onnx(module, folder / "ctc.onnx")
        print(f"ONNX agrees with PyTorch to {parity:.1e}")
        card += ONNX_CARD.format(parity=parity, name=module.network.main_input_name)
    (folder / "README.md").write_text(card)


class _Logits(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, heard: Tensor) -> Tensor:
        logits: Tensor = self.network(heard).logits
        return logits


def export_onnx(module: CtcTraining, path: Path) -> float:
    """Write the network for sound of any length; returns the largest difference of its probabilities.

    Raises `UserError` when the file and PyTorch disagree by more than a thousandth.
    """
    module.network.set_attn_implementation("eager")  # of the others the exporter makes no file
    listener, name = _Logits(module.network).eval(), module.network.main_input_name

    def inputs(duration: Seconds) -> Tensor:
        samples = torch.randn(1, round(duration * SAMPLE_RATE))
        batch = SpeechBatch(
            audio=samples, lengths=torch.tensor([samples.shape[1]]), text=[""], heard=[None], clip=[""]
        )
        return module.features(batch)[name]  # (1, time) or (1, time, bands)

    write_onnx(
        listener,
        (inputs(2.0),),
        path,
        input_names=[name],
        output_names=["logits"],
        dynamic_shapes={"heard": {1: torch.export.Dim("time", min=inputs(SHORTEST).shape[1])}},
    )
    worst = 0.0
    for duration in (0.7, 2.0, 5.3):
        heard = inputs(duration)
        with torch.inference_mode():
            expected = listener(heard).softmax(-1).numpy()
        (found,) = run_onnx(path, [heard])
        worst = max(worst, float(np.abs(torch.from_numpy(found).softmax(-1).numpy() - expected).max()))
    return check_parity(worst, 1e-3)
