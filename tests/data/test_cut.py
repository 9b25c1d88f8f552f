from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from understudy.data.cut import Cut, frame_levels, per_frame, runs, scene_changes
from understudy.data.manifest import Clip, Drop
from understudy.data.media import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from understudy.errors import UserError


def cut(
    folder: Path,
    speech: list[tuple[float, float]],
    length: float,
    scenes: list[float] | None = None,
    **settings: float,
) -> tuple[list[Clip], list[Drop]]:
    """What becomes of a recording with a voice in `speech` and quiet elsewhere, and its scene changes."""
    times = np.arange(round(length * SAMPLE_RATE)) / SAMPLE_RATE
    heard = np.zeros(len(times), bool)
    for start, end in speech:
        heard |= (times >= start) & (times < end)
    sound = np.random.default_rng(0).normal(size=len(times)) * np.where(heard, 0.1, 0.0001)
    soundfile.write(folder / "audio.wav", sound, SAMPLE_RATE, "PCM_16")
    hops = heard[: len(heard) // 512 * 512].reshape(-1, 512).mean(axis=1)
    np.save(folder / "speech.npy", hops.astype(np.float16))
    clip = Clip("a", "a", 0.0, length, {"audio": "audio.wav", "speech": "speech.npy"})
    if scenes is not None:
        changes = np.full(round(length * FPS), 0.5, np.float16)
        changes[[round(scene * FPS) for scene in scenes]] = 20.0
        np.save(folder / "changes.npy", changes)
        clip = clip.add(changes="changes.npy")
    results = list(Cut(**settings).process(clip, folder, folder))
    drops = [r for r in results if isinstance(r, Drop)]
    assert_on_the_grid_and_complete(results, length)
    return [r for r in results if isinstance(r, Clip)], drops


def assert_on_the_grid_and_complete(results: list[Clip | Drop], length: float) -> None:
    assert results[0].start == 0.0
    assert results[-1].end == pytest.approx(length, abs=1 / FPS)
    for before, after in pairwise(results):
        assert before.end == pytest.approx(after.start), "every moment is in a clip or has a reason"
    for result in results:
        assert result.start * FPS == pytest.approx(round(result.start * FPS), abs=1e-6)


def spans(clips: list[Clip]) -> list[tuple[float, float]]:
    return [(clip.start, clip.end) for clip in clips]


def test_speech_is_cut_out_with_room_around_it(tmp_path: Path) -> None:
    clips, drops = cut(tmp_path, [(1.0, 3.0), (5.0, 8.0)], 10.0)
    assert spans(clips) == [
        (pytest.approx(0.7, abs=0.08), pytest.approx(3.2, abs=0.08)),
        (pytest.approx(4.7, abs=0.08), pytest.approx(8.2, abs=0.08)),
    ]
    assert {drop.reason for drop in drops} == {"no speech"}


def test_a_short_pause_belongs_to_the_sentence(tmp_path: Path) -> None:
    assert len(cut(tmp_path, [(1.0, 2.5), (2.8, 4.0)], 5.0)[0]) == 1
    assert len(cut(tmp_path, [(1.0, 2.5), (2.8, 4.0)], 5.0, min_pause=0.2)[0]) == 2


def test_room_ends_in_the_middle_of_a_pause(tmp_path: Path) -> None:
    first, second = cut(tmp_path, [(1.0, 2.5), (3.0, 4.5)], 6.0, padding_before=1.0, padding_after=1.0)[0]
    assert first.end == second.start == pytest.approx(2.75, abs=0.08)


def test_scene_changes_in_pauses_bound_clips(tmp_path: Path) -> None:
    clips, _ = cut(tmp_path, [(1.0, 2.5), (3.0, 4.5)], 6.0, scenes=[0.92, 2.6])
    assert clips[0].start >= 0.92
    assert clips[0].end <= 2.6 - 1 / FPS


def test_a_scene_change_between_words_parts_them_though_no_pause_does(tmp_path: Path) -> None:
    clips, _ = cut(tmp_path, [(1.0, 3.0), (3.12, 5.0)], 6.0, scenes=[3.08])
    assert len(clips) == 2
    assert clips[0].end <= 3.08 <= clips[1].start
    assert len(cut(tmp_path, [(1.0, 3.0), (3.12, 5.0)], 6.0, scenes=[])[0]) == 1


def test_a_scene_change_inside_a_word_is_noted_and_leaves_the_word_whole(tmp_path: Path) -> None:
    (clip,), _ = cut(tmp_path, [(1.0, 4.0)], 5.0, scenes=[2.0])
    assert np.load(tmp_path / "scenes.npy").tolist() == [50]
    assert (clip.start, clip.end) == (pytest.approx(0.7, abs=0.08), pytest.approx(4.2, abs=0.08))


def test_short_neighbours_of_one_scene_are_joined(tmp_path: Path) -> None:
    speech = [(1.0, 1.3), (2.2, 4.0)]
    assert len(cut(tmp_path, speech, 6.0)[0]) == 1
    clips, drops = cut(tmp_path, speech, 6.0, scenes=[1.8])
    assert len(clips) == 1
    assert [drop.reason for drop in drops].count("shorter than 1 s") == 1
    assert len(cut(tmp_path, [(1.0, 1.3), (3.0, 5.0)], 6.0)[0]) == 1, "too far away to be joined"


def test_clicks_are_no_speech(tmp_path: Path) -> None:
    clips, drops = cut(tmp_path, [(1.0, 1.1)], 3.0)
    assert clips == []
    assert [drop.reason for drop in drops] == ["no speech"]


def test_a_long_talk_is_cut_where_it_is_quiet(tmp_path: Path) -> None:
    speech = [(0.0, 2.6), (2.8, 5.4), (5.6, 8.9), (9.1, 12.0)]
    clips, _ = cut(tmp_path, speech, 12.0, max_duration=4.0)
    assert [clip.start for clip in clips[1:]] == pytest.approx([2.7, 5.5, 9.0], abs=0.13)
    assert all(clip.duration <= 4.0 + 1e-6 for clip in clips)


@given(
    edges=st.lists(st.integers(0, 999), max_size=30, unique=True),
    scenes=st.lists(st.integers(0, 999), max_size=10, unique=True),
    longest=st.sampled_from([2.0, 5.04, 12.0]),
)
def test_whatever_is_said_when(
    edges: list[int], scenes: list[int], longest: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    speech = [(a / FPS, b / FPS) for a, b in pairwise(sorted(edges))][::2]
    clips, _ = cut(folder, speech, 40.0, [s / FPS for s in scenes], max_duration=longest)
    for clip in clips:
        assert 1.0 - 1e-6 <= clip.duration <= longest + 1e-6


def test_a_repeated_picture_does_not_make_the_next_one_a_scene() -> None:
    slow = np.zeros(200, np.float32)
    slow[::5] = 4.0  # five new pictures a second, all alike in how they differ
    assert scene_changes(slow, ratio=3.0, min_change=1.5) == []
    slow[100] = 40.0
    assert scene_changes(slow, ratio=3.0, min_change=1.5) == [100]
    assert scene_changes(np.zeros(10, np.float32), ratio=3.0, min_change=1.5) == []
    assert scene_changes(np.array([0.0, 9.0], np.float32), ratio=3.0, min_change=1.5) == []


def test_levels_are_read_in_blocks_as_in_one(tmp_path: Path) -> None:
    sound = np.random.default_rng(0).normal(scale=0.1, size=3100 * SAMPLES_PER_FRAME + 100)
    soundfile.write(tmp_path / "a.wav", sound, SAMPLE_RATE, "FLOAT")
    levels = frame_levels(tmp_path / "a.wav")
    power = np.square(sound[: 3100 * SAMPLES_PER_FRAME].reshape(3100, -1)).mean(axis=1)
    np.testing.assert_allclose(levels, 10 * np.log10(power), atol=0.01)


def test_a_frame_hears_every_hop_that_touches_it() -> None:
    hops = np.array([0.1, 0.9, 0.2, 0.3], np.float32)  # of 512 samples; a frame has 640
    np.testing.assert_allclose(per_frame(hops, 3), [0.9, 0.9, 0.3])
    np.testing.assert_allclose(per_frame(hops, 4, first=-1), [0.0, 0.9, 0.9, 0.3])


@given(st.lists(st.booleans(), max_size=40))
def test_runs_are_where_it_is_true(mask: list[bool]) -> None:
    again = np.zeros(len(mask), bool)
    for start, end in runs(np.array(mask, bool)):
        assert end > start
        again[start:end] = True
    assert again.tolist() == mask


def test_less_than_a_picture_has_a_reason_too(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "audio.wav", np.zeros(500), SAMPLE_RATE)
    np.save(tmp_path / "speech.npy", np.zeros(1, np.float16))
    clip = Clip("a", "a", 0.0, 0.03, {"audio": "audio.wav", "speech": "speech.npy"})
    (drop,) = Cut().process(clip, tmp_path, tmp_path)
    assert isinstance(drop, Drop)
    assert drop.reason == "shorter than 1 s"


def test_lengths_that_leave_no_room_are_told() -> None:
    with pytest.raises(UserError, match=r"max_duration=0\.4"):
        Cut(max_duration=0.4)
    with pytest.raises(UserError, match="max_duration=4"):
        Cut(min_duration=5.0, max_duration=4.0)
