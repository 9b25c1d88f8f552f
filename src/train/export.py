"""The verb `export`: a checkpoint becomes a part of the twin, in plain files."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from understudy.train.checkpoint import load_module, read_checkpoint
from understudy.train.export_asr import export_asr
from understudy.train.export_sda import export_sda
from understudy.train.export_tts import export_tts
from understudy.train.export_vocoder import export_vocoder

WRITERS: dict[str, Callable[..., None]] = {  # by role
    "sda": export_sda,
    "asr": export_asr,
    "tts": export_tts,
    "vocoder": export_vocoder,
}


def export(*, ckpt: str, twin: str, onnx: bool = True, chunk: int = 5) -> int:
    """Write `TWIN/ROLE/` anew from a checkpoint; the old one stays until all is there."""
    checkpoint = read_checkpoint(ckpt)
    module = load_module(checkpoint, landmarker=None)
    folder = Path(twin) / module.role
    partial, former = folder.with_name(f".{module.role}.partial"), folder.with_name(f".{module.role}.former")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if former.exists():  # an export that was killed
        _put_back(former, folder)
    try:
        WRITERS[module.role](module, checkpoint, partial, onnx=onnx, chunk=chunk)
        if folder.exists():
            os.replace(folder, former)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        _put_back(former, folder)
    print(f"twin  {folder.parent}")
    return 0


def _put_back(former: Path, folder: Path) -> None:
    """The former export takes its place again unless a new one has it."""
    if former.exists() and not folder.exists():
        os.replace(former, folder)
    shutil.rmtree(former, ignore_errors=True)
