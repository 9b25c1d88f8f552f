import io
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import soundfile
from material import click, clicks_in, number_of, numbers, stripes, write

from understudy.data.media import (
    FPS,
    SAMPLE_RATE,
    VideoWriter,
    probe,
    read_audio,
    read_frames,
    read_image,
    stream_audio,
)
from understudy.errors import UserError

MILLISECOND = Fraction(1, 1000)


def write_at(path: Path, times: Sequence[float], *, gop: int = 12) -> Path:
    """Picture k, which says k, at `times[k]` seconds."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 144, 32, "yuv420p"
        stream.time_base = stream.codec_context.time_base = MILLISECOND
        stream.codec_context.gop_size = gop
        for k, time in enumerate(times):
            picture = av.VideoFrame.from_ndarray(stripes(k), format="rgb24")
            picture.pts, picture.time_base = round(time * 1000), MILLISECOND
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def write_sound_at(path: Path, pieces: Sequence[tuple[float, np.ndarray]], *, pictures: int = 0) -> Path:
    """16 kHz sound whose pieces are stamped with `time`, beside pictures from time 0 on."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=25) if pictures else None
        if video:
            video.width, video.height, video.pix_fmt = 144, 32, "yuv420p"
        audio: Any = container.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        for k in range(pictures):
            container.mux(video.encode(av.VideoFrame.from_ndarray(stripes(k), format="rgb24")))
        if video:
            container.mux(video.encode())
        for time, samples in pieces:
            data = (samples * 32767).astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(data, format="s16", layout="mono")
            frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
            frame.pts = round(time * SAMPLE_RATE)
            for packet in audio.encode(frame):
                packet.pts = packet.dts = round(time * SAMPLE_RATE)
                packet.time_base = Fraction(1, SAMPLE_RATE)
                container.mux(packet)
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 s at 25 fps with several key frames, and clicks at 1.0, 3.5 and 7.2 s in AAC."""
    path = tmp_path_factory.mktemp("film") / "a film.mp4"
    sound = click(8 * SAMPLE_RATE, *(round(t * SAMPLE_RATE) for t in (1.0, 3.5, 7.2)))
    sound += np.random.default_rng(0).normal(scale=0.02, size=len(sound)).astype(np.float32)
    with VideoWriter(path, width=144, height=32, sample_rate=SAMPLE_RATE) as video:
        video.video.codec_context.gop_size = 40
        for k in range(200):
            video.write(stripes(k))
            video.write_audio(sound[k * 640 : (k + 1) * 640])
    return path


def irregular(duration: float) -> list[float]:
    """Times of pictures 10 to 90 ms apart, as phones write them in changing light."""
    rng = np.random.default_rng(0)
    times = [0.0]
    while times[-1] < duration:
        times.append(times[-1] + round(rng.uniform(0.010, 0.090), 3))
    return times


@pytest.mark.parametrize(
    "times",
    [
        pytest.param([k / 12 for k in range(60)], id="12 fps"),
        pytest.param([k / 25 for k in range(125)], id="25 fps"),
        pytest.param([k * 1001 / 30000 for k in range(450)], id="29.97 fps"),
        pytest.param([k / 60 for k in range(300)], id="60 fps"),
        pytest.param(irregular(5.0), id="variable"),
    ],
)
def test_any_rate_becomes_25_a_second_without_drift(times: list[float], tmp_path: Path) -> None:
    """Frame k is the last picture that has come by k / 25 and half a frame."""
    shown = numbers(read_frames(write_at(tmp_path / "film.mp4", times)))
    assert len(shown) == pytest.approx(times[-1] * FPS, abs=3)
    for k, number in enumerate(shown):
        assert times[number] <= k / FPS + 0.5 / FPS + 0.002
        if number + 1 < len(times):
            assert times[number + 1] >= k / FPS + 0.5 / FPS - 0.002


@pytest.mark.parametrize(("start", "end"), [(0.0, 2.0), (1.0, 2.0), (3.16, 3.2), (1.6, 7.0), (7.48, None)])
def test_a_window_of_pictures_is_a_slice(film: Path, start: float, end: float | None) -> None:
    first, last = round(start * FPS), 200 if end is None else round(end * FPS)
    assert numbers(read_frames(film, start=start, end=end)) == list(range(first, last))


def test_windows_of_pictures_have_the_bytes_of_the_whole(film: Path) -> None:
    whole = list(read_frames(film))
    assert len(whole) == 200
    for start, end in ((0.0, 1.0), (2.4, 3.6), (7.0, 8.0)):
        part = np.stack(list(read_frames(film, start=start, end=end)))
        assert np.array_equal(part, np.stack(whole[round(start * FPS) : round(end * FPS)]))


@pytest.mark.parametrize(("start", "end"), [(0.0, 2.0), (1.0, 2.0), (3.2, 4.8), (1.6, 7.0), (6.4, None)])
def test_a_window_of_sound_is_a_slice(film: Path, start: float, end: float | None) -> None:
    last = None if end is None else round(end * SAMPLE_RATE)
    expected = read_audio(film)[round(start * SAMPLE_RATE) : last]
    found = read_audio(film, start=start, end=end)
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("block", [1, 640, 4096, 16000, 10**7])
def test_sound_in_blocks_is_the_same_sound(film: Path, block: int) -> None:
    if block == 1:
        end = 0.1
        blocks = list(stream_audio(film, block=block, end=end))
    else:
        end = None
        blocks = list(stream_audio(film, block=block))
    assert all(len(b) == block for b in blocks[:-1])
    assert np.array_equal(np.concatenate(blocks), read_audio(film, end=end))


def test_clicks_are_where_they_were(film: Path) -> None:
    for found, said in zip(clicks_in(read_audio(film)), (1.0, 3.5, 7.2), strict=True):
        assert found / SAMPLE_RATE == pytest.approx(said, abs=0.002)


@pytest.mark.parametrize(
    ("rate", "channels", "subtype"),
    [
        (8000, 1, "PCM_16"),
        (11025, 1, "PCM_U8"),
        (16000, 1, "PCM_16"),
        (44100, 2, "PCM_16"),
        (44100, 2, "PCM_U8"),
        (48000, 2, "PCM_24"),
        (96000, 6, "FLOAT"),
    ],
)
def test_any_wav_becomes_16_khz_mono(rate: int, channels: int, subtype: str, tmp_path: Path) -> None:
    time = np.arange(2 * rate) / rate
    tone = 0.5 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(tmp_path / "a.wav", np.tile(tone[:, None], (1, channels)), rate, subtype)
    sound = read_audio(tmp_path / "a.wav")
    assert sound.dtype == np.float32
    assert len(sound) == pytest.approx(2 * SAMPLE_RATE, abs=16)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(sound)) / SAMPLE_RATE)
    inside = slice(400, -400)
    np.testing.assert_allclose(sound[inside], expected[inside], atol=0.02)


def test_sound_that_begins_late_stays_with_its_picture(tmp_path: Path) -> None:
    path = write_sound_at(tmp_path / "late.mkv", [(0.6, click(SAMPLE_RATE, 3200))], pictures=50)
    (found,) = clicks_in(read_audio(path))
    assert found / SAMPLE_RATE == pytest.approx(0.8, abs=0.002)
    (again,) = clicks_in(read_audio(path, start=0.4))
    assert again / SAMPLE_RATE == pytest.approx(0.4, abs=0.002)


def test_pictures_that_begin_late_stay_with_their_sound(tmp_path: Path) -> None:
    """Time zero is the container's: the first picture is held back, and frame k still shows k / 25."""
    path = tmp_path / "late.mkv"
    times = [0.4 + k / 25 for k in range(50)]
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 144, 32, "yuv420p"
        video.time_base = video.codec_context.time_base = MILLISECOND
        audio: Any = container.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        silence = np.zeros((1, 3 * SAMPLE_RATE), np.int16)
        frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, 0
        container.mux(audio.encode(frame))
        for k, time in enumerate(times):
            picture = av.VideoFrame.from_ndarray(stripes(k), format="rgb24")
            picture.pts, picture.time_base = round(time * 1000), MILLISECOND
            container.mux(video.encode(picture))
        container.mux(video.encode())
    shown = numbers(read_frames(path))
    assert shown[10:40] == list(range(30))
    assert set(shown[:10]) == {0}


def test_stamps_that_overlap_do_not_push_the_sound_away(tmp_path: Path) -> None:
    """Two pieces cut together: the second begins 0.1 s before the first ends."""
    pieces = [(0.0, click(SAMPLE_RATE, 8000)), (0.9, click(SAMPLE_RATE, 8000))]
    sound = read_audio(write_sound_at(tmp_path / "cut.mkv", pieces, pictures=50))
    first, second = clicks_in(sound)
    assert first / SAMPLE_RATE == pytest.approx(0.5, abs=0.002)
    assert second / SAMPLE_RATE == pytest.approx(1.4, abs=0.002)


def test_a_gap_in_the_stamps_is_silence(tmp_path: Path) -> None:
    pieces = [(0.0, click(SAMPLE_RATE // 2, 4000)), (1.5, click(SAMPLE_RATE // 2, 4000))]
    first, second = clicks_in(read_audio(write_sound_at(tmp_path / "gap.mkv", pieces, pictures=50)))
    assert first / SAMPLE_RATE == pytest.approx(0.25, abs=0.002)
    assert second / SAMPLE_RATE == pytest.approx(1.75, abs=0.002)


def test_probe_says_what_is_there(film: Path, tmp_path: Path) -> None:
    info = probe(film)
    assert (info.width, info.height, info.fps, info.sample_rate) == (144, 32, FPS, SAMPLE_RATE)
    assert info.duration == pytest.approx(8.0, abs=0.1)
    soundfile.write(tmp_path / "a.wav", np.zeros(8000), 16000)
    wav = probe(tmp_path / "a.wav")
    assert (wav.has_video, wav.has_audio, wav.duration) == (False, True, 0.5)
    mute = probe(write(tmp_path / "mute.mp4", [stripes(k) for k in range(10)], None))
    assert (mute.has_video, mute.has_audio) == (True, False)


def readers() -> list[Callable[[Path], Any]]:
    return [probe, lambda path: list(read_frames(path)), read_audio, read_image]


def broken(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("read", readers())
def test_what_is_no_recording_is_said_in_a_line(
    read: Callable[[Path], Any], film: Path, tmp_path: Path
) -> None:
    whole = film.read_bytes()
    for path in (
        tmp_path / "missing.mp4",
        tmp_path,
        broken(tmp_path / "empty.mp4", b""),
        broken(tmp_path / "truncated.mp4", whole[: len(whole) // 2]),
        broken(tmp_path / "text.mp4", b"These are my notes.\n" * 50),
        broken(tmp_path / "noise.mp4", np.random.default_rng(0).bytes(5000)),
    ):
        with pytest.raises(UserError, match=path.name) as raised:
            read(path)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("seed", range(12))
def test_damage_in_the_middle_is_survived_or_said(film: Path, seed: int, tmp_path: Path) -> None:
    content = bytearray(film.read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(100, len(content), 40):
        content[place] = rng.integers(256)
    path = broken(tmp_path / "damaged.mp4", bytes(content))
    for read in readers():
        with suppress(UserError):  # and nothing else
            read(path)


def test_what_a_file_lacks_is_named(film: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(8000), 16000)
    with pytest.raises(UserError, match="holds no video"):
        list(read_frames(tmp_path / "a.wav"))
    mute = write(tmp_path / "mute.mp4", [stripes(k) for k in range(10)], None)
    with pytest.raises(UserError, match="holds no sound"):
        read_audio(mute)


@pytest.mark.parametrize("name", ["a still.png", "a still.jpg"])
def test_a_still_is_read_as_it_is(name: str, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 40, 3), np.uint8)
    picture = cv2.GaussianBlur(picture, (0, 0), 4)
    assert cv2.imwrite(str(tmp_path / name), picture[:, :, ::-1])
    found = read_image(tmp_path / name)
    assert found.shape == (60, 40, 3)
    assert np.abs(found.astype(int) - picture).mean() < (0.1 if name.endswith("png") else 4)


def test_written_and_read_back(tmp_path: Path) -> None:
    sound = click(2 * SAMPLE_RATE, 8000, 24000)
    path = write(tmp_path / "deep" / "a b.mp4", [stripes(k) for k in range(50)], sound)
    assert numbers(read_frames(path)) == list(range(50))
    found = list(clicks_in(read_audio(path)))
    assert found == pytest.approx([8000, 24000], abs=32)
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert audio.codec_context.name == "aac"
    assert list(path.parent.iterdir()) == [path]


def interrupted(path: Path) -> None:
    with VideoWriter(path, width=144, height=32, sample_rate=SAMPLE_RATE) as video:
        video.write(stripes(9))
        video.write_audio(np.zeros(640, np.float32))
        raise RuntimeError("stop")


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stop"):
        interrupted(tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_the_older_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [stripes(k) for k in range(5)], None)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="stop"):
        interrupted(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


FULL = """
import sys
import numpy as np
from understudy.__main__ import readable_errors
from understudy.data.media import VideoWriter
rng = np.random.default_rng(0)
with readable_errors(), VideoWriter(sys.argv[1], width=320, height=320, sample_rate=16000) as video:
    for _ in range(int(sys.argv[2])):
        video.write(rng.integers(0, 256, (320, 320, 3), np.uint8))
        video.write_audio(np.zeros(640, np.float32))
"""


@pytest.mark.parametrize("frames", [1, 2, 40])
def test_a_disk_that_is_full(frames: int, tmp_path: Path) -> None:
    """Whether it fills up while frames come or only when the file is closed."""

    def small_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        [sys.executable, "-B", "-c", FULL, str(tmp_path / "a.mp4"), str(frames)],
        preexec_fn=small_disk,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert list(tmp_path.iterdir()) == []
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert "nothing half-written" in line


def test_a_turned_recording_stands_upright(tmp_path: Path) -> None:
    """As phones write it: lying on its side, with a note that says so."""
    upright = np.zeros((64, 48, 3), np.uint8)
    upright[:20, :, 0] = 255  # red on top
    with av.open(str(tmp_path / "lying.mp4"), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            lying = np.ascontiguousarray(np.rot90(upright))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(lying, format="rgb24")))
        container.mux(stream.encode())
    content = bytearray((tmp_path / "lying.mp4").read_bytes())
    plain = np.array([1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30], ">i4").tobytes()
    turned = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30], ">i4").tobytes()
    at = content.index(plain, content.index(b"tkhd"))
    content[at : at + 36] = turned
    path = broken(tmp_path / "turned.mp4", bytes(content))
    picture = next(read_frames(path))
    assert picture.shape == (64, 48, 3)
    assert picture[:15, :, 0].mean() > 200 > 60 > picture[40:].mean()


def test_stripes_survive_the_codec(film: Path) -> None:
    """What the tests above rest on."""
    assert [number_of(stripes(k)) for k in range(512)] == list(range(512))


def test_a_stream_without_a_length_in_its_header_is_measured(tmp_path: Path) -> None:
    class Pipe(io.BytesIO):
        """What cannot go back to fill in the length."""

        def seekable(self) -> bool:
            return False

    pipe = Pipe()
    pipe.seek = None  # type: ignore[assignment, method-assign]
    with av.open(pipe, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(40):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    path = tmp_path / "streamed.mkv"
    path.write_bytes(pipe.getvalue())
    with av.open(str(path)) as container:
        assert not container.duration
    assert probe(path).duration == pytest.approx(1.6, abs=0.05)
