"""Small real recordings, made on the spot: a puppet that babbles, with hiss that follows its lips."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from understudy.data.demo.looks import LOOKS
from understudy.data.demo.motion import perform
from understudy.data.demo.puppet import Puppet
from understudy.data.demo.voice import Phone
from understudy.data.media import FPS, SAMPLE_RATE, VideoWriter

SAMPLES = round(SAMPLE_RATE / FPS)
WIDTH, HEIGHT = 192, 208
PHONE = 0.14  # seconds


def babble(frames: int, *, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Pictures (208, 192, 3) of a puppet and the sound (frames * 640,) that belongs to them."""
    rng = np.random.default_rng(seed)
    symbols = rng.choice(list("ɑɛiumsfpɑæ"), int(frames / FPS / PHONE) + 2)
    phones = [Phone(str(s), k * PHONE, (k + 1) * PHONE) for k, s in enumerate(symbols)]
    puppet = Puppet(LOOKS["one"], width=WIDTH, height=HEIGHT)
    poses = perform(phones, frames, seed=seed)
    opening = np.array([puppet.opening(pose) for pose in poses])
    at = np.arange(frames * SAMPLES) / SAMPLES - 0.5
    gain = 0.01 + 0.3 * np.interp(at, np.arange(frames), opening / opening.max())
    sound = rng.standard_normal(len(at)) * gain * 0.3
    return [puppet.render(pose)[0] for pose in poses], sound.astype(np.float32)


def write(path: Path, frames: Iterable[np.ndarray], sound: np.ndarray | None) -> Path:
    """Pictures at 25 fps and 16 kHz sound as MP4."""
    pictures = list(frames)
    height, width = pictures[0].shape[:2]
    rate = None if sound is None else SAMPLE_RATE
    with VideoWriter(path, width=width, height=height, sample_rate=rate) as video:
        for k, picture in enumerate(pictures):
            video.write(picture)
            if sound is not None:
                video.write_audio(sound[k * SAMPLES : (k + 1) * SAMPLES])
    return path


def stripes(number: int, *, bits: int = 9, height: int = 32) -> np.ndarray:
    """A picture (height, bits * 16, 3) that says its number in black and white columns."""
    row = np.repeat([255 * (number >> bit & 1) for bit in range(bits)], 16).astype(np.uint8)
    return np.tile(row[None, :, None], (height, 1, 3))


def number_of(picture: np.ndarray) -> int:
    """What `stripes` was given, from a picture that has been through a codec."""
    white = picture.mean(axis=(0, 2)).reshape(-1, 16).mean(axis=1) > 128
    return int(sum(int(bit) << place for place, bit in enumerate(white)))


def numbers(pictures: Iterable[np.ndarray]) -> list[int]:
    return [number_of(picture) for picture in pictures]


def files_under(folder: Path, *, but: Sequence[str] = ()) -> dict[str, bytes]:
    """Every file's bytes by its path, but those of some names."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in but
    }


def click(length: int, *at: int) -> np.ndarray:
    """Silence (length,) with short bursts that begin at the given samples."""
    sound = np.zeros(length, np.float32)
    for place in at:
        sound[place : place + 20] = 0.9
    return sound


def clicks_in(sound: np.ndarray) -> Iterator[int]:
    """Where bursts begin: the first loud sample after at least 100 that are not."""
    loud = np.flatnonzero(np.abs(sound) > 0.3)
    yield from (int(n) for k, n in enumerate(loud) if k == 0 or n - loud[k - 1] > 100)
