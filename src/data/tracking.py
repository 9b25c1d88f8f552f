"""Faces of single frames joined to tracks, and the tracks that are fit to be learnt from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from understudy.data.landmarks import Face

NO_FACE = "no face"
BESIDE = "smaller face beside the subject"
AT_EDGE = "face cut by the picture's edge"


@dataclass
class Track:
    """One face through consecutive frames: `faces[k]` belongs to frame `start + k`."""

    start: int
    faces: list[Face] = field(default_factory=list)

    @property
    def end(self) -> int:
        """The frame after the last one."""
        return self.start + len(self.faces)

    @property
    def landmarks(self) -> np.ndarray:
        """(time, 68, 2)"""
        return np.stack([face.landmarks for face in self.faces])

    @property
    def area(self) -> float:
        """Median area of the boxes, in square pixels."""
        return float(np.median([face.area for face in self.faces]))

    @property
    def size(self) -> float:
        """Median of the boxes' shorter side, in pixels."""
        return float(np.median([face.size for face in self.faces]))

    def part(self, start: int, end: int) -> "Track":
        """The frames from `start` to before `end`, counted as in the clip."""
        return Track(start, self.faces[start - self.start : end - self.start])


Drop = tuple[int, int, str]  # first frame, frame after the last, reason


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Overlap of two boxes (4,): intersection over union, 0 to 1."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared
    return shared / union if union > 0 else 0.0


def track_faces(frames: Sequence[list[Face]], *, min_iou: float = 0.5, min_jump: float = 0.05) -> list[Track]:
    """Tracks of one clip's faces, ordered by their start, the larger first.

    A face continues the track whose last box it overlaps most; best pairs first. A frame without
    it ends a track, and so does a hard cut: the boxes no longer overlap, or, where the next
    picture's face sits in the same place, the landmarks jump (see `split_at_jumps`).
    """
    done: list[Track] = []
    alive: list[Track] = []
    for index, faces in enumerate(frames):
        pairs = sorted(
            (-iou(track.faces[-1].box, face.box), t, f)
            for t, track in enumerate(alive)
            for f, face in enumerate(faces)
        )
        continued: dict[int, int] = {}  # track: face
        for overlap, t, f in pairs:
            if -overlap >= min_iou and t not in continued and f not in continued.values():
                continued[t] = f
        for t, f in continued.items():
            alive[t].faces.append(faces[f])
        done += [track for t, track in enumerate(alive) if t not in continued]
        alive = [track for t, track in enumerate(alive) if t in continued]
        alive += [Track(index, [face]) for f, face in enumerate(faces) if f not in continued.values()]
    parts = [part for track in done + alive for part in split_at_jumps(track, min_jump=min_jump)]
    return sorted(parts, key=lambda track: (track.start, -track.area))


def split_at_jumps(
    track: Track, *, min_jump: float = 0.05, ratio: float = 3.0, reach: int = 3
) -> list[Track]:
    """A track cut where all of its landmarks jump at once, as they do at a hard cut.

    A jump is a step of the median landmark of at least `min_jump` interocular distances and
    `ratio` times every other step within `reach` frames. A head that turns fast takes several
    frames to get under way, a landmark that errs comes back: neither stands alone like a cut.
    """
    if len(track.faces) < 2:
        return [track]
    points = track.landmarks
    interocular = np.linalg.norm(points[:-1, 45] - points[:-1, 36], axis=-1)
    steps = np.median(np.linalg.norm(np.diff(points, axis=0), axis=-1), axis=-1)
    steps = steps / np.maximum(interocular, 1e-6)  # (time - 1,)
    around = np.stack([np.roll(np.pad(steps, reach), k) for k in range(-reach, reach + 1) if k])
    others = around.max(0)[reach:-reach]
    cuts = np.flatnonzero((steps >= min_jump) & (steps >= ratio * others)) + 1
    bounds = [track.start, *(track.start + cuts).tolist(), track.end]
    return [track.part(a, b) for a, b in pairwise(bounds)]


def select_tracks(
    tracks: Sequence[Track],
    *,
    n_frames: int,
    width: int,
    height: int,
    min_frames: int = 25,
    min_face_size: float = 64.0,
    margin: float = 0.0,
) -> tuple[list[Track], list[Drop]]:
    """The tracks to learn from, one face at any moment, and every other stretch with its reason.

    Where faces are shown side by side the larger track has the moment, and what is left of the
    smaller one before and after is a track of its own. Kept tracks and the drops marked "no face"
    or with a whole track's reason cover all `n_frames` frames; "smaller face beside the subject"
    lies beside a kept one.
    """
    kept: list[Track] = []
    drops: list[Drop] = []
    for track in sorted(tracks, key=lambda track: (-track.area, track.start)):
        for part, reason in _beside(track, kept):
            reason = reason or _unfit(part, width, height, min_frames, min_face_size, margin)
            if reason:
                drops.append((part.start, part.end, reason))
            else:
                kept.append(part)
    drops += _uncovered(tracks, n_frames)
    return sorted(kept, key=lambda track: track.start), sorted(drops)


def _beside(track: Track, kept: Sequence[Track]) -> list[tuple[Track, str]]:
    """`track` cut where a larger, kept face shares its frames: parts and why they are dropped."""
    shared = np.zeros(len(track.faces), bool)
    for other in kept:
        shared[max(other.start - track.start, 0) : max(other.end - track.start, 0)] = True
    edges = np.flatnonzero(np.diff(shared)) + 1
    bounds = [0, *edges.tolist(), len(shared)]
    return [
        (track.part(track.start + a, track.start + b), BESIDE if shared[a] else "")
        for a, b in pairwise(bounds)
    ]


def _unfit(
    track: Track, width: int, height: int, min_frames: int, min_face_size: float, margin: float
) -> str:
    """Why a track is not fit to be learnt from, or nothing."""
    if len(track.faces) < min_frames:
        return f"shorter than {min_frames} frames"
    if track.size < min_face_size:
        return f"face smaller than {min_face_size:g} px"
    low = np.min([face.box[:2] for face in track.faces])
    high = np.max([face.box[2:] - (width, height) for face in track.faces])
    if low < margin - 0.5 or high > -0.5 - margin:
        return AT_EDGE
    return ""


def _uncovered(tracks: Sequence[Track], n_frames: int) -> list[Drop]:
    """Stretches in which no face is seen at all."""
    seen = np.zeros(n_frames + 2, bool)
    seen[[0, -1]] = True
    for track in tracks:
        seen[track.start + 1 : track.end + 1] = True
    edges = np.flatnonzero(np.diff(seen))
    return [(int(a), int(b), NO_FACE) for a, b in edges.reshape(-1, 2)]
