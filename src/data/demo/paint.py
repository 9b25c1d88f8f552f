"""The still layers of a puppet: skin, hair, body and room, painted once before the first frame.

Skin is a height field lit from the upper left, so a shape is a sum of soft bumps and no picture
file is needed.
"""

import cv2
import numpy as np

from understudy.data.demo.easel import (
    EYE_X,
    Easel,
    bump,
    lit,
    mix,
    over,
    premultiplied,
    scaled,
    smoothstep,
    tint,
    twin_bumps,
)
from understudy.data.demo.looks import Look


def _strands(easel: Easel, origin: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Noise drawn out along lines that leave `origin`, and the distance from it; both (h, w)."""
    dx, dy = easel.x - origin[0], easel.y - origin[1]
    radius = np.hypot(dx, 0.8 * dy)
    angle = np.arctan2(dx, dy + 0.35) + 0.02 * np.sin(3.0 * radius)
    raw = easel.rng.standard_normal((48, 1024)).astype(np.float32)
    fine = cv2.GaussianBlur(raw, (0, 0), 1.4, sigmaY=9.0)
    broad = cv2.GaussianBlur(raw, (0, 0), 9.0, sigmaY=14.0)
    texture = fine / fine.std() + 0.9 * broad / broad.std()
    column = ((angle / (2 * np.pi) + 0.5) * 1023).astype(np.float32)
    row = (np.clip(radius / 3.2, 0, 1) * 47).astype(np.float32)
    return cv2.remap(texture, column, row, cv2.INTER_LINEAR), radius


def _hair(easel: Easel, look: Look, mask: np.ndarray, *, shade: float) -> np.ndarray:
    strands, radius = _strands(easel, look.part)
    normal = easel.normals(easel.pillow(mask, 0.32) + 0.006 * strands)
    albedo = np.clip(tint(look.hair, 1.0 + 0.20 * strands), 0, 1)
    colour = lit(albedo, normal, gloss=0.05, bleed=(0.02, 0.01, 0.0))
    ring = bump(radius, easel.x, (0.62, -0.25), (0.13, 0.75))
    ring = ring * (0.6 + 0.4 * np.clip(strands, -1, 1.5))
    gleam = scaled(look.hair, 0.35) + 0.14
    return (colour + ring[..., None] * gleam) * shade


def _face_outline(look: Look) -> np.ndarray:
    """Closed outline (n, 2) of the face, chin to crown."""
    side = np.array(
        [
            (0.0, 1.46), (0.22, 1.43), (0.42, 1.31), (0.60, 1.11), (0.76, 0.84), (0.88, 0.50),
            (0.96, 0.12), (0.985, -0.30), (0.93, -0.75), (0.76, -1.12), (0.45, -1.37), (0.0, -1.46),
        ]
    )  # fmt: skip
    side[:, 0] *= 1 + (look.jaw_width - 1) * np.clip(side[:, 1], 0, 1)
    return np.vstack([side, side[-2:0:-1] * (-1, 1)])


def _relief(easel: Easel, look: Look, mask: np.ndarray) -> np.ndarray:
    """The height field of the face."""
    x, y, n = easel.x, easel.y, look.nose_size
    ball = np.sqrt(np.clip(1.25 - (x / 1.12) ** 2 - (y / 1.75) ** 2, 0.01, None))
    along = np.clip((y + 0.15) / 0.62, 0, 1)  # down the nose
    ridge = (
        np.exp(-0.5 * (x / (0.105 * n + 0.03 * along)) ** 2)
        * smoothstep(-0.35, 0.1, y)
        * (1 - smoothstep(0.50, 0.68, y))
    )
    fold = (  # from nose to corner of the mouth
        np.exp(-0.5 * ((np.abs(x) - 0.50 * y) / 0.035) ** 2)
        * smoothstep(0.50, 0.65, y)
        * (1 - smoothstep(0.80, 1.0, y))
    )
    return (
        0.85 * ball
        + 0.55 * easel.pillow(mask, 0.40)
        # bridge, tip and wings of the nose
        + ridge * (0.05 + 0.12 * along) * n
        + 0.13 * n * bump(x, y, (0, 0.52), (0.12 * n, 0.105))
        + 0.095 * n * twin_bumps(x, y, (0.165 * n, 0.585), (0.065, 0.062))
        # eye sockets, eyeballs, brow ridges
        - 0.15 * twin_bumps(x, y, (0.36, -0.03), (0.24, 0.15))
        + 0.075 * twin_bumps(x, y, (EYE_X, 0.0), (0.17, 0.11))
        + 0.050 * twin_bumps(x, y, (0.40, -0.32), (0.30, 0.09))
        # cheeks, the round of the teeth, philtrum, the hollow under the lip, chin
        + 0.075 * twin_bumps(x, y, (0.57, 0.45), (0.22, 0.20))
        + 0.070 * bump(x, y, (0, 0.92), (0.34, 0.22))
        - 0.020 * bump(x, y, (0, 0.74), (0.035, 0.07))
        - 0.042 * bump(x, y, (0, 1.135), (0.20, 0.045))
        + 0.060 * bump(x, y, (0, 1.28), (0.17, 0.10))
        - 0.012 * fold
    )


def _brows(easel: Easel, look: Look) -> np.ndarray:
    """Coverage of both eyebrows, in little hairs."""
    x = np.abs(easel.x)
    s = np.clip((x - 0.17) / 0.56, 0.0, 1.0)  # inner end to outer end
    centre = -0.285 - 0.085 * np.sin(np.pi * np.minimum(1.0, s * 0.80 + 0.06)) + 0.085 * s**2
    thick = 0.048 * look.brow_size * (1.0 - 0.72 * s**1.6)
    body = (
        np.exp(-(np.abs((easel.y - centre) / thick) ** 3))
        * smoothstep(0.12, 0.25, x)
        * (1 - smoothstep(0.70, 0.77, x))
    )
    hairs: np.ndarray = easel.rng.standard_normal((easel.height, easel.width), np.float32)
    thin, long = 0.012 * easel.resolution, 0.030 * easel.resolution
    hairs = cv2.GaussianBlur(hairs, (0, 0), thin, sigmaY=long)
    return body * np.clip(0.86 + 0.18 * hairs / hairs.std(), 0, 1)


def _skin(easel: Easel, look: Look) -> np.ndarray:
    """The colour of the skin (h, w, 3) before any light: flushed cheeks, pores, stubble."""
    x, y = easel.x, easel.y
    cheeks, tip = twin_bumps(x, y, (0.58, 0.42), (0.20, 0.15)), bump(x, y, (0, 0.55), (0.15, 0.10))
    flush = (0.45 * cheeks + 0.30 * tip)[..., None] * np.array([0.06, -0.13, -0.12], np.float32)
    skin = tint(look.skin, 1 + 0.012 * easel.noise(0.012) + 0.018 * easel.noise(0.12)) * (1 + flush)
    beard = smoothstep(0.65, 1.05, y + 0.35 * x**2)
    beard = beard * (1 - 0.5 * bump(x, y, (0, 0.62), (0.2, 0.08)))
    beard = beard * (0.85 + 0.15 * easel.noise(0.010))
    return mix(skin, scaled(look.hair, 0.6) + 0.18, look.stubble * beard)


def _face(easel: Easel, look: Look) -> np.ndarray:
    x, y = easel.x, easel.y
    mask = easel.fill(_face_outline(look))
    normal = easel.normals(_relief(easel, look, mask))
    colour = lit(_skin(easel, look), normal, gloss=0.10, bleed=(0.10, 0.02, 0.0))
    shade = (  # what light from a single direction leaves out
        0.30 * twin_bumps(x, y, (0.40, -0.085), (0.20, 0.045))  # fold of the upper lid
        + 0.16 * twin_bumps(x, y, (0.25, -0.02), (0.07, 0.10))  # between eye and nose
        + 0.10 * twin_bumps(x, y, (0.43, 0.17), (0.17, 0.035))  # under the eye
        + 0.20 * bump(x, y, (0.02, 0.680), (0.12, 0.035))  # under the nose
        + 0.18 * bump(x, y, (0.03, 1.115), (0.20, 0.05))  # under the lip
    )
    nostrils = twin_bumps(x, y, (0.085 * look.nose_size, 0.632), (0.038, 0.019))
    colour = mix(colour, scaled(look.skin, 0.42, 0.22, 0.20), np.clip(shade, 0, 1))
    colour = mix(colour, scaled(look.skin, 0.22, 0.10, 0.09), np.clip(1.1 * nostrils, 0, 0.9))
    colour = mix(colour, scaled(look.hair, 0.55), 0.92 * _brows(easel, look))
    return premultiplied(colour, mask)


def _ears(easel: Easel, look: Look) -> np.ndarray:
    outline = (
        (0.93, -0.18), (1.05, -0.24), (1.14, -0.12), (1.12, 0.14), (1.04, 0.38), (0.94, 0.42),
    )  # fmt: skip
    ear = easel.fill(outline)
    ear = np.maximum(ear, ear[:, ::-1])
    hollow = twin_bumps(easel.x, easel.y, (1.05, 0.05), (0.035, 0.13))
    skin = tint(look.skin, 1 - 0.35 * hollow) * np.array([0.98, 0.86, 0.84], np.float32)
    normal = easel.normals(easel.pillow(ear, 0.07))
    return premultiplied(lit(skin, normal, gloss=0.03, bleed=(0.12, 0.02, 0.0)), ear)


def paint_head(easel: Easel, look: Look) -> np.ndarray:
    """Face, ears and front hair without eyes and mouth; (height, width, 4), alpha premultiplied."""
    head = _face(easel, look)
    if look.ears:
        head = over(_ears(easel, look), head)
    hair = easel.fill(look.front_hair)
    head[..., :3] *= 1 - 0.45 * easel.shadow(hair, right=0.03, down=0.05)[..., None]
    return over(head, premultiplied(_hair(easel, look, hair, shade=1.0), hair))


def paint_back_hair(easel: Easel, look: Look) -> np.ndarray:
    """Hair behind the neck; (height, width, 4), alpha premultiplied."""
    mask = easel.fill(look.back_hair)
    return premultiplied(_hair(easel, look, mask, shade=0.62), mask)


def paint_body(easel: Easel, look: Look) -> np.ndarray:
    """Neck, shoulders and shirt; (height, width, 4), alpha premultiplied."""
    y, s = easel.y, look.shoulders
    half = 0.50 * s  # width of the neck, halved
    shirt = easel.fill(
        (
            (-2.6 * s, 3.2), (-1.75 * s, 2.16), (-1.25 * s, 1.93), (-0.78 * s, 1.78),
            (-1.05 * half, 1.60), (-0.36, 1.86), (0.0, 1.99), (0.36, 1.86), (1.05 * half, 1.60),
            (0.78 * s, 1.78), (1.25 * s, 1.93), (1.75 * s, 2.16), (2.6 * s, 3.2), (0.0, 3.6),
        ),
        soft=0.010,
    )  # fmt: skip
    folds = 0.04 * easel.noise(0.16) * smoothstep(1.8, 2.2, y) + 0.0012 * easel.noise(0.012)
    depth, middle = easel.depth(shirt), 1 - smoothstep(0.52 * s, 0.62 * s, np.abs(easel.x))
    collar = (1 - smoothstep(0.085, 0.10, depth)) * middle
    cloth = mix(tint(look.shirt, np.ones_like(y)), scaled(look.collar, 0.92), collar)
    normal = easel.normals(easel.pillow(shirt, 0.5) * 0.8 + folds)
    cloth = lit(cloth, normal, gloss=0.0, bleed=(0.0, 0.0, 0.0))
    hem = np.exp(-0.5 * ((depth - 0.10) / 0.012) ** 2) * middle
    cloth = cloth * (1 - 0.25 * hem)[..., None]
    neck = _neck(easel, look, half)
    neck[..., :3] *= 1 - 0.4 * easel.shadow(shirt, down=-0.05)[..., None]
    return over(neck, premultiplied(cloth, shirt))


def _neck(easel: Easel, look: Look, half: float) -> np.ndarray:
    x, y = easel.x, easel.y
    mask = easel.fill(
        (
            (-half, 0.7), (half, 0.7), (0.98 * half, 1.5), (1.25 * half, 1.95), (0.8, 2.8),
            (-0.8, 2.8), (-1.25 * half, 1.95), (-0.98 * half, 1.5),
        )
    )  # fmt: skip
    height = 0.54 * np.sqrt(np.clip(1 - (x / (1.25 * half)) ** 2, 0, 1))
    tendons = 0.05 * np.exp(-0.5 * ((np.abs(x) - 0.36 + 0.35 * (y - 1.5)) / 0.05) ** 2)
    normal = easel.normals(easel.blur(height + tendons, 0.03))
    skin = tint(look.skin, np.full_like(x, 0.94))
    colour = lit(skin, normal, gloss=0.02, bleed=(0.08, 0.02, 0.0))
    under_chin = 1 - smoothstep(1.40, 1.86, y + 0.25 * x**2 - 0.10 * x)
    return premultiplied(mix(colour, scaled(look.skin, 0.46, 0.31, 0.28), 0.72 * under_chin), mask)


def paint_room(look: Look, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """An out-of-focus wall with lights; (height, width, 3) in 0..1."""
    ratio = height / width
    x, y = np.meshgrid(
        np.linspace(-1, 1, width, dtype=np.float32),
        np.linspace(-ratio, ratio, height, dtype=np.float32),
    )
    wall = tint(look.room, 0.78 + 0.34 * bump(x, y, (-0.35, -0.28), (0.75, 0.95)))
    for _ in range(7):
        at = (rng.uniform(-1.1, 1.1), rng.uniform(-1.1, 0.7))
        size, glow = rng.uniform(0.10, 0.22), rng.uniform(0.015, 0.05)
        disc = 1 - smoothstep(0.75 * size, 1.25 * size, np.hypot(x - at[0], y - at[1]))
        wall = wall + tint((1.0, 0.93, 0.80), glow * disc)
    return np.clip(wall * (1 - 0.28 * x**2 - 0.14 * y**2)[..., None], 0, 1)
