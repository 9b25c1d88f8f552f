from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from understudy.data.demo.voice import VOICES, speak
from understudy.data.executors import LocalPool
from understudy.data.manifest import Clip
from understudy.data.measure import (
    Measure,
    clipping,
    dnsmos,
    fingerprint,
    loudness,
    signal_to_noise,
    tonality,
)
from understudy.data.media import SAMPLE_RATE
from understudy.data.stage import run_stage

TIME = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """Four seconds or so of a synthetic voice at 16 kHz."""
    said = speak("The boat leaves at seven from the old harbour, so do not be late.", voice=VOICES["one"])
    return resample_poly(said.samples, 2, 3).astype(np.float32)


def noise(length: int, level: float) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=level, size=length).astype(np.float32)


def test_loudness_is_that_of_the_standard() -> None:
    tone = np.sin(2 * np.pi * 997 * TIME).astype(np.float32)
    assert loudness(tone * 10 ** (-20 / 20)) == pytest.approx(-23.0, abs=0.1), "EBU Tech 3341, case 1 in mono"
    assert loudness(np.zeros(100, np.float32)) == -70.0


def test_flat_tops_are_clipping_at_any_level(voice: np.ndarray) -> None:
    assert clipping(voice) < 0.0005
    peak = np.abs(voice).max()
    hard = voice.clip(-0.3 * peak, 0.3 * peak)
    assert clipping(hard) > 0.01
    assert clipping(hard * 0.1) == pytest.approx(clipping(hard), rel=0.05)
    assert clipping(np.zeros(100, np.float32)) == 0.0


def test_held_notes_are_tonal_and_speech_is_not(voice: np.ndarray) -> None:
    chord = sum(np.sin(2 * np.pi * f * TIME) for f in (262, 330, 392)).astype(np.float32)
    assert tonality(voice) < 0.5
    assert tonality(chord) > 0.95


@pytest.mark.parametrize("decibels", [0, 10, 30])
def test_signal_to_noise(decibels: int) -> None:
    speech = np.arange(1000) % 100 < 60
    rng = np.random.default_rng(0)
    power = rng.exponential(size=1000) * 0.01 + speech * rng.exponential(size=1000) * 0.01 * 10 ** (
        decibels / 10
    )
    assert signal_to_noise(power, speech) == pytest.approx(decibels, abs=3.0)


def test_signal_to_noise_without_pauses_or_speech() -> None:
    assert signal_to_noise(np.ones(100), np.zeros(100, bool)) == 0.0
    assert signal_to_noise(
        np.concatenate([np.ones(95), np.full(5, 1e-3)]), np.ones(100, bool)
    ) == pytest.approx(30, abs=1)


def test_ratings_fall_with_noise(voice: np.ndarray) -> None:
    for model in ("p808", "p835"):
        assert dnsmos(voice, model) > dnsmos(voice + noise(len(voice), 0.1), model) + 0.3  # type: ignore[arg-type]


def test_copies_are_near_and_other_sentences_are_not(voice: np.ndarray) -> None:
    other = resample_poly(speak("She sells sea shells on the shore.", voice=VOICES["one"]).samples, 2, 3)
    this = fingerprint(voice)
    assert np.linalg.norm(this) == pytest.approx(1.0, abs=1e-5)
    assert this @ fingerprint(voice * 0.2 + noise(len(voice), 0.0005)) > 0.98
    assert this @ fingerprint(other.astype(np.float32)) < 0.9


def test_every_clip_gets_its_numbers(voice: np.ndarray, tmp_path: Path) -> None:
    quiet = noise(SAMPLE_RATE, 0.001)
    sound = np.concatenate([quiet, voice, quiet])
    soundfile.write(tmp_path / "a.wav", sound, SAMPLE_RATE)
    heard = np.zeros(len(sound) // 512 + 1, np.float16)
    heard[SAMPLE_RATE // 512 : -(SAMPLE_RATE // 512)] = 1
    np.save(tmp_path / "speech.npy", heard)
    end = (len(sound) - SAMPLE_RATE) / SAMPLE_RATE
    clip = Clip(
        "a", "a", 1.0, end, {"audio": "a.wav", "audio_full": "a.wav", "speech": "speech.npy", "text": "kept"}
    )
    (measured,), report = run_stage(Measure(), [clip], tmp_path, LocalPool(workers=1))
    assert not report.failed
    assert measured["loudness"] == pytest.approx(loudness(voice), abs=0.3)
    assert measured["snr"] > 25
    assert measured["peak"] == pytest.approx(20 * np.log10(np.abs(voice).max()), abs=0.1)
    assert 1 < measured["dnsmos"] < 5
    assert np.load(tmp_path / measured["fingerprint"]).shape == fingerprint(voice).shape
    assert measured["text"] == "kept"
    (without,), _ = run_stage(Measure(dnsmos="none"), [clip], tmp_path, LocalPool(workers=1))
    assert "dnsmos" not in without.fields
