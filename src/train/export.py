"""The verb `export`: a checkpoint becomes a part of the twin, in plain files."""

from collections.abc import Callable
from pathlib import Path

from understudy.data.replace_folder import replaced
from understudy.train.checkpoint import load_module, read_checkpoint
from understudy.train.export_asr import export_asr
from understudy.train.export_lm import export_lm
from understudy.train.export_sda import export_sda
from understudy.train.export_tts import export_tts
from understudy.train.export_vocoder import export_vocoder

WRITERS: dict[str, Callable[..., None]] = {  # by role
    "sda": export_sda,
    "asr": export_asr,
    "lm": export_lm,
    "tts": export_tts,
    "vocoder": export_vocoder,
}


def export(*, ckpt: str, twin: str, onnx: bool = True, chunk: int = 5) -> int:
    """Write `TWIN/ROLE/` anew from a checkpoint; the old one stays until all is there."""
    checkpoint = read_checkpoint(ckpt)
    module = load_module(checkpoint, landmarker=None)
    folder = Path(twin) / module.role
    with replaced(folder) as partial:
        WRITERS[module.role](module, checkpoint, partial, onnx=onnx, chunk=chunk)
    print(f"twin  {folder.parent}")
    return 0
