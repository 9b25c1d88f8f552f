"""The verb `animate`: a picture and speech become a video, in constant memory for any length."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from tqdm import tqdm

from understudy.data.landmarks import Landmarker
from understudy.data.media import FPS, MediaInfo, VideoWriter, probe, stream_audio
from understudy.errors import UserError
from understudy.models.sda import FrameStream
from understudy.stream.portrait import open_portrait
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
    chunk: int = 5,
    face: int | None = None,
    max_height: int = 1080,
    seed: int = 0,
    threads: int | None = None,
) -> int:
    """Write `out`, an MP4 of the face in `image` saying what is in `audio`, or `text` in the twin's voice."""
    if (audio is None) == (text is None):
        raise UserError("what is to be said? give one of audio=FILE and text=TEXT")
    if threads:
        torch.set_num_threads(threads)
    if text is not None:
        with TemporaryDirectory() as folder:
            spoken = str(Path(folder) / "spoken.wav")
            speak(twin=twin, text=text, out=spoken)
            return animate(
                twin=twin,
                image=image,
                out=out,
                landmarker=landmarker,
                audio=spoken,
                chunk=chunk,
                face=face,
                max_height=max_height,
                seed=seed,
            )
    assert audio is not None
    generator = load_generator(twin)
    sound = _check_audio(audio)
    if Path(out).suffix.lower() != ".mp4":
        raise UserError(f"out={out}: what is written is an MP4; give a name that ends in .mp4")
    portrait = open_portrait(image, generator, landmarker, face, max_height)
    stream = FrameStream(generator, portrait.identity, chunk=chunk, seed=seed)
    height, width = portrait.frame.shape[:2]
    shown = 0
    with (
        VideoWriter(out, width=width, height=height, sample_rate=OUT_SAMPLE_RATE, comment=COMMENT) as video,
        tqdm(total=round(sound.duration * FPS), desc="animate", unit="frame") as bar,
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
    print(f"video  {out}")
    return 0


def _frames(stream: FrameStream, audio: str) -> Iterator[np.ndarray]:
    """Generated crops (height, width, 3) uint8, one by one."""
    blocks = (stream.push(torch.from_numpy(block)) for block in stream_audio(audio))
    for chunk in chain(chain.from_iterable(blocks), stream.finish()):
        yield from (chunk * 255).round().byte().permute(0, 2, 3, 1).numpy()


def _check_audio(path: str) -> MediaInfo:
    info = probe(path)
    if not info.has_audio or info.duration <= 0:
        raise UserError(f"audio={path}: holds no sound; give a WAV, MP3, M4A, FLAC or a video")
    return info
