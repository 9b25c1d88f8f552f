"""The sound of a stretch, as a waveform to draw and as a WAV of which any part can be asked for."""

import math
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from understudy.data.manifest import Clip
from understudy.data.media import SAMPLE_RATE, Seconds
from understudy.data.sound import clip_audio

HEADER = 44  # bytes
WIDTH = 2  # bytes a sample
BLOCK = 10 * SAMPLE_RATE  # samples that are in memory at once
FINEST = SAMPLE_RATE // 200  # samples that a column of a waveform stands for, at least
MOST = 6000  # columns of a waveform


def peaks(clip: Clip, workspace: Path, start: Seconds, end: Seconds) -> dict[str, Any]:
    """The lowest and highest sample (-127 to 127) of columns of `step` seconds from `start` on."""
    total = max(round((end - start) * SAMPLE_RATE), 1)
    step = max(FINEST, math.ceil(total / MOST))
    lows, highs = [], []
    for block in _blocks(clip, workspace, start, 0, total, step * (BLOCK // step or 1)):
        columns = np.pad(block, (0, -len(block) % step)).reshape(-1, step)
        lows.append(columns.min(axis=1))
        highs.append(columns.max(axis=1))
    low, high = (np.rint(np.concatenate(side).clip(-1, 1) * 127).astype(int) for side in (lows, highs))
    return {"start": start, "step": step / SAMPLE_RATE, "low": low.tolist(), "high": high.tolist()}


def wav_size(start: Seconds, end: Seconds) -> int:
    """Bytes of the WAV between two times."""
    return HEADER + WIDTH * round((end - start) * SAMPLE_RATE)


def wav_bytes(
    clip: Clip, workspace: Path, start: Seconds, end: Seconds, first: int, last: int
) -> Iterator[bytes]:
    """Bytes `first` to `last`, both included, of that WAV: mono, 16 bit, 16 kHz, the clip's gain applied."""
    size = wav_size(start, end)
    if first < HEADER:
        yield _header(size)[first : last + 1]
    if last >= HEADER:
        begin = max(first - HEADER, 0)
        skip = begin % WIDTH
        left = last + 1 - max(first, HEADER)
        for block in _blocks(clip, workspace, start, begin // WIDTH, (size - HEADER) // WIDTH):
            data = (block.clip(-1, 1) * 32767).astype("<i2").tobytes()[skip : skip + left]
            yield data
            skip, left = 0, left - len(data)
            if left <= 0:
                return


def _blocks(
    clip: Clip, workspace: Path, start: Seconds, first: int, after: int, size: int = BLOCK
) -> Iterator[np.ndarray]:
    """Samples `first` to `after`, counted from `start`, in blocks (samples,)."""
    zero = round(start * SAMPLE_RATE)
    for at in range(first, after, size):
        stop = min(at + size, after)
        stretch = replace(clip, start=(zero + at) / SAMPLE_RATE, end=(zero + stop) / SAMPLE_RATE)
        yield clip_audio(stretch, workspace)


def _header(size: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE, SAMPLE_RATE * WIDTH, WIDTH, 8 * WIDTH)
    return (
        b"RIFF" + struct.pack("<I", size - 8) + b"WAVEfmt " + struct.pack("<I", len(form)) + form
        + b"data" + struct.pack("<I", size - HEADER)
    )  # fmt: skip
