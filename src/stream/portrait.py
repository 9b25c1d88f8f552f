"""The picture that is animated: a still, or footage whose lips are to say something else."""

from collections import deque
from collections.abc import Iterator
from itertools import groupby, islice

import cv2
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from understudy.data import alignment
from understudy.data.landmarks import Face, Landmarker
from understudy.data.media import probe, read_frames, read_image
from understudy.errors import UserError
from understudy.models.sda import Generator
from understudy.models.sda.generator import Identity

MIN_FACE_SIZE = 32  # pixels


class Still:
    """One picture: its face is found once and its identity is the same for every frame."""

    def __init__(
        self, path: str, generator: Generator, landmarker: Landmarker, face: int | None, height: int
    ) -> None:
        self.frame = fit(read_image(path), height)
        found = choose_face(landmarker(self.frame), self.frame, path, face)
        target = alignment.canonical_points(generator.width, generator.height)
        self.matrix = alignment.similarity(found.landmarks[list(alignment.STABLE)], target)
        self.crop = alignment.warp_face(self.frame, self.matrix, generator.width, generator.height)
        with torch.inference_mode():
            self.identity = generator.identity_encoder(as_tensor(self.crop[None]))

    def paste(self, generated: np.ndarray) -> np.ndarray:
        """The picture with the generated crop (height, width, 3) uint8 in its place."""
        return paste_change(self.frame, self.crop, generated, self.matrix)


class Footage:
    """A video whose frames are taken in turn, from the beginning again when they run out.

    The largest face speaks. Landmarks are found beforehand, for they are smoothed over time; pictures
    are read as needed. A frame without a whole face is shown as it is.
    """

    def __init__(self, path: str, generator: Generator, landmarker: Landmarker, height: int) -> None:
        self.path, self.generator, self.height = path, generator, height
        points: list[np.ndarray | None] = []
        for picture in tqdm(read_frames(path), desc="faces", unit="frame"):
            self.frame = fit(picture, height)
            faces = [f for f in landmarker(self.frame) if not unfit(f, self.frame)]
            points.append(faces[0].landmarks if faces else None)  # the largest
        if all(p is None for p in points):
            raise UserError(f"image={path}: no whole face of {MIN_FACE_SIZE} pixels in any frame")
        self.matrices = self._matrices(points)
        self.frames = self._frames()
        self.waiting: deque[tuple[np.ndarray, np.ndarray, np.ndarray | None]] = deque()

    def identity(self, frames: int) -> Identity:
        """One identity for each of the next so many frames."""
        following = list(islice(self.frames, frames))
        self.waiting.extend(following)
        with torch.inference_mode():
            return self.generator.identity_encoder(as_tensor(np.stack([f[1] for f in following])))

    def paste(self, generated: np.ndarray) -> np.ndarray:
        """The next frame with the generated crop (height, width, 3) uint8 in its place."""
        frame, crop, matrix = self.waiting.popleft()
        return frame if matrix is None else paste_change(frame, crop, generated, matrix)

    def _matrices(self, points: list[np.ndarray | None]) -> list[np.ndarray | None]:
        """Smoothed within each stretch that shows the face."""
        target = alignment.canonical_points(self.generator.width, self.generator.height)
        matrices: list[np.ndarray | None] = [None] * len(points)
        for shown, stretch in groupby(enumerate(points), key=lambda item: item[1] is not None):
            if shown:
                places, landmarks = zip(*stretch, strict=True)
                stable = alignment.smooth(np.stack(landmarks)[:, alignment.STABLE], 1.0)
                for place, matrix in zip(places, alignment.similarity(stable, target), strict=True):
                    matrices[place] = matrix
        return matrices

    def _frames(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        """Frame, crop and matrix, for ever."""
        size = self.generator.width, self.generator.height
        nobody = np.zeros((size[1], size[0], 3), np.uint8)
        while True:
            for picture, matrix in zip(read_frames(self.path), self.matrices, strict=True):
                frame = fit(picture, self.height)
                crop = nobody if matrix is None else alignment.warp_face(frame, matrix, *size)
                yield frame, crop, matrix


def choose_face(faces: list[Face], frame: np.ndarray, path: str, face: int | None) -> Face:
    """The face to animate. Raises `UserError` for none, several, a small or a cut one."""
    if not faces:
        size = f"{frame.shape[1]}x{frame.shape[0]} pixels"
        raise UserError(f"image={path}: no face was found in its {size}; give a frontal portrait")
    ordered = sorted(faces, key=lambda f: float(f.box[0]))
    if face is None and len(ordered) > 1:
        sizes = ", ".join(f"face={i}: {f.size:.0f} px" for i, f in enumerate(ordered))
        raise UserError(f"image={path}: {len(ordered)} faces, from left to right {sizes}; choose one")
    if face is not None and face >= len(ordered):
        raise UserError(f"image={path}: face={face} was asked for, the picture has {len(ordered)}")
    chosen = ordered[face or 0]
    if reason := unfit(chosen, frame):
        raise UserError(f"image={path}: the face {reason}; give a picture with all of it, and larger")
    return chosen


def unfit(face: Face, frame: np.ndarray) -> str:
    """Why a face cannot be animated, or nothing."""
    if face.size < MIN_FACE_SIZE:
        return f"is {face.size:.0f} pixels wide, at least {MIN_FACE_SIZE} are needed"
    if min(face.box[:2]) < 0 or np.any(face.box[2:] > frame.shape[1::-1]):
        return "is cut by the picture's edge"
    return ""


def fit(frame: np.ndarray, max_height: int) -> np.ndarray:
    """At most `max_height` high, and both sides even, as H.264 wants them."""
    height, width = frame.shape[:2]
    if height > max_height:
        size = (round(width * max_height / height), max_height)
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]


def as_tensor(crops: np.ndarray) -> Tensor:
    """uint8 (n, height, width, 3) -> (n, 3, height, width) in [0, 1]."""
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255


def paste_change(
    frame: np.ndarray, crop: np.ndarray, generated: np.ndarray, matrix: np.ndarray
) -> np.ndarray:
    """`generated` over `frame` where it differs from the `crop` it was made from.

    The crop is coarser than most pictures: what did not move keeps the picture's own detail.
    """
    difference = np.abs(generated.astype(np.float32) - crop).max(axis=2)
    weight = np.clip(cv2.GaussianBlur(difference, (0, 0), 3.0) / 6.0, 0, 1)
    return alignment.paste_face(frame, generated, matrix, weight=weight)


def open_portrait(
    path: str, generator: Generator, landmarker: Landmarker, face: int | None, max_height: int
) -> Still | Footage:
    """A still or footage, by what the file holds."""
    info = probe(path)
    if not info.has_video:
        raise UserError(f"image={path}: holds no picture; give a PNG, a JPEG or a video")
    if info.duration * info.fps > 1.5:  # more than one frame
        return Footage(path, generator, landmarker, max_height)
    return Still(path, generator, landmarker, face, max_height)
