"""A talking face that is nobody: drawn from a pose, with its true landmarks.

It exists so that everything can be tried and tested without a recording of a person. Whatever the
renderer knows about its own drawing is ground truth for tests; no step of the pipeline reads it.
"""

import cv2
import numpy as np

from understudy.data.demo.easel import EYE_X, EYE_Y, LEFT, MOUTH_Y, TOP, Easel, over, smoothstep
from understudy.data.demo.features import draw_eye, draw_mouth
from understudy.data.demo.looks import Look
from understudy.data.demo.paint import paint_back_hair, paint_body, paint_head, paint_room
from understudy.data.demo.pose import Lips, Pose, lips_of

LANDMARKS = (
    "mouth_left",
    "mouth_right",
    "inner_lip_top",
    "inner_lip_bottom",
    "outer_lip_top",
    "outer_lip_bottom",
    "eye_left_outer",
    "eye_left_inner",
    "eye_right_inner",
    "eye_right_outer",
    "nose_base",
    "chin",
)  # left and right are the picture's


class Puppet:
    """Draws one look at one size.

    Args:
        look: colours and proportions.
        width, height: of the frames, in pixels.
        seed: of the textures.
    """

    def __init__(self, look: Look, *, width: int = 288, height: int = 320, seed: int = 0) -> None:
        self.look, self.width, self.height = look, width, height
        self.unit = 0.268 * min(width, 0.9 * height)  # pixels per face unit
        self.centre = (0.5 * width, 0.485 * height)
        rng = np.random.default_rng(seed)
        easel = Easel(resolution=1.3 * self.unit, rng=rng)
        self._resolution = easel.resolution
        self._head = paint_head(easel, look)
        body, back = paint_body(easel, look), paint_back_hair(easel, look)
        room = paint_room(look, width, height, rng)
        self._columns = np.arange(width, dtype=np.float32)[None, :] + 0.5
        self._rows = np.arange(height, dtype=np.float32)[:, None] + 0.5
        still = self._to_face(Pose())
        self._room, self._back, self._body = room, back, self._sample(body, *still)

    def render(self, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
        """The frame (height, width, 3) RGB uint8, and `LANDMARKS` (12, 2) in its pixels."""
        lips = lips_of(pose, self.look)
        u, v = self._to_face(pose)
        frame = over(self._room, self._sample(self._back, u, v))
        frame = over(frame, self._body)
        turn = np.exp(-((u / 1.0) ** 2) - (v / 1.5) ** 2)  # what is nearer moves further
        u, v = u - 0.10 * pose.yaw * turn, v - 0.08 * pose.pitch * turn
        frame = over(frame, self._sample(self._head, u, _unmoved(u, v, lips, pose)))
        pixel = 1.0 / (self.unit * pose.scale)
        for side in (-1, 1):
            w = self._window(pose, (side * EYE_X, EYE_Y), (0.36, 0.24))
            draw_eye(frame[w], u[w] - side * EYE_X, v[w] - EYE_Y, side, pose, self.look, pixel)
        w = self._window(pose, (0.0, MOUTH_Y + 0.1), (0.62, 0.48))
        draw_mouth(frame[w], u[w], v[w] - MOUTH_Y, pose, lips, self.look, pixel)
        return (frame * 255.0 + 0.5).astype(np.uint8), self._landmarks(pose, lips)

    def opening(self, pose: Pose) -> float:
        """How far the inner lips are apart, in pixels."""
        lips = lips_of(pose, self.look)
        return (lips.up + lips.down) * self.unit * pose.scale

    def _to_face(self, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
        """Face coordinates (height, width) each of every pixel."""
        size = self.unit * pose.scale
        c, s = np.float32(np.cos(pose.roll) / size), np.float32(np.sin(pose.roll) / size)
        dx = self._columns - np.float32(self.centre[0] + pose.x * self.unit)
        dy = self._rows - np.float32(self.centre[1] + pose.y * self.unit)
        return c * dx + s * dy, c * dy - s * dx

    def _to_pixels(self, points: np.ndarray, pose: Pose) -> np.ndarray:
        """Where points (n, 2) of the face lie in the frame, turn included: undoes `_to_face`."""
        turn = np.exp(-(points[:, :1] ** 2) - (points[:, 1:] / 1.5) ** 2)
        u, v = (points + turn * np.array([0.10 * pose.yaw, 0.08 * pose.pitch])).T
        size, c, s = self.unit * pose.scale, np.cos(pose.roll), np.sin(pose.roll)
        return np.stack(
            [
                self.centre[0] + pose.x * self.unit + size * (c * u - s * v),
                self.centre[1] + pose.y * self.unit + size * (s * u + c * v),
            ],
            axis=-1,
        )

    def _sample(self, layer: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        column = (u - LEFT) * self._resolution - 0.5
        row = (v - TOP) * self._resolution - 0.5
        return cv2.remap(layer, column, row, cv2.INTER_LINEAR)

    def _landmarks(self, pose: Pose, lips: Lips) -> np.ndarray:
        eye = 0.215 * self.look.eye_size
        points = [
            (-lips.half, MOUTH_Y + lips.corner),
            (lips.half, MOUTH_Y + lips.corner),
            (0.0, MOUTH_Y - lips.up),
            (0.0, MOUTH_Y + lips.down),
            (0.0, MOUTH_Y - lips.up - 0.88 * lips.upper),
            (0.0, MOUTH_Y + lips.down + lips.lower),
            (-EYE_X - eye, EYE_Y - 0.015),
            (-EYE_X + eye, EYE_Y + 0.015),
            (EYE_X - eye, EYE_Y + 0.015),
            (EYE_X + eye, EYE_Y - 0.015),
            (0.0, 0.66),
            (0.0, 1.46 + lips.jaw),
        ]
        return self._to_pixels(np.array(points), pose) - 0.5  # pixel centres are whole numbers

    def _window(
        self, pose: Pose, centre: tuple[float, float], size: tuple[float, float]
    ) -> tuple[slice, slice]:
        """The rows and columns that hold a box of the face."""
        x, y = self._to_pixels(np.array([centre]), pose)[0]
        half_w, half_h = (side * self.unit * pose.scale for side in size)
        return (
            slice(max(0, int(y - half_h)), min(self.height, int(y + half_h) + 2)),
            slice(max(0, int(x - half_w)), min(self.width, int(x + half_w) + 2)),
        )


def _unmoved(u: np.ndarray, v: np.ndarray, lips: Lips, pose: Pose) -> np.ndarray:
    """Where the skin now at (u, v) lay at rest: the jaw's skin and the brows slide up and down."""
    top = MOUTH_Y - 0.55 * np.minimum(1.2 * u * u, 1.0)
    follows = smoothstep(top, MOUTH_Y + 0.10 + 0.5 * u * u, v) * (1 - smoothstep(0.50, 1.15, np.abs(u)))
    brows = np.exp(-(((v + 0.36) / 0.17) ** 2))
    return v - lips.jaw * follows + 0.055 * pose.brow * brows
