import numpy as np

from understudy.data.landmarks import Face
from understudy.data.tracking import AT_EDGE, BESIDE, NO_FACE, iou, select_tracks, track_faces

SIZE = {"width": 360, "height": 288}
_RNG = np.random.default_rng(0)
_SHAPE = _RNG.uniform(0, 1, (68, 2))
_SHAPE[36], _SHAPE[45] = (0.2, 0.4), (0.8, 0.4)
_SHAPE[0], _SHAPE[16] = (0, 0), (1, 1)


def face(x: float, y: float, size: float = 100.0) -> Face:
    """A face whose box starts at (x, y); its landmarks tremble as a detector's do."""
    tremble = _RNG.normal(scale=0.2, size=(68, 2))
    return Face.from_landmarks(_SHAPE * size + (x, y) + tremble, 0.9)


def test_iou() -> None:
    box = np.array([0, 0, 10, 10])
    assert iou(box, box) == 1
    assert iou(box, box + 20) == 0
    assert iou(box, np.array([5, 0, 15, 10])) == 1 / 3


def test_a_still_face_is_one_track() -> None:
    (track,) = track_faces([[face(50, 50)] for _ in range(60)])
    assert (track.start, track.end) == (0, 60)
    assert track.landmarks.shape == (60, 68, 2)


def test_a_frame_without_a_face_splits() -> None:
    frames = [[face(50, 50)] for _ in range(60)]
    frames[30] = []
    kept, drops = select_tracks(track_faces(frames), n_frames=60, **SIZE)
    assert [(t.start, t.end) for t in kept] == [(0, 30), (31, 60)]
    assert drops == [(30, 31, NO_FACE)]


def test_hard_cuts_split_far_and_near() -> None:
    """To another place the boxes part; to nearly the same place only the landmarks jump."""
    frames = [[face(20, 50)] for _ in range(40)]
    frames += [[face(200, 50)] for _ in range(40)]
    frames += [[face(206, 55)] for _ in range(40)]
    assert [(t.start, t.end) for t in track_faces(frames)] == [(0, 40), (40, 80), (80, 120)]


def test_a_head_that_turns_fast_is_no_cut() -> None:
    path = 120 + 80 * np.sin(np.linspace(0, 4 * np.pi, 100))  # up to 0.17 eye distances a frame
    assert len(track_faces([[face(x, 50)] for x in path])) == 1


def test_a_head_that_turns_fast_is_no_cut_at_a_low_frame_rate() -> None:
    """12.5 fps shown at 25: every picture twice, so every second step is nothing."""
    path = np.repeat(120 + 80 * np.sin(np.linspace(0, 4 * np.pi, 50)), 2)
    assert len(track_faces([[face(x, 50)] for x in path])) == 1


def test_two_people_keep_their_tracks_and_the_larger_has_the_moment() -> None:
    frames = []
    for k in range(100):
        faces = [face(20 + 0.5 * k, 50, 110)] if k < 70 else []
        frames.append([*faces, face(230 - 0.5 * k, 60, 80)])
    tracks = track_faces(frames)
    assert sorted((t.start, t.end) for t in tracks) == [(0, 70), (0, 100)]
    kept, drops = select_tracks(tracks, n_frames=100, **SIZE)
    assert [(t.start, t.end, round(t.size, -1)) for t in kept] == [(0, 70, 110), (70, 100, 80)]
    assert drops == [(0, 70, BESIDE)]


def test_order_of_the_faces_in_a_frame_does_not_matter() -> None:
    frames = [[face(20, 50), face(200, 50)] for _ in range(50)]
    swapped = [faces[:: 1 if k % 2 else -1] for k, faces in enumerate(frames)]
    assert [t.area for t in track_faces(frames)] == [t.area for t in track_faces(swapped)]


def test_every_stretch_is_kept_or_has_a_reason() -> None:
    frames: list[list[Face]] = [[] for _ in range(10)]
    frames += [[face(100, 50)] for _ in range(10)]
    frames += [[] for _ in range(5)]
    frames += [[face(100, 50, 40)] for _ in range(30)]
    frames += [[face(300, 50)] for _ in range(30)]
    frames += [[face(100, 50)] for _ in range(30)]
    kept, drops = select_tracks(track_faces(frames), n_frames=len(frames), **SIZE)
    assert [(t.start, t.end) for t in kept] == [(85, 115)]
    assert drops == [
        (0, 10, NO_FACE),
        (10, 20, "shorter than 25 frames"),
        (20, 25, NO_FACE),
        (25, 55, "face smaller than 64 px"),
        (55, 85, AT_EDGE),
    ]


def test_no_frames_and_no_faces() -> None:
    assert select_tracks([], n_frames=0, **SIZE) == ([], [])
    assert select_tracks(track_faces([[], []]), n_frames=2, **SIZE) == ([], [(0, 2, NO_FACE)])
