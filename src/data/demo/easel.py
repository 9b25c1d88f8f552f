"""Tools to paint with: soft shapes, light and layers, on a grid in face units.

Half the width of a face is 1, the eyes lie on y = 0, x grows to the right, y downwards.
"""

import cv2
import numpy as np
from scipy.interpolate import splev, splprep

from understudy.data.demo.looks import Colour, Points

LEFT, TOP, RIGHT, BOTTOM = -2.1, -2.1, 2.1, 2.6  # the part of the face plane that layers cover
LIGHT = np.array([-0.45, -0.55, 0.70], np.float32)
EYE_X, EYE_Y, MOUTH_Y = 0.43, 0.0, 0.92


def smoothstep(low: float | np.ndarray, high: float | np.ndarray, x: np.ndarray) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def bump(x: np.ndarray, y: np.ndarray, at: tuple[float, float], size: tuple[float, float]) -> np.ndarray:
    """A gaussian hill of height 1 around `at`, with standard deviations `size`."""
    return np.exp(-0.5 * (((x - at[0]) / size[0]) ** 2 + ((y - at[1]) / size[1]) ** 2))


def twin_bumps(
    x: np.ndarray, y: np.ndarray, at: tuple[float, float], size: tuple[float, float]
) -> np.ndarray:
    """The same hill on both sides of the face."""
    return bump(np.abs(x), y, at, size)


def tint(colour: Colour, light: np.ndarray) -> np.ndarray:
    """`colour` under `light` (h, w): (h, w, 3)."""
    return np.asarray(colour, np.float32) * light[..., None]


def scaled(colour: Colour, *factors: float) -> np.ndarray:
    """`colour` times one factor, or one for each of red, green and blue; (3,)."""
    return np.asarray(colour, np.float32) * np.asarray(factors, np.float32)


def mix(a: np.ndarray, b: np.ndarray | Colour, weight: np.ndarray) -> np.ndarray:
    """Colours `a` (..., 3) moved towards `b` by `weight` (...)."""
    return a + (np.asarray(b, np.float32) - a) * weight[..., None]


class Easel:
    """The pixel grid of a layer and what can be drawn on it.

    Args:
        resolution: pixels per face unit.
    """

    def __init__(self, *, resolution: float, rng: np.random.Generator) -> None:
        self.resolution = resolution
        self.rng = rng
        self.width = round((RIGHT - LEFT) * resolution)
        self.height = round((BOTTOM - TOP) * resolution)
        xs = LEFT + (np.arange(self.width, dtype=np.float32) + 0.5) / resolution
        ys = TOP + (np.arange(self.height, dtype=np.float32) + 0.5) / resolution
        self.x, self.y = np.meshgrid(xs, ys)  # (height, width) each

    def blur(self, image: np.ndarray, sigma: float) -> np.ndarray:
        return cv2.GaussianBlur(image, (0, 0), sigma * self.resolution)

    def noise(self, sigma: float) -> np.ndarray:
        """Smooth noise (height, width) of zero mean and unit deviation; `sigma` in face units."""
        field = self.rng.standard_normal((self.height, self.width), np.float32)
        field = self.blur(field, sigma)
        return (field - field.mean()) / field.std()

    def fill(self, outline: Points | np.ndarray, soft: float = 0.012) -> np.ndarray:
        """Coverage (height, width) in 0..1 of the smooth closed curve through `outline`."""
        points = np.asarray(outline, np.float64)
        points = np.vstack([points, points[:1]])
        spline, _ = splprep(points.T, s=0.0, per=True)
        curve = np.stack(splev(np.linspace(0, 1, 400), spline), axis=-1)
        pixels = (curve - (LEFT, TOP)) * self.resolution - 0.5
        mask = np.zeros((self.height, self.width), np.uint8)
        cv2.fillPoly(mask, [np.round(pixels * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
        return self.blur(mask.astype(np.float32) / 255.0, soft)

    def depth(self, mask: np.ndarray) -> np.ndarray:
        """How far inside `mask` a pixel lies, in face units."""
        inside = (mask > 0.02).astype(np.uint8)
        return cv2.distanceTransform(inside, cv2.DIST_L2, 5) / self.resolution

    def pillow(self, mask: np.ndarray, depth: float) -> np.ndarray:
        """A height field that rises roundly over `depth` from the edge of `mask`."""
        rim = 1.0 - np.clip(self.depth(mask) / depth, 0.0, 1.0)
        return self.blur(depth * np.sqrt(1.0 - rim**2), 0.03)

    def shadow(self, mask: np.ndarray, *, right: float = 0.0, down: float = 0.0) -> np.ndarray:
        """The soft shadow that `mask` throws, moved by so many face units."""
        step = (round(down * self.resolution), round(right * self.resolution))
        return self.blur(np.roll(mask, step, (0, 1)), 0.045)

    def normals(self, height: np.ndarray) -> np.ndarray:
        """Unit normals (height, width, 3) of a height field in face units."""
        dy, dx = np.gradient(height * self.resolution)
        normal = np.stack([-dx, -dy, np.ones_like(dx)], axis=-1)
        return normal / np.linalg.norm(normal, axis=-1, keepdims=True)


def lit(albedo: np.ndarray, normal: np.ndarray, *, gloss: float, bleed: Colour) -> np.ndarray:
    """Shade `albedo` (h, w, 3): warm key light, cool fill, and `bleed` where shadow begins."""
    key = normal @ (LIGHT / np.linalg.norm(LIGHT))
    fill = np.clip(normal @ np.array([0.75, 0.0, 0.66], np.float32), 0, 1)
    wrapped = np.clip((key + 0.35) / 1.35, 0, 1)
    light = (
        0.30
        + 0.80 * wrapped[..., None] * np.array([1.0, 0.97, 0.93])
        + 0.13 * fill[..., None] * np.array([0.8, 0.9, 1.0])
    )
    edge = np.exp(-0.5 * ((key - 0.12) / 0.22) ** 2)[..., None] * np.asarray(bleed, np.float32)
    half = np.array([-0.25, -0.32, 0.92], np.float32)
    shine = gloss * np.clip(normal @ (half / np.linalg.norm(half)), 0, 1) ** 28
    return albedo * (light + edge) + shine[..., None]


def over(below: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """`layer` (h, w, 4), premultiplied, laid over `below` (h, w, 3 or 4)."""
    return below * (1.0 - layer[..., 3:]) + layer[..., : below.shape[-1]]


def premultiplied(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A layer (h, w, 4) of `colour` (h, w, 3) that covers as much as `alpha` (h, w) says."""
    layer = np.concatenate([np.clip(colour, 0, 1) * alpha[..., None], alpha[..., None]], axis=-1)
    return np.ascontiguousarray(layer, np.float32)
