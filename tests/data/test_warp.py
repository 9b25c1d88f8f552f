"""Synthetic speech on the timing of a recording."""

from pathlib import Path

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from understudy.data.warp import alignment, warp
from understudy.errors import UserError


def speech(frames: int, seed: int) -> np.ndarray:
    """Log-mels (80, frames) that change as those of speech do, quiet at both ends."""
    sounds = np.random.default_rng(seed).normal(size=(80, frames))
    mel = 20 * gaussian_filter(sounds, (6, 3)) - 4
    mel[:, :15] = mel[:, -20:] = -10
    return mel.astype(np.float32)


def stretched(mel: np.ndarray, positions: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(positions, np.arange(mel.shape[1]), band) for band in mel]).astype(np.float32)


def varying(frames: int, depth: float) -> np.ndarray:
    """Places that are passed now faster, now slower, up to `1 + depth` times."""
    speed = 1 + depth * np.sin(np.linspace(0, 4 * np.pi, frames))
    places = np.cumsum(speed)
    return (places - places[0]) / (places[-1] - places[0]) * (frames - 1)


@pytest.mark.parametrize("depth", [0.0, 0.3, 0.5])
def test_a_varying_tempo_is_undone(depth: float) -> None:
    real = speech(300, seed=1)
    positions = varying(300, depth)
    found = alignment(real, stretched(real, positions))
    assert np.abs(found - positions)[15:-20].max() <= 2
    assert np.median(np.abs(found - positions)) < 0.5


def test_the_warped_mel_is_what_it_was_laid_onto() -> None:
    real = speech(300, seed=2)
    slower = stretched(real, np.interp(np.arange(420), np.linspace(0, 419, 300), varying(300, 0.2)))
    back = warp(slower, real)
    assert back.shape == real.shape
    assert np.abs(back - real).mean() < 0.3 * np.abs(real - real.mean(axis=1, keepdims=True)).mean()


def test_another_room_and_another_scale_of_the_logarithm_do_not_matter() -> None:
    real = speech(250, seed=3)
    positions = varying(250, 0.3)
    room = np.linspace(-2, 2, 80, dtype=np.float32)[:, None]
    found = alignment(real / np.log(10), (stretched(real, positions) + room) / np.log(10))
    assert np.abs(found - positions)[15:-20].max() <= 3


def test_silence_around_the_speech_may_be_of_any_length() -> None:
    real = speech(200, seed=4)
    silence = np.full((80, 150), -10, np.float32)
    longer = np.concatenate([silence, real, silence[:, :60]], axis=1)
    assert np.abs(alignment(real, longer)[165:-80] - np.arange(15, 180)).max() <= 1
    assert np.abs(warp(longer, real)[:, 15:-20] - real[:, 15:-20]).max() < 0.1


def test_speech_of_quite_another_duration_is_refused() -> None:
    with pytest.raises(UserError, match=r"265 frames of speech onto 8\d: would be more than 2 times"):
        warp(speech(300, seed=5), speech(120, seed=5))


@settings(max_examples=15)
@given(frames=st.integers(60, 160), other=st.integers(60, 160), seed=st.integers(0, 99))
def test_time_never_goes_back_nor_too_fast(frames: int, other: int, seed: int) -> None:
    try:
        found = alignment(speech(frames, seed), speech(other, seed + 1))
    except UserError:
        return
    assert found.shape == (other,)
    assert found[0] >= 0
    assert found[-1] <= frames - 1
    assert (np.diff(found) >= 0).all()
    inner = np.diff(found[16:-21])
    assert inner.min() >= 0.5 - 1e-6
    assert inner.max() <= 2 + 1e-6


def test_a_real_sentence_said_slower_by_half(corpus: Path) -> None:
    """The phase vocoder changes the tempo and nothing else."""
    path = next(path for path in sorted((corpus / "speech").rglob("*")) if path.suffix in (".wav", ".flac"))
    samples, rate = librosa.load(path, sr=16000, duration=4.0)

    def mel(sound: np.ndarray) -> np.ndarray:
        power = librosa.feature.melspectrogram(y=sound, sr=rate, n_fft=1024, hop_length=256, power=1)
        return np.log(np.maximum(power, 1e-5))

    faster, real = mel(librosa.effects.time_stretch(samples, rate=1.5)), mel(samples)
    found = alignment(faster, real)
    expected = np.arange(real.shape[1]) / 1.5
    assert np.percentile(np.abs(found - expected), 95) <= 2
