"""What changes from frame to frame: eyes and mouth, drawn into a window of the frame.

Shapes are given by curves y(x); a pixel is covered by how far it lies beyond them, so edges are
smooth at any size.
"""

import numpy as np

from understudy.data.demo.easel import bump, mix, scaled, smoothstep, tint
from understudy.data.demo.looks import Look
from understudy.data.demo.pose import Lips, Pose

WHITE = (0.93, 0.91, 0.89)
ENAMEL = (0.93, 0.91, 0.86)
CARUNCLE = (0.80, 0.52, 0.48)  # the pink inner corner
PUPIL = (0.02, 0.02, 0.03)
THROAT = (0.20, 0.055, 0.055)
TONGUE = (0.68, 0.32, 0.31)
EYE_HALF = 0.215  # width of an eye, halved


def draw_eye(
    picture: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    side: int,
    pose: Pose,
    look: Look,
    pixel: float,
) -> None:
    """Draw one eye into `picture` (h, w, 3); `x`, `y` (h, w) count from its middle.

    Args:
        side: -1 for the eye on the picture's left, 1 for the other.
        pixel: the size of a pixel in face units.
    """
    soft = 0.7 * pixel
    e = x * side / (EYE_HALF * look.eye_size)  # -1 inner corner .. 1 outer corner
    tilted = y + 0.015 * e
    arch = np.clip(1.0 - e**2, 0.0, 1.0)
    raised = 1.0 + 0.10 * pose.brow
    open_lid = -0.100 * look.eye_size * raised * arch**0.62 * (1.0 - 0.12 * e)
    low_lid = 0.068 * look.eye_size * arch**0.75 * (1.0 + 0.15 * e)
    lid = open_lid + (0.80 * low_lid - open_lid) * pose.blink
    lid = lid + 0.03 * max(pose.gaze[1], 0.0) * arch  # it follows a look down
    between = smoothstep(-soft, soft, low_lid - tilted) * (np.abs(e) < 1.0)

    shut = min(1.0, pose.blink / 0.2)
    covered = shut * between * smoothstep(-soft, soft, tilted - open_lid + 0.01)
    light = 0.93 - 0.25 * e**2 + 0.10 * bump(e, tilted, (-0.2, -0.02), (0.4, 0.04))
    lid_skin = tint(look.skin, light) * np.array([0.98, 0.90, 0.88], np.float32)
    picture[:] = mix(picture, lid_skin, covered)

    ball = _eyeball(x, y, e, pose, look, soft)
    ball *= (1.0 - 0.50 * np.exp(-np.clip(tilted - lid, 0.0, None) / 0.035))[..., None]  # lid's shadow
    ball = np.clip(ball + 0.95 * _glint(x, y, pose)[..., None], 0.0, 1.0)
    picture[:] = mix(picture, ball, between * smoothstep(-soft, soft, tilted - lid))

    reach = smoothstep(-1.02, -0.80, e) * (1.0 - smoothstep(1.06, 1.16, e))
    thick = (0.016 + 0.014 * look.lashes * smoothstep(-0.7, 1.0, e)) * (0.9 + 0.3 * pose.blink)
    flick = lid - 0.10 * np.clip(e - 0.80, 0.0, None) * look.lashes
    lash = np.exp(-(np.abs((tilted - flick + 0.4 * thick) / thick) ** 2.5)) * reach
    picture[:] = mix(picture, scaled(look.hair, 0.35), 0.92 * lash)
    rim = np.exp(-(((tilted - low_lid) / 0.012) ** 2)) * (np.abs(e) < 1.0)
    picture[:] = mix(picture, scaled(look.skin, 0.72, 0.50, 0.47), 0.55 * rim)


def _iris_place(x: np.ndarray, y: np.ndarray, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    return x - 0.055 * pose.gaze[0], y + 0.012 - 0.035 * pose.gaze[1]


def _eyeball(x: np.ndarray, y: np.ndarray, e: np.ndarray, pose: Pose, look: Look, soft: float) -> np.ndarray:
    """White, iris and pupil (h, w, 3), as if there were no lids."""
    gx, gy = _iris_place(x, y, pose)
    r, angle = np.hypot(gx, gy) / (0.100 * look.eye_size), np.arctan2(gy, gx)
    edge = soft / 0.1
    ball = tint(WHITE, 0.97 - 0.16 * e**2)
    ball = mix(ball, CARUNCLE, 0.75 * (1.0 - smoothstep(-0.98, -0.78, e)))
    ball = mix(ball, (0.0, 0.0, 0.0), 0.25 * (1.0 - smoothstep(1.0, 1.35, r)))
    streaks = 0.14 * np.sin(19 * angle + 2.0 * np.sin(5 * angle)) + 0.08 * np.sin(41 * angle)
    glow = 0.75 + 0.55 * smoothstep(-0.6, 0.9, gy / 0.1) + streaks * smoothstep(0.35, 0.6, r)
    iris = tint(look.iris, glow * (1.0 - 0.72 * smoothstep(0.74, 1.0, r)))
    ball = mix(ball, iris, 1.0 - smoothstep(1.0 - edge, 1.0 + edge, r))
    return mix(ball, PUPIL, 1.0 - smoothstep(0.42 - edge, 0.42 + edge, r))


def _glint(x: np.ndarray, y: np.ndarray, pose: Pose) -> np.ndarray:
    gx, gy = _iris_place(x, y, pose)
    window = bump(gx, gy, (-0.034, -0.042), (0.017, 0.017))
    floor = bump(gx, gy, (0.038, 0.036), (0.020, 0.014))
    return np.clip(1.3 * window + 0.4 * floor, 0.0, 1.0)


def draw_mouth(
    picture: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    pose: Pose,
    lips: Lips,
    look: Look,
    pixel: float,
) -> None:
    """Draw the mouth into `picture` (h, w, 3); `x`, `y` (h, w) count from its middle."""
    soft = 0.6 * pixel
    s = x / lips.half  # -1 .. 1 from corner to corner
    within = np.abs(s) < 1.0
    arch = np.clip(1.0 - s**2, 0.0, 1.0)
    dip = np.exp(-((s / 0.18) ** 2)) - 0.6 * arch
    seam = lips.corner * np.abs(s) ** 1.7 + 0.010 * dip * (1.0 - pose.open)
    top_in, low_in = seam - lips.up * arch**0.8, seam + lips.down * arch**0.62
    peaks, notch = np.exp(-(((np.abs(s) - 0.26) / 0.17) ** 2)), np.exp(-((s / 0.11) ** 2))
    top_out = top_in - lips.upper * (1.0 + 0.16 * peaks - 0.12 * notch) * arch**0.80
    low_out = low_in + lips.lower * arch**0.58

    below = bump(x, y - low_out, (0.0, 0.045), (0.75 * lips.half, 0.035))
    corners = bump(np.abs(s), y - seam, (1.03, 0.0), (0.10, 0.035))
    picture *= (1.0 - 0.26 * below - 0.34 * corners)[..., None]  # shadows on the skin

    parted = smoothstep(0.0, 2.0 * soft, low_in - top_in)
    hole = smoothstep(-soft, soft, y - top_in) * smoothstep(-soft, soft, low_in - y) * within
    inside = _inside(x, y, s, top_in, low_in, pose, lips, soft)
    picture[:] = mix(picture, inside, hole * parted)

    rim, lap = 1.6 * soft, 0.3 * soft
    upper, lower = _lip_skin(s, arch, y, top_out, top_in, low_in, low_out, look)
    on_top = smoothstep(-rim, rim, y - top_out) * smoothstep(-soft, soft, top_in - y + lap)
    on_low = smoothstep(-rim, rim, low_out - y) * smoothstep(-soft, soft, y - low_in + lap)
    picture[:] = mix(picture, upper, on_top * within)
    picture[:] = mix(picture, lower, on_low * within)
    line = np.exp(-(((y - seam) / 0.011) ** 2)) * (1.0 - parted) * (np.abs(s) < 1.02)
    picture[:] = mix(picture, scaled(look.lips, 0.33), 0.85 * line)
    np.clip(picture, 0.0, 1.0, out=picture)


def _inside(
    x: np.ndarray,
    y: np.ndarray,
    s: np.ndarray,
    top_in: np.ndarray,
    low_in: np.ndarray,
    pose: Pose,
    lips: Lips,
    soft: float,
) -> np.ndarray:
    """Throat, tongue and teeth (h, w, 3), as if there were no lips."""
    depth = np.clip((y - top_in) / np.maximum(low_in - top_in, 1e-4), 0.0, 1.0)
    inside = tint(THROAT, 0.30 + 0.75 * depth * np.clip(1.0 - s**2, 0.0, 1.0))
    over_tongue = y - lips.down * (0.62 - 0.50 * pose.tongue) + 0.03 * pose.tongue - 0.9 * x**2
    tongue = smoothstep(-0.02, 0.03, over_tongue) * (1.0 - smoothstep(0.55, 0.85, np.abs(s)))
    inside = mix(inside, TONGUE, tongue * (0.47 + 0.38 * smoothstep(0.0, 0.08, over_tongue)))
    lower_edge = 0.050 + 0.80 * lips.jaw - 0.035 * max(pose.wide, 0.0) + 0.3 * x**2
    upper_edge = 0.036 + 0.010 * pose.jaw - 0.25 * x**2
    inside = _teeth(inside, x, lower_edge - y, tooth=0.066, light=0.76, soft=soft)
    inside = _teeth(inside, x + 0.042, y - upper_edge, tooth=0.084, light=1.0, soft=soft)
    under_lip = np.exp(-np.clip(y - top_in, 0.0, None) / 0.028)
    return inside * (1.0 - 0.62 * under_lip)[..., None]


def _teeth(
    inside: np.ndarray,
    x: np.ndarray,
    beyond: np.ndarray,
    *,
    tooth: float,
    light: float,
    soft: float,
) -> np.ndarray:
    """A row of teeth over the inside of the mouth, up to where `beyond` turns positive."""
    between = np.abs((x / tooth) % 1.0 - 0.5)  # 0.5 between two teeth
    shade = light * (1.0 - 0.85 * (x / 0.42) ** 2) * (1.0 - 0.16 * smoothstep(0.40, 0.5, between))
    scalloped = beyond - 0.006 * (1.0 - (2.0 * between) ** 4)
    return mix(inside, tint(ENAMEL, np.clip(shade, 0.1, 1.0)), smoothstep(-soft, soft, -scalloped))


def _lip_skin(
    s: np.ndarray,
    arch: np.ndarray,
    y: np.ndarray,
    top_out: np.ndarray,
    top_in: np.ndarray,
    low_in: np.ndarray,
    low_out: np.ndarray,
    look: Look,
) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower lip (h, w, 3): the upper faces down and is darker, the lower shines."""
    creases = 1.0 + 0.035 * np.sin(34 * s + 3 * np.sin(7 * s)) * arch
    sideways = creases * (1.0 - 0.22 * s**2 * np.sign(s + 0.2))  # the light comes from the left
    t = np.clip((y - top_out) / np.maximum(top_in - top_out, 1e-4), 0.0, 1.0)
    upper = 0.98 - 0.36 * t**1.4 + 0.10 * np.exp(-(((t - 0.25) / 0.2) ** 2))
    t = np.clip((y - low_in) / np.maximum(low_out - low_in, 1e-4), 0.0, 1.0)
    lower = 0.90 + 0.28 * np.sin(0.95 * np.pi * t) - 0.22 * t**2
    gleam = np.exp(-(((t - 0.36) / 0.17) ** 2) - ((s + 0.12) / 0.42) ** 2)
    gleam = 0.20 * gleam * (1.0 + 0.3 * np.sin(31 * s))
    return tint(look.lips, upper * sideways), tint(look.lips, lower * sideways) + gleam[..., None]
