"""The verb `animate`: a picture and speech become a video, in constant memory for any length."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from understudy.data.landmarks import Landmarker
from understudy.data.media import FPS, VideoWriter, probe, stream_audio
from understudy.errors import UserError
from understudy.models.sda import FrameStream
from understudy.stream.portrait import Footage, Still, open_portrait
from understudy.stream.speak import COMMENT, speak
from understudy.stream.twin import load_generator

OUT_SAMPLE_RATE = 48000  # AAC knows few rates, this one plays everywhere


def animate(
    *,
    twin: str,
    image: str,
    out: str,
    landmarker: Landmarker,
    audio: str | None = None,
    text: str | None = None,
    voice: dict[str, Any] | None = None,
    chunk: int = 5,
    face: int | None = None,
    max_height: int = 1080,
    seed: int = 0,
    threads: int | None = None,
) -> int:
    """Write `out`, an MP4 of the face in `image` saying what is in `audio`, or `text` in the twin's voice.

    `voice` are settings of `speak`.
    """
    if (audio is None) == (text is None):
        raise UserError("what is to be said? give one of audio=FILE and text=TEXT")
    if threads:
        torch.set_num_threads(threads)
    generator = load_generator(twin)
    if Path(out).suffix.lower() != ".mp4":
        raise UserError(f"out={out}: what is written is an MP4; give a name that ends in .mp4")
    portrait = open_portrait(image, generator, landmarker, face, max_height)
    with _recording(audio) if audio is not None else _spoken(text, twin, voice or {}) as recording:
        _animate(recording, out, portrait, FrameStream(generator, portrait.identity, chunk=chunk, seed=seed))
    print(f"video  {out}")
    return 0


@contextmanager
def _recording(audio: str) -> Iterator[str]:
    info = probe(audio)
    if not info.has_audio or info.duration <= 0:
        raise UserError(f"audio={audio}: holds no sound; give a WAV, MP3, M4A, FLAC or a video")
    yield audio


@contextmanager
def _spoken(text: str | None, twin: str, voice: dict[str, Any]) -> Iterator[str]:
    """The text as a recording, for as long as it is needed."""
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "spoken.wav")
        speak(twin=twin, text=str(text), out=path, **voice)
        yield path


def _animate(audio: str, out: str, portrait: Still | Footage, stream: FrameStream) -> None:
    height, width = portrait.frame.shape[:2]
    shown = 0
    with (
        VideoWriter(out, width=width, height=height, sample_rate=OUT_SAMPLE_RATE, comment=COMMENT) as video,
        tqdm(total=round(probe(audio).duration * FPS), desc="animate", unit="frame") as bar,
    ):
        heard = stream_audio(audio, sample_rate=OUT_SAMPLE_RATE, block=OUT_SAMPLE_RATE)
        for generated in _frames(stream, audio):
            video.write(portrait.paste(generated))
            bar.update()
            if shown % round(FPS) == 0:  # a second of sound with every 25 pictures
                video.write_audio(next(heard, np.zeros(0, np.float32)))
            shown += 1
        for rest in heard:
            video.write_audio(rest)
        if not shown:
            raise UserError(f"audio={audio}: holds no sound")


def _frames(stream: FrameStream, audio: str) -> Iterator[np.ndarray]:
    """Generated crops (height, width, 3) uint8, one by one."""
    blocks = (stream.push(torch.from_numpy(block)) for block in stream_audio(audio))
    for chunk in chain(chain.from_iterable(blocks), stream.finish()):
        yield from (chunk * 255).round().byte().permute(0, 2, 3, 1).numpy()
