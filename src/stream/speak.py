"""The verb `speak`: a text in the twin's voice, written as it is spoken."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import soundfile
import torch
from tqdm import tqdm

from understudy.errors import UserError
from understudy.stream.voice import Voice

COMMENT = "AI-generated with Understudy"
EXTENSIONS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}


def speak(
    *,
    twin: str,
    text: str,
    out: str,
    vocoder: str | None = None,
    speed: float = 1.0,
    pitch: float = 0.0,
    energy: float = 0.0,
    pause: float = 0.3,
    device: str = "auto",
    threads: int | None = None,
) -> int:
    """Write `out`; `text` is itself, a .txt file, or `-` for what comes on standard input.

    1 when clauses could not be said; they are printed.
    """
    if threads:
        torch.set_num_threads(threads)
    path = Path(out)
    if path.suffix.lower() not in EXTENSIONS:
        raise UserError(f"out={out}: what is written ends in {', '.join(EXTENSIONS)}")
    voice = Voice(
        Path(twin) / "tts",
        vocoder or Path(twin) / "vocoder",
        speed=speed,
        pitch=pitch,
        energy=energy,
        pause=pause,
        device=device,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    first, samples, began = 0.0, 0, time.monotonic()
    try:
        with (
            soundfile.SoundFile(
                partial, "w", voice.sample_rate, 1, format=EXTENSIONS[path.suffix.lower()]
            ) as file,
            tqdm(desc="speak", unit="s", unit_scale=True) as bar,
        ):
            file.comment = COMMENT
            for sound in voice.stream(pieces(str(text))):
                first = first or time.monotonic() - began
                file.write(sound.samples)
                samples += len(sound.samples)
                bar.update(len(sound.samples) / voice.sample_rate)
        took, spoken = time.monotonic() - began, samples / voice.sample_rate
        if not samples:
            raise UserError(f"text={text!r}: there is nothing in it to say")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    print(f"first sound after {first:.2f} s, {spoken:.1f} s of speech in {took:.1f} s")
    print(f"sound  {path}")
    return 1 if voice.left_out else 0


def pieces(text: str) -> Iterator[str]:
    """The text as it comes: whole, or line by line."""
    if text == "-":
        yield from sys.stdin
    elif text.endswith(".txt"):
        try:
            with open(text, encoding="utf-8-sig") as file:
                yield from file
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"text={text}: cannot be read ({error}); give a file in UTF-8") from None
    else:
        yield text
