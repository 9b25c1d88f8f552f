"""Pictures and sound in and out of files, through PyAV: no ffmpeg binary is needed.

Every function shares one time zero, the container's start, so frame `k` at `k / fps` and sample
`n` at `n / sample_rate` are in step whatever the file's own rates and offsets are.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Self

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from PIL import Image, ImageOps

from understudy.errors import UserError

Seconds = float

SAMPLE_RATE = 16000  # mono; of everything that listens: ASR, speakers, SDA
FPS = 25.0
SAMPLES_PER_FRAME = round(SAMPLE_RATE / FPS)


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds; sizes and rates are 0 where there is no such stream."""

    duration: Seconds
    width: int
    height: int
    fps: float
    sample_rate: int

    @property
    def has_video(self) -> bool:
        return self.width > 0

    @property
    def has_audio(self) -> bool:
        return self.sample_rate > 0


def _open(path: Path | str) -> InputContainer:
    try:
        return av.open(str(path), metadata_errors="ignore")
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except (av.error.FFmpegError, OSError) as error:
        raise UserError(
            f"{path}: cannot be read as sound or video ({error.strerror}); "
            "give a file that a media player opens"
        ) from None


def _stream(streams: Iterable[Any]) -> Any:
    """The first of `streams` for which there is a decoder, or None; a record's cover is no video."""
    cover = Disposition.attached_pic
    return next((s for s in streams if s.codec_context and not s.disposition & cover), None)


def _time_zero(container: InputContainer) -> Seconds:
    return (container.start_time or 0) / av.time_base


def probe(path: Path | str) -> MediaInfo:
    """What `path` holds. Raises `UserError` for anything that is not sound or video."""
    with _open(path) as container:
        video, audio = _stream(container.streams.video), _stream(container.streams.audio)
        duration = (container.duration or 0) / av.time_base
        if duration <= 0:  # browsers and pipes write no length
            duration = _last_time(container)
        return MediaInfo(
            duration=duration,
            width=video.codec_context.width if video else 0,
            height=video.codec_context.height if video else 0,
            fps=float(video.average_rate or 0) if video else 0.0,
            sample_rate=audio.codec_context.sample_rate if audio else 0,
        )


def _last_time(container: InputContainer) -> Seconds:
    """When the last packet ends; reads the file to its end."""
    end = 0.0
    with suppress(av.error.FFmpegError):
        for packet in container.demux():
            if packet.pts is not None and packet.time_base is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return max(end - _time_zero(container), 0.0)


def _decode(container: InputContainer, stream: Any, start: Seconds) -> Iterator[Any]:
    """Frames of one stream from shortly before `start`; damaged packets are passed over."""
    try:
        if start > 0:
            container.seek(int((start + _time_zero(container)) * av.time_base))
        for packet in container.demux(stream):
            with suppress(av.error.FFmpegError):
                yield from packet.decode()
    except av.error.FFmpegError as error:
        raise UserError(
            f"{container.name}: is damaged ({error.strerror}); repair it or leave it out"
        ) from None


def read_frames(
    path: Path | str,
    *,
    start: Seconds = 0.0,
    end: Seconds | None = None,
    fps: float = FPS,
    size: tuple[int, int] | None = None,
) -> Iterator[np.ndarray]:
    """RGB uint8 frames (height, width, 3) at constant `fps`; frame k is what shows at start + k / fps.

    `size` is a width and a height to shrink to, and cheaper than shrinking afterwards.

    A slower source repeats pictures and a faster one skips some, so nothing drifts at 29.97 or
    variable rates. Memory does not grow with length.
    """
    with _open(path) as container:
        stream = _stream(container.streams.video)
        if stream is None:
            raise UserError(f"{path}: holds no video; give a file with pictures")
        stream.thread_type = "AUTO"
        zero = _time_zero(container)
        reformatter = VideoReformatter()  # one for all: each sets up tables of its own
        half = 0.5 / fps  # nearest picture: containers round their time stamps
        last_shown = 1.0 / float(stream.average_rate or fps)
        count = 0
        current: av.VideoFrame | None = None
        time = 0.0
        for frame in chain(_decode(container, stream, start), [None]):
            if frame is not None and frame.pts is None:
                continue
            time = time + last_shown if frame is None else float(frame.pts * frame.time_base) - zero
            picture: np.ndarray | None = None
            while current is not None and start + count / fps + half < time:
                if end is not None and start + count / fps >= end - half:
                    return
                # only now: most of what is decoded on the way to `start` is never shown
                picture = _to_rgb(current, reformatter, size) if picture is None else picture
                yield picture
                count += 1
            current = frame


def _to_rgb(frame: av.VideoFrame, reformatter: VideoReformatter, size: tuple[int, int] | None) -> np.ndarray:
    turns = round(frame.rotation / 90) % 4
    width, height = size or (None, None)
    if turns % 2:
        width, height = height, width
    way = "AREA" if size else "BILINEAR"
    pixels = reformatter.reformat(frame, width, height, format="rgb24", interpolation=way).to_ndarray()
    return np.ascontiguousarray(np.rot90(pixels, turns))  # rows with gaps are misread by others' native code


def stream_audio(
    path: Path | str,
    *,
    sample_rate: int = SAMPLE_RATE,
    start: Seconds = 0.0,
    end: Seconds | None = None,
    block: int = SAMPLE_RATE,
) -> Iterator[np.ndarray]:
    """Mono float32 blocks (block,), the last one shorter, of any length of sound in constant memory."""
    with _open(path) as container:
        stream = _stream(container.streams.audio)
        if stream is None:
            raise UserError(f"{path}: holds no sound; give a file with an audio track")
        first = round(start * sample_rate)  # indices count from the container's start
        last = None if end is None else round(end * sample_rate)
        buffer = np.zeros(0, np.float32)
        for index, samples in _placed_samples(container, stream, sample_rate, start):
            # what overlaps is dropped and what is missing is silence: sound stays with its picture
            gap = index - (first + len(buffer))
            samples = samples[-gap:] if gap < 0 else np.pad(samples, (gap, 0))
            buffer = np.concatenate([buffer, samples])
            while len(buffer) >= block and (last is None or first + block <= last):
                yield buffer[:block]
                buffer = buffer[block:]
                first += block
            if last is not None and first + len(buffer) >= last:
                break
        rest = buffer if last is None else buffer[: last - first]
        if len(rest):
            yield rest


def _placed_samples(
    container: InputContainer, stream: Any, sample_rate: int, start: Seconds
) -> Iterator[tuple[int, np.ndarray]]:
    """Resampled mono pieces and the index at which each belongs by its time stamp.

    Recordings that were cut together have stamps that overlap or leave gaps; counting samples
    alone would let the sound drift away from the picture.
    """
    zero = _time_zero(container)
    resampler: av.AudioResampler | None = None
    kind: tuple[Any, ...] = ()
    index, expected = 0, 0.0
    for frame in _decode(container, stream, start):
        if frame.pts is None:
            continue
        time = float(frame.pts * frame.time_base) - zero
        now = (frame.format.name, frame.layout.name, frame.sample_rate)  # broadcasts change it
        if resampler is None or now != kind or abs(time - expected) > 0.002:
            for piece in resampler.resample(None) if resampler else ():
                yield index, _to_mono(piece)
            # packed: PyAV reads beyond the planes of frames with eight channels and more
            resampler = av.AudioResampler(format="flt", layout=frame.layout, rate=sample_rate)
            kind = now
            index = round(time * sample_rate)
            expected = time
        expected += frame.samples / frame.sample_rate
        for piece in resampler.resample(frame):
            samples = _to_mono(piece)
            yield index, samples
            index += len(samples)
    for piece in resampler.resample(None) if resampler else ():
        yield index, _to_mono(piece)


def _to_mono(piece: av.AudioFrame) -> np.ndarray:
    """The mean of the channels: FFmpeg's own sum is louder than what goes in, beyond full scale."""
    mono = piece.to_ndarray().reshape(-1, piece.layout.nb_channels).mean(axis=1)
    return np.nan_to_num(mono, nan=0.0, posinf=0.0, neginf=0.0)  # float files can hold such samples


def read_audio(
    path: Path | str,
    *,
    sample_rate: int = SAMPLE_RATE,
    start: Seconds = 0.0,
    end: Seconds | None = None,
) -> np.ndarray:
    """Mono float32 (samples,) in [-1, 1] between `start` and `end`."""
    blocks = list(stream_audio(path, sample_rate=sample_rate, start=start, end=end))
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def read_image(path: Path | str) -> np.ndarray:
    """RGB uint8 (height, width, 3) of a still picture, turned as the camera was held."""
    try:
        with Image.open(path) as picture:
            return np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read as a picture ({error}); give a PNG or a JPEG") from None


class VideoWriter:
    """Writes H.264 and AAC into an MP4 that appears under its name only when it is complete.

    Feed pictures and sound in step: what is ahead waits in memory for the other.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        width: int,
        height: int,
        fps: float = FPS,
        sample_rate: int | None = None,
        crf: int = 18,
        comment: str = "",
    ) -> None:
        assert width % 2 == height % 2 == 0, "H.264 with 4:2:0 colour needs even sizes"
        self.path = Path(path)
        self.partial = self.path.with_name(f".{self.path.stem}.partial.mp4")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.container = av.open(str(self.partial), "w", format="mp4")
        if comment:
            self.container.metadata["comment"] = comment
        self.video: Any = self.container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        self.video.width, self.video.height, self.video.pix_fmt = width, height, "yuv420p"
        self.video.options = {"crf": str(crf), "preset": "veryfast"}
        self.audio: Any = None
        if sample_rate:
            self.audio = self.container.add_stream("aac", rate=sample_rate, layout="mono")
            self.audio.bit_rate = 128_000
        self.samples = 0

    def write(self, frame: np.ndarray) -> None:
        """One RGB uint8 picture (height, width, 3)."""
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        self.container.mux(self.video.encode(picture))

    def write_audio(self, samples: np.ndarray) -> None:
        """Mono float32 (samples,) in [-1, 1]."""
        if not len(samples):
            return
        planar = np.ascontiguousarray(samples, np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(planar, format="fltp", layout="mono")
        frame.sample_rate = self.audio.rate
        frame.pts, frame.time_base = self.samples, Fraction(1, self.audio.rate)
        self.samples += len(samples)
        self.container.mux(self.audio.encode(frame))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        try:
            if failed is None:
                self.container.mux(self.video.encode())
                if self.audio:
                    self.container.mux(self.audio.encode())
            self.container.close()
            if failed is None:
                os.replace(self.partial, self.path)
        finally:
            self.partial.unlink(missing_ok=True)
