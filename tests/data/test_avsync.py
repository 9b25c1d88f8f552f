from pathlib import Path

import numpy as np
import pytest

from understudy.data.avsync import MIN_CONFIDENCE, Offset, av_offset, mouth_opening
from understudy.data.landmarks import MediaPipeLandmarker
from understudy.data.media import read_audio, read_frames

RATE = 16000
NOTHING = Offset(0, 0.0)


def speech(n_frames: int, fps: float = 25.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Lips that open and close like syllables, and hiss that is louder the wider they are open."""
    rng = np.random.default_rng(seed)
    spread = fps / 8
    window = np.exp(-0.5 * (np.arange(-15, 16) / spread) ** 2)
    opening = np.convolve(rng.random(n_frames) < 0.12, window, mode="same")
    n_samples = round(n_frames * RATE / fps)
    gain = np.interp(np.arange(n_samples) * fps / RATE - 0.5, np.arange(n_frames), opening)
    hiss = rng.normal(size=n_samples) * (0.01 + 0.1 * gain)
    return opening + rng.normal(scale=0.02, size=n_frames), hiss.astype(np.float32)


@pytest.mark.parametrize("shift", [-9, -3, 0, 1, 8])
@pytest.mark.parametrize("fps", [25.0, 29.97])
def test_a_known_offset_is_found(shift: int, fps: float) -> None:
    opening, audio = speech(200, fps, seed=1)
    samples = round(abs(shift) * RATE / fps)
    silence = np.zeros(samples, np.float32)
    audio = np.concatenate([silence, audio]) if shift > 0 else audio[samples:]
    offset = av_offset(opening, audio, RATE, fps=fps)
    assert offset.frames == shift
    assert offset.confidence > MIN_CONFIDENCE


def test_unrelated_sound_is_not_believed() -> None:
    offsets = [av_offset(speech(75, seed=k)[0], speech(75, seed=k + 100)[1], RATE) for k in range(100)]
    assert np.mean([offset.confidence > MIN_CONFIDENCE for offset in offsets]) <= 0.05


def test_nothing_to_tell() -> None:
    opening, audio = speech(75)
    assert av_offset(opening, np.zeros_like(audio), RATE) == NOTHING
    assert av_offset(opening, audio[:0], RATE) == NOTHING
    assert av_offset(np.full(75, 0.1), audio, RATE) == NOTHING
    assert av_offset(opening[:20], audio, RATE) == NOTHING


def test_mouth_opening_does_not_depend_on_the_size_of_the_face() -> None:
    landmarks = np.random.default_rng(0).uniform(0, 100, (10, 68, 2))
    landmarks[:, 36], landmarks[:, 45] = (0, 0), (60, 0)
    np.testing.assert_allclose(mouth_opening(3 * landmarks), mouth_opening(landmarks))


def test_a_real_voice_that_is_moved(corpus: Path) -> None:
    """Four sentences of one speaker on end; the sound is laid early and late."""
    landmarks, sounds = [], []
    with MediaPipeLandmarker(max_faces=1) as landmarker:
        for path in sorted((corpus / "grid" / "s31").glob("*.mp4"))[:4]:
            landmarks += [landmarker(frame)[0].landmarks for frame in read_frames(path)]
            sound = read_audio(path)
            sounds.append(np.pad(sound, (0, 3 * RATE))[: 3 * RATE])
    opening, audio = mouth_opening(np.stack(landmarks)), np.concatenate(sounds)
    for shift in (-7, 0, 7):
        offset = av_offset(opening, np.roll(audio, shift * RATE // 25), RATE)
        assert abs(offset.frames - shift) <= 1
        assert offset.confidence > MIN_CONFIDENCE
