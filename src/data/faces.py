"""Step 10: the subject's face, found, tracked, aligned and cut out, ready for training.

Every stretch that shows one face gives a folder of memory-mapped arrays, one row a frame:

    frames.npy      (time, height, width, 3) uint8    aligned crops
    landmarks.npy   (time, 68, 2) float32             in the crop's pixels
    transforms.npy  (time, 2, 3) float32              from the recording's pixels to the crop's

A random window is read from these without decoding video, at 3.3 GB an hour of 96x128 crops.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import soundfile

from understudy.data import alignment
from understudy.data.avsync import MIN_CONFIDENCE, av_offset, mouth_opening
from understudy.data.landmarks import Landmarker, MediaPipeLandmarker
from understudy.data.manifest import Clip, Drop
from understudy.data.media import FPS, SAMPLE_RATE, probe, read_frames
from understudy.data.scrape import source_path
from understudy.data.stage import Stage
from understudy.data.tracking import NO_FACE, Track, select_tracks, track_faces

MAX_HELD = 2**28  # bytes of pictures in memory


@dataclass
class Faces(Stage):
    """One face at any moment: the largest that stays. What is dropped has its reason.

    Adds `faces`, the folder, and `face`: false for a stretch that shows none, good for its sound alone.
    """

    name: ClassVar[str] = "faces"
    reads: ClassVar[tuple[str, ...]] = ("audio", "scenes")

    landmarker: Landmarker = field(default_factory=MediaPipeLandmarker)
    width: int = 96
    height: int = 128
    smoothing: float = 1.0  # standard deviation in frames, of the points that hold the crop still
    min_frames: int = 25
    min_face_size: float = 64.0  # pixels of the recording
    max_offset: int = 6  # frames between sound and picture
    min_offset_confidence: float = MIN_CONFIDENCE

    def setup(self) -> None:
        self.landmarker(np.zeros((64, 64, 3), np.uint8))  # loads; what it lacks is told before any clip

    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        return sorted(self._find(clip, workspace, folder), key=lambda result: result.start)

    def _find(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        path = source_path(workspace, clip.source)
        info = probe(path)
        if not info.has_video:
            yield clip.add(face=False)
            return
        wanted = round(clip.duration * FPS)
        size = (0, 0)
        found = []
        # a short clip's pictures are kept for cutting out: decoding them again costs a seek far back
        held: list[np.ndarray] | None = [] if info.width * info.height * 3 * wanted <= MAX_HELD else None
        for frame in read_frames(path, start=clip.start, end=clip.end):
            size = (frame.shape[1], frame.shape[0])
            found.append(self.landmarker(frame))
            if held is not None:
                held.append(frame)
        if len(found) < wanted - 2:
            rest = clip.part(*self._span(clip, len(found), wanted))
            long = wanted - len(found) >= self.min_frames
            yield rest.add(face=False) if long else self._drop(rest, "no pictures here")
        tracks, drops = select_tracks(
            self._within_scenes(track_faces(found), clip, workspace),
            n_frames=len(found),
            width=size[0],
            height=size[1],
            min_frames=self.min_frames,
            min_face_size=self.min_face_size,
        )
        for first, after, reason in drops:
            part = clip.part(*self._span(clip, first, after))
            faceless = reason == NO_FACE and after - first >= self.min_frames
            yield part.add(face=False) if faceless else self._drop(part, reason)
        for number, track in enumerate(tracks):
            part = clip.part(*self._span(clip, track.start, track.end))
            offset = self._offset(track, part, workspace)
            if offset and abs(offset["av_offset"]) > self.max_offset:
                yield self._drop(part, f"sound and picture more than {self.max_offset} frames apart")
                continue
            (folder / str(number)).mkdir()
            frames = iter(held) if held else read_frames(path, start=clip.start, end=clip.end)
            self._cut_out(islice(frames, track.start, track.end), track, folder / str(number))
            yield part.add(face=True, faces=self.path_in(folder, str(number)), **offset)

    def _within_scenes(self, tracks: Iterable[Track], clip: Clip, workspace: Path) -> list[Track]:
        """Tracks parted where `cut` saw another scene begin."""
        scenes = np.load(workspace / clip["scenes"]) if "scenes" in clip.fields else np.zeros(0, int)
        cuts = [int(frame) for frame in scenes - round(clip.start * FPS)]
        return [
            track.part(start, end)
            for track in tracks
            for start, end in pairwise(
                [track.start, *(cut for cut in cuts if track.start < cut < track.end), track.end]
            )
        ]

    def _span(self, clip: Clip, first: int, after: int) -> tuple[float, float]:
        return clip.start + first / FPS, clip.start + after / FPS

    def _drop(self, clip: Clip, reason: str) -> Drop:
        return Drop(clip.id, clip.start, clip.end, reason)

    def _offset(self, track: Track, part: Clip, workspace: Path) -> dict[str, Any]:
        """Frames by which the sound is late, where the clip tells; else nothing."""
        first, after = round(part.start * SAMPLE_RATE), round(part.end * SAMPLE_RATE)
        audio, _ = soundfile.read(workspace / part["audio"], start=first, stop=after, dtype="float32")
        offset = av_offset(mouth_opening(track.landmarks), audio, SAMPLE_RATE)
        if offset.confidence < self.min_offset_confidence:
            return {}
        return {"av_offset": offset.frames, "av_confidence": round(offset.confidence, 2)}

    def _cut_out(self, frames: Iterable[np.ndarray], track: Track, folder: Path) -> None:
        steady = alignment.smooth(track.landmarks[:, alignment.STABLE], self.smoothing)
        target = alignment.canonical_points(self.width, self.height)
        matrices = alignment.similarity(steady, target)  # (time, 2, 3)
        shape = (len(matrices), self.height, self.width, 3)
        with (folder / "frames.npy").open("wb") as file:  # mapped, a full disk would be a crash
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for frame, matrix in zip(frames, matrices, strict=True):
                file.write(alignment.warp_face(frame, matrix, self.width, self.height).tobytes())
        landmarks = alignment.apply(matrices, track.landmarks)
        np.save(folder / "landmarks.npy", landmarks.astype(np.float32))
        np.save(folder / "transforms.npy", matrices.astype(np.float32))
