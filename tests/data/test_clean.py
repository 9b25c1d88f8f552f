from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from material import stripes, write

from understudy.data.clean import Clean
from understudy.data.executors import LocalPool
from understudy.data.manifest import Clip
from understudy.data.media import FPS, SAMPLE_RATE, read_audio
from understudy.data.scrape import scrape
from understudy.data.stage import Report, run_stage


def clean(workspace: Path, path: Path, **settings: float) -> tuple[list[Clip], Report]:
    clips, _ = scrape([path], workspace)
    return run_stage(Clean(**settings), clips, workspace, LocalPool(workers=1))


def film(path: Path, sound: np.ndarray | None, frames: int) -> Path:
    return write(path, [stripes(k % 512) for k in range(frames)], sound)


def speech(duration: float, *pauses: float) -> np.ndarray:
    """Hiss with 0.2 s of near silence after each of `pauses` seconds."""
    sound = np.random.default_rng(0).normal(scale=0.1, size=round(duration * SAMPLE_RATE))
    for pause in pauses:
        sound[round(pause * SAMPLE_RATE) : round((pause + 0.2) * SAMPLE_RATE)] *= 0.001
    return sound.astype(np.float32)


def test_sound_is_written_as_it_is_heard(recordings: Path, tmp_path: Path) -> None:
    (clip,), _ = clean(tmp_path, recordings / "take 1.mp4")
    samples, rate = soundfile.read(tmp_path / clip["audio"], dtype="float32")
    assert (rate, soundfile.info(tmp_path / clip["audio"]).subtype) == (SAMPLE_RATE, "PCM_16")
    np.testing.assert_allclose(samples, read_audio(recordings / "take 1.mp4"), atol=1e-4)
    assert (clip.start, clip.end) == (0.0, pytest.approx(2.0, abs=0.05))


def test_drops_have_their_reason(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "voice.wav", speech(2), SAMPLE_RATE)
    for path, reason in (
        (film(tmp_path / "mute.mp4", None, 50), "no sound"),
        (tmp_path / "voice.wav", "no pictures"),
        (film(tmp_path / "silent.mp4", np.zeros(32000, np.float32), 50), "silent throughout"),
        (film(tmp_path / "short.mp4", speech(0.6), 15), "shorter than 1 s"),
    ):
        clips, report = clean(tmp_path / path.stem, path)
        assert clips == []
        assert dict(report.dropped) == {reason: 1}
        assert report.clips_in == 1


def test_a_long_recording_is_cut_where_it_is_quiet(tmp_path: Path) -> None:
    path = film(tmp_path / "long.mp4", speech(12, 2.6, 5.4, 8.9), 300)
    clips, report = clean(tmp_path, path, max_duration=4.0)
    assert [clip.start for clip in clips[1:]] == pytest.approx([2.7, 5.5, 8.98], abs=0.12)
    assert not report.dropped
    assert_covers(clips, 12.0, 4.0)
    assert len({clip["audio"] for clip in clips}) == 1


def assert_covers(clips: list[Clip], duration: float, longest: float) -> None:
    """End to end, on the grid of the pictures, none too long."""
    assert clips[0].start == 0.0
    assert clips[-1].end == pytest.approx(duration, abs=1 / FPS)
    for before, after in pairwise(clips):
        assert before.end == after.start
    for clip in clips:
        assert clip.start * FPS == pytest.approx(round(clip.start * FPS), abs=1e-6)
        assert clip.end * FPS == pytest.approx(round(clip.end * FPS), abs=1e-6)
        assert clip.duration <= longest + 1e-6


@given(
    frames=st.integers(1, 2000),
    missing=st.integers(0, 60),  # the sound may end before the pictures
    longest=st.sampled_from([2.0, 3.0, 5.04, 12.0]),
    seed=st.integers(0, 5),
)
def test_cuts_cover_everything(frames: int, missing: int, longest: float, seed: int) -> None:
    energy = np.random.default_rng(seed).random(max(frames - missing, 1))
    stage = Clean(min_duration=1.0, max_duration=longest)
    whole = Clip("a", "a", 0.0, frames / FPS)
    clips = [whole.part(start, end) for start, end in stage.cuts(energy, whole.end)]
    assert_covers(clips, whole.end, longest)
    if frames >= FPS:
        assert min(clip.duration for clip in clips) >= 1.0 - 1e-6
