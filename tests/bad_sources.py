"""Forty recordings as people really have them: broken, odd or badly named. Made on the spot.

>>> make_bad_sources(folder, voice, sample_rate)  # {path: what has to become of it}
"""

import io
import os
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from PIL import Image

PLAYS = "plays"  # holds speech that can be heard: it must come through
LACKS = "lacks"  # is a recording, but nothing can be learnt from it: dropped with a reason
FAILS = "fails"  # cannot be read: set aside with a reason
ANY = "any"  # depends on how much of it is left

MICROSECOND = Fraction(1, 1_000_000)


def make_bad_sources(folder: Path, voice: np.ndarray, sample_rate: int) -> dict[Path, str]:
    """Write all of them; `voice` (samples,) is speech of two or three seconds."""
    folder.mkdir(parents=True)
    studio = Studio(folder, voice, sample_rate)
    return {
        path: fate for group in (pictures, sounds, names, broken, no_files) for path, fate in group(studio)
    }


class Studio:
    """Writes the same speech into whatever is asked for, each time a little different."""

    def __init__(self, folder: Path, voice: np.ndarray, sample_rate: int) -> None:
        self.folder, self.voice, self.sample_rate = folder, voice, sample_rate
        self.rng = np.random.default_rng(0)

    def sound(self) -> np.ndarray:
        """(samples,), never the same twice, or it would count as a copy."""
        return (self.voice + self.rng.normal(scale=1e-3, size=len(self.voice))).astype(np.float32)

    @property
    def duration(self) -> float:
        return len(self.voice) / self.sample_rate

    def at(self, fps: float) -> np.ndarray:
        return np.arange(round(self.duration * fps)) / fps

    def film(
        self,
        name: str,
        times: Iterable[float],
        *,
        sound: np.ndarray | None = None,
        size: tuple[int, int] = (96, 72),
        codec: str = "libx264",
        colours: str = "yuv420p",
        file: Any = None,
        container_format: str | None = None,
        prepare: Callable[[Any], None] = lambda stream: None,
    ) -> Path:
        """Pictures at `times` seconds and a track of `sound`."""
        path = self.folder / name
        with av.open(file or str(path), "w", format=container_format) as container:
            video: Any = container.add_stream(codec, rate=25)
            video.width, video.height, video.pix_fmt = *size, colours
            video.time_base = video.codec_context.time_base = (
                MICROSECOND if codec == "libx264" else Fraction(1, 25)
            )
            video.options = {"preset": "ultrafast"} if codec == "libx264" else {}
            prepare(video)
            audio: Any = None
            if sound is not None:
                audio = container.add_stream("mp2" if codec == "mpeg2video" else "aac", rate=self.sample_rate)
                audio.layout = "mono"
            for k, time in enumerate(times):
                picture = av.VideoFrame.from_ndarray(self._picture(k, size), format="rgb24")
                picture.pts = round(time / video.codec_context.time_base)
                picture.time_base = video.codec_context.time_base
                container.mux(video.encode(picture))
            container.mux(video.encode())
            if audio is not None:
                block = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
                block.sample_rate = self.sample_rate
                container.mux(audio.encode(block))
                container.mux(audio.encode())
        return path

    def _picture(self, number: int, size: tuple[int, int]) -> np.ndarray:
        picture = np.full((size[1], size[0], 3), 90, np.uint8)
        picture[:, number % size[0]] = 200
        return picture

    def wav(self, name: str, sound: np.ndarray, *, rate: int | None = None, subtype: str = "PCM_16") -> Path:
        path = self.folder / name
        soundfile.write(os.fsencode(path), sound, rate or self.sample_rate, subtype, format="WAV")
        return path


Fates = Iterator[tuple[Path, str]]


def pictures(studio: Studio) -> Fates:
    for name, fps in (("23.976.mp4", 24000 / 1001), ("29.97.mkv", 30000 / 1001), ("60.mp4", 60.0)):
        yield studio.film(name, studio.at(fps), sound=studio.sound()), PLAYS
    steps = np.cumsum(studio.rng.uniform(0.01, 0.09, round(studio.duration * 20)))
    yield studio.film("variable.mp4", [0.0, *steps], sound=studio.sound()), PLAYS
    yield studio.film("4K.mp4", studio.at(25)[:8], sound=studio.sound(), size=(3840, 2160)), PLAYS
    yield (
        studio.film("odd size.mkv", studio.at(25), sound=studio.sound(), size=(101, 77), colours="yuv444p"),
        PLAYS,
    )
    yield studio.film("one frame.mp4", [0.0]), LACKS
    yield studio.film("one frame and speech.mp4", [0.0], sound=studio.sound()), PLAYS
    yield studio.film("no sound.mp4", studio.at(25)), LACKS
    yield turn(studio.film("rotated.mp4", studio.at(25), sound=studio.sound())), PLAYS

    def interlaced(stream: Any) -> None:
        stream.codec_context.options = {"flags": "+ildct+ilme"}

    yield (
        studio.film(
            "interlaced.mpg", studio.at(25), sound=studio.sound(), codec="mpeg2video", prepare=interlaced
        ),
        PLAYS,
    )
    pipe = Pipe()
    path = studio.film(
        "no duration.mkv", studio.at(25), sound=studio.sound(), file=pipe, container_format="matroska"
    )
    path.write_bytes(pipe.getvalue())
    yield path, PLAYS


class Pipe(io.BytesIO):
    """What cannot go back to fill in the length."""

    def seekable(self) -> bool:
        return False

    seek = None  # type: ignore[assignment]


def turn(path: Path) -> Path:
    """Write into an MP4 that it was filmed upright."""
    plain = np.array([1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30], ">i4").tobytes()
    turned = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 72 << 16, 0, 1 << 30], ">i4").tobytes()
    content = path.read_bytes()
    at = content.index(plain, content.index(b"tkhd"))
    path.write_bytes(content[:at] + turned + content[at + len(turned) :])
    return path


def sounds(studio: Studio) -> Fates:
    yield studio.wav("8 bit.wav", studio.sound(), subtype="PCM_U8"), PLAYS
    yield studio.wav("7.1.wav", np.stack([studio.sound() for _ in range(8)], axis=1)), PLAYS
    yield studio.wav("other rate.wav", studio.sound(), rate=int(studio.sample_rate * 1.1)), PLAYS
    yield studio.wav("beyond full scale.wav", studio.sound() * 40, subtype="FLOAT"), ANY
    holes = studio.sound()
    holes[1000:1100], holes[2000] = np.nan, np.inf
    yield studio.wav("not numbers.wav", holes, subtype="FLOAT"), ANY
    yield studio.wav("no samples.wav", np.zeros(0)), LACKS
    yield studio.wav("one sample.wav", np.ones(1) * 0.5), LACKS
    yield studio.wav("silence.wav", np.zeros(2 * studio.sample_rate)), LACKS
    yield studio.wav("no video.mp4", studio.sound()), PLAYS
    cover = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(cover, "JPEG")
    yield studio.wav("wrong extension.mp3", studio.sound(), subtype="PCM_24"), PLAYS
    with av.open(str(studio.folder / "with cover.mp3"), "w") as container:
        audio = container.add_stream("mp3", rate=studio.sample_rate, layout="mono")
        picture = container.add_stream("mjpeg")
        picture.width = picture.height = 64
        picture.pix_fmt = "yuvj420p"
        picture.disposition = av.stream.Disposition.attached_pic
        packet = av.Packet(cover.getvalue())
        packet.stream, packet.pts, packet.dts, packet.time_base = picture, 0, 0, Fraction(1, 25)
        block = av.AudioFrame.from_ndarray(studio.sound()[None], format="fltp", layout="mono")
        block.sample_rate = studio.sample_rate
        packets = audio.encode(block) + audio.encode()
        container.mux([packet, *packets])
    yield studio.folder / "with cover.mp3", PLAYS


def names(studio: Studio) -> Fates:
    """Names that break shells, tables, logs, globs and JSON."""
    for name in (
        "  two  spaces .wav",
        "emoji 🎉 中文.wav",
        "new\nline\r\t.wav",
        '"it\'s" `quoted`; $(reboot) | & .wav',
        "100%% [0-9] *?.wav",
        "-rf --help.wav",
        ".hidden.WAV",
        "https:__not a URL=1&b=2.wav",
        "x" * 240 + ".wav",
        os.fsdecode(b"caf\xe9 \xff.wav"),
    ):
        yield studio.wav(name, studio.sound()), PLAYS


def broken(studio: Studio) -> Fates:
    whole = studio.film("whole.mp4", studio.at(25), sound=studio.sound())
    content = whole.read_bytes()
    whole.unlink()
    noise = studio.rng.bytes(20_000)
    middle = len(content) // 3
    for name, data, fate in (
        ("empty.mp4", b"", FAILS),
        ("truncated.mp4", content[: len(content) // 2], FAILS),
        ("garbage.mkv", noise, FAILS),
        ("text.mp4", b"These are my notes about the recording.\n" * 50, FAILS),
        ("subtitles.mp4", b"1\n00:00:00,000 --> 00:00:02,000\nHello there\n\n" * 9, FAILS),
        ("zeros.wav", bytes(5000), FAILS),
        ("a picture.mp4", _png(), LACKS),
        ("damaged in the middle.mp4", content[:middle] + noise[:3000] + content[middle + 3000 :], ANY),
    ):
        (studio.folder / name).write_bytes(data)
        yield studio.folder / name, fate
    half = studio.film("half.mkv", studio.at(25), sound=studio.sound())
    half.write_bytes(half.read_bytes()[: half.stat().st_size * 2 // 3])
    yield half, ANY


def _png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "PNG")
    return file.getvalue()


def no_files(studio: Studio) -> Fates:
    """What has the name of a recording and is none."""
    folder = studio.folder
    (folder / "folder.mp4").mkdir()
    (folder / "dangling.mp4").symlink_to(folder / "nowhere.mp4")
    (folder / "loop.mp4").symlink_to(folder / "loop.mp4")
    os.mkfifo(folder / "pipe.mp4")
    for name in ("folder.mp4", "dangling.mp4", "loop.mp4", "pipe.mp4"):
        yield folder / name, FAILS
    (folder / "up").symlink_to(folder)  # and a way in circles
    if os.geteuid():  # root may read everything
        path = studio.wav("locked.wav", studio.sound())
        path.chmod(0)
        yield path, FAILS
