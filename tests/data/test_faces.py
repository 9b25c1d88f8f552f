"""The stage on puppets in every situation it has a word for."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
from material import HEIGHT, WIDTH, write

from understudy.data import alignment
from understudy.data.cut import Cut
from understudy.data.decode import Decode
from understudy.data.executors import LocalPool
from understudy.data.faces import Faces
from understudy.data.landmarks import MediaPipeLandmarker
from understudy.data.manifest import Clip, read_manifest
from understudy.data.media import FPS, SAMPLE_RATE, VideoWriter, read_frames
from understudy.data.scrape import scrape, source_path
from understudy.data.stage import Report, run_stage
from understudy.data.tracking import AT_EDGE, BESIDE, NO_FACE

Talk = tuple[list[np.ndarray], np.ndarray]
HERE = LocalPool(workers=1)


def cut_whole(clips: list[Clip], workspace: Path) -> list[Clip]:
    """Recordings as clips, whether somebody speaks in them or not."""
    clips, _ = run_stage(Decode(), clips, workspace, HERE)
    return run_stage(Cut(speech_starts=0, speech_ends=0), clips, workspace, HERE)[0]


def find(
    workspace: Path, frames: list[np.ndarray], sound: np.ndarray, **settings: float
) -> tuple[list[Clip], Report]:
    """What the stage `faces` makes of a recording."""
    clips, _ = scrape([write(workspace / "recording.mp4", frames, sound)], workspace)
    clips = cut_whole(clips, workspace)
    return run_stage(Faces(**settings), clips, workspace, HERE)  # type: ignore[arg-type]


def short(talk: Talk, frames: int = 50) -> Talk:
    return talk[0][:frames], talk[1][: frames * 640]


def test_arrays_are_what_training_reads(prepared: Path) -> None:
    clips = read_manifest(prepared / "manifests" / "faces.jsonl")
    assert len(clips) == 3
    for clip in clips:
        frames, landmarks, transforms = (
            np.load(prepared / clip["faces"] / f"{name}.npy", mmap_mode="r")
            for name in ("frames", "landmarks", "transforms")
        )
        time = round(clip.duration * FPS)
        assert isinstance(frames, np.memmap)
        assert (frames.shape, frames.dtype) == ((time, 128, 96, 3), np.uint8)
        assert (landmarks.shape, landmarks.dtype) == ((time, 68, 2), np.float32)
        assert (transforms.shape, transforms.dtype) == ((time, 2, 3), np.float32)
        assert (landmarks[:, 17:] > 0).all(), "all but the jaw's line lies inside the crop"
        assert (landmarks[:, 17:] < (96, 128)).all()
        canonical = alignment.canonical_points()
        assert np.abs(landmarks[:, alignment.STABLE] - canonical).mean() < 2


def test_the_crop_is_cut_from_where_its_transform_says(prepared: Path) -> None:
    clip = read_manifest(prepared / "manifests" / "faces.jsonl")[0]
    crops = np.load(prepared / clip["faces"] / "frames.npy")
    transforms = np.load(prepared / clip["faces"] / "transforms.npy")
    recording = list(read_frames(source_path(prepared, clip.source)))
    for k in (0, 20, 40):
        there = alignment.warp_face(recording[k], transforms[k])
        assert np.abs(there.astype(int) - crops[k]).max() <= 2
        back = cv2.warpAffine(
            crops[k], transforms[k], (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        inside = back.any(axis=2)
        assert inside.mean() > 0.2
        assert np.abs(back.astype(int) - recording[k])[inside].mean() < 6


def test_landmarks_are_the_recording_s_own(prepared: Path) -> None:
    """Taken back by the inverse transform they lie where the landmarker sees them."""
    clip = read_manifest(prepared / "manifests" / "faces.jsonl")[0]
    landmarks = np.load(prepared / clip["faces"] / "landmarks.npy")
    inverse = alignment.invert(np.load(prepared / clip["faces"] / "transforms.npy"))
    recording = list(read_frames(source_path(prepared, clip.source)))
    with MediaPipeLandmarker() as landmarker:
        for k in (5, 30):
            (face,) = landmarker(recording[k])
            back = alignment.apply(inverse[k], landmarks[k])
            np.testing.assert_allclose(back, face.landmarks, atol=0.05)


def test_another_size(long_talk: Talk, tmp_path: Path) -> None:
    (clip,), _ = find(tmp_path, *short(long_talk, 30), width=64, height=96)
    assert np.load(tmp_path / clip["faces"] / "frames.npy").shape == (30, 96, 64, 3)
    landmarks = np.load(tmp_path / clip["faces"] / "landmarks.npy")
    assert (landmarks[:, alignment.MOUTH] < (64, 96)).all()


def test_a_frame_without_a_face_splits_the_clip(long_talk: Talk, tmp_path: Path) -> None:
    frames, sound = short(long_talk, 61)
    frames[30] = np.full_like(frames[30], 90)
    clips, report = find(tmp_path, frames, sound)
    assert [(clip.start, clip.end) for clip in clips] == [(0.0, 1.2), (1.24, 2.44)]
    assert dict(report.dropped) == {NO_FACE: 1}
    assert report.dropped_seconds[NO_FACE] == pytest.approx(1 / FPS)
    lengths = [len(np.load(tmp_path / clip["faces"] / "frames.npy")) for clip in clips]
    assert lengths == [30, 30]
    first = np.load(tmp_path / clips[1]["faces"] / "frames.npy")[0]
    transform = np.load(tmp_path / clips[1]["faces"] / "transforms.npy")[0]
    shown = list(read_frames(tmp_path / "recording.mp4"))[31]
    assert np.abs(alignment.warp_face(shown, transform).astype(int) - first).max() <= 2


def test_of_two_faces_the_larger_is_kept(long_talk: Talk, tmp_path: Path) -> None:
    frames, sound = short(long_talk)
    both = []
    for k, frame in enumerate(frames):
        other = cv2.resize(frames[-1 - k], None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
        page = np.full((HEIGHT, 2 * WIDTH, 3), 120, np.uint8)
        page[:, :WIDTH] = frame
        page[20 : 20 + len(other), WIDTH + 10 :][:, : other.shape[1]] = other
        both.append(page)
    (clip,), report = find(tmp_path, both, sound)
    assert clip.duration == 2.0
    assert dict(report.dropped) == {BESIDE: 1}
    inverse = alignment.invert(np.load(tmp_path / clip["faces"] / "transforms.npy"))
    middle = alignment.apply(inverse, np.array([[48.0, 64.0]]))
    assert (middle[..., 0] < WIDTH).all(), "the face on the left"


def test_what_cannot_be_learnt_from_has_a_reason(long_talk: Talk, tmp_path: Path) -> None:
    frames, sound = short(long_talk, 40)
    side = round(0.3 * WIDTH)
    cut = [np.ascontiguousarray(frame[:, side:]) for frame in frames]
    small = [np.full_like(frame, 120) for frame in frames]
    for page, frame in zip(small, frames, strict=True):
        page[60:164, 50:146] = cv2.resize(frame, (96, 104), interpolation=cv2.INTER_AREA)
    nobody = [np.full_like(frame, 120) for frame in frames]
    brief = [frame if k < 24 else nobody[k] for k, frame in enumerate(frames)]
    for name, pictures, reasons in (
        ("cut", [even(frame) for frame in cut], {AT_EDGE}),
        ("small", small, {"face smaller than 64 px"}),
        ("brief", brief, {"shorter than 25 frames", NO_FACE}),
    ):
        clips, report = find(tmp_path / name, pictures, sound)
        assert clips == [], name
        assert set(report.dropped) == reasons, name
        assert sum(report.dropped_seconds.values()) == pytest.approx(40 / FPS, abs=0.1)


def test_speech_without_a_face_is_kept_for_its_sound(long_talk: Talk, tmp_path: Path) -> None:
    frames, sound = short(long_talk, 100)
    half = [frame if k < 50 else np.full_like(frame, 120) for k, frame in enumerate(frames)]
    seen, unseen = find(tmp_path / "half", half, sound)[0]
    assert (seen["face"], unseen["face"]) == (True, False)
    assert seen.end == unseen.start == pytest.approx(2.0, abs=0.05)
    assert "faces" not in unseen.fields
    voice = tmp_path / "voice.wav"
    soundfile.write(voice, sound, SAMPLE_RATE)
    clips, _ = scrape([voice], tmp_path / "voice")
    (clip,), _ = run_stage(Faces(), cut_whole(clips, tmp_path / "voice"), tmp_path / "voice", HERE)
    assert clip["face"] is False


def test_sound_that_outlasts_the_pictures_is_kept(long_talk: Talk, tmp_path: Path) -> None:
    frames, sound = short(long_talk, 100)
    with VideoWriter(tmp_path / "tail.mp4", width=WIDTH, height=HEIGHT, sample_rate=SAMPLE_RATE) as video:
        for frame in frames[:50]:
            video.write(frame)
        video.write_audio(sound)
    clips, _ = scrape([tmp_path / "tail.mp4"], tmp_path)
    seen, tail = run_stage(Faces(), cut_whole(clips, tmp_path), tmp_path, HERE)[0]
    assert (seen["face"], tail["face"]) == (True, False)
    assert seen.end == tail.start == pytest.approx(2.0, abs=0.05)
    assert tail.end == pytest.approx(4.0, abs=0.1)


def test_tracks_are_parted_where_the_picture_changes(long_talk: Talk, tmp_path: Path) -> None:
    frames, sound = short(long_talk, 100)
    clips, _ = scrape([write(tmp_path / "recording.mp4", frames, sound)], tmp_path)
    (clip,) = cut_whole(clips, tmp_path)
    np.save(tmp_path / "scenes.npy", np.array([0, 60, 500]))
    parts, _ = run_stage(Faces(), [clip.add(scenes="scenes.npy")], tmp_path, HERE)
    assert [(part.start, part.end) for part in parts] == [(0.0, 2.4), (2.4, pytest.approx(4.0, abs=0.05))]


def even(frame: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(frame[:, : frame.shape[1] // 2 * 2])


def test_sound_in_step_is_kept_and_sound_that_is_not_is_dropped(long_talk: Talk, tmp_path: Path) -> None:
    frames, sound = long_talk
    (clip,), _ = find(tmp_path / "in step", frames, sound)
    assert abs(clip["av_offset"]) <= 1
    assert clip["av_confidence"] >= 2
    for shift in (-12, 12):
        name = f"shifted by {shift}"
        clips, report = find(tmp_path / name, frames, np.roll(sound, shift * 640))
        assert clips == [], name
        assert dict(report.dropped) == {"sound and picture more than 6 frames apart": 1}
    (clip,), _ = find(tmp_path / "lenient", frames, np.roll(sound, 12 * 640), max_offset=12)
    assert clip["av_offset"] == pytest.approx(12, abs=1)


def test_real_recordings(corpus: Path, tmp_path: Path) -> None:
    paths = sorted((corpus / "grid" / "s1").glob("*.mp4"))[:2]
    clips, _ = scrape(paths, tmp_path)
    clips = cut_whole(clips, tmp_path)
    clips, report = run_stage(Faces(), clips, tmp_path, HERE)
    assert len(clips) == 2
    assert not report.failed
    assert all(clip.duration > 2.8 for clip in clips)
