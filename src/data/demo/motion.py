"""How the puppets move: phones become mouth shapes, time and chance become life.

Every phone asks for a shape and says how much it insists. Shapes follow each other by a weighted
average in a gaussian window, so a phone that insists little takes on the shape of its neighbours:
the dominance model of coarticulation (Cohen and Massaro 1993). Closures (p b m, f v) must be
reached whatever is around.
"""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d

from understudy.data.demo.puppet import Pose
from understudy.data.demo.voice import SILENCE, Phone
from understudy.data.media import FPS, Seconds

RATE = 200  # of the tracks, in values a second
AHEAD: Seconds = 0.02  # a frame is drawn for the middle of the 40 ms that it stays
CHANNELS = ("jaw", "open", "wide", "round", "tongue")
_SIGMAS: tuple[Seconds, ...] = (0.050, 0.042, 0.055, 0.060, 0.030)
_REST = (0.0, 0.0, 0.0, 0.0, 0.0, 0.6)

# Phones of one shape; jaw, open, wide, round, tongue; and how much they insist on it
_SHAPES: dict[str, tuple[float, ...]] = {
    "ɑ": (0.95, 1.00, 0.00, 0.05, 0.0, 1.0),
    "æ": (0.80, 1.00, 0.50, 0.00, 0.0, 1.0),
    "ʌɐ": (0.62, 0.80, 0.10, 0.00, 0.0, 1.0),
    "ɛ": (0.55, 0.80, 0.45, 0.00, 0.0, 1.0),
    "ə": (0.38, 0.55, 0.05, 0.05, 0.0, 0.6),
    "ᵊ": (0.28, 0.42, 0.00, 0.05, 0.0, 0.4),
    "ɜɚ": (0.35, 0.55, -0.15, 0.40, 0.0, 0.9),
    "ɪᵻ": (0.30, 0.60, 0.50, 0.00, 0.1, 0.9),
    "i": (0.18, 0.55, 1.00, 0.00, 0.1, 1.0),
    "ɔɒo": (0.75, 0.85, -0.20, 0.55, 0.0, 1.0),
    "ʊ": (0.28, 0.48, -0.20, 0.70, 0.0, 1.0),
    "u": (0.16, 0.40, -0.30, 1.00, 0.0, 1.1),
    "pbm": (0.10, 0.30, 0.05, 0.00, 0.0, 0.5),
    "fv": (0.14, 0.45, 0.15, 0.00, 0.0, 0.9),
    "θð": (0.24, 0.48, 0.15, 0.00, 1.0, 0.8),
    "tdnTɾ": (0.20, 0.45, 0.25, 0.00, 0.8, 0.5),
    "l": (0.32, 0.52, 0.15, 0.00, 1.0, 0.6),
    "sz": (0.06, 0.45, 0.55, 0.00, 0.3, 0.9),
    "ʃʒʧʤ": (0.10, 0.50, -0.25, 0.75, 0.2, 1.0),
    "kɡŋx": (0.28, 0.48, 0.10, 0.00, 0.0, 0.35),
    "h": (0.35, 0.50, 0.10, 0.00, 0.0, 0.10),
    "ɹ": (0.20, 0.45, -0.15, 0.60, 0.3, 0.8),
    "w": (0.12, 0.30, -0.40, 1.00, 0.0, 1.1),
    "j": (0.18, 0.45, 0.70, 0.00, 0.2, 0.8),
}
_DIPHTHONGS = {
    "A": ("ɛ", "ɪ"),
    "I": ("ɑ", "ɪ"),
    "Y": ("ɔ", "ɪ"),
    "W": ("æ", "ʊ"),
    "O": ("ɔ", "ʊ"),
    "Q": ("ə", "ʊ"),
}
_SHAPE_OF = {phone: shape for phones, shape in _SHAPES.items() for phone in phones}
_VOWELS = frozenset("ɑæʌɐɛəᵊɜɚɪᵻiɔɒoʊu") | frozenset(_DIPHTHONGS)


def articulate(phones: Sequence[Phone], frames: int) -> dict[str, np.ndarray]:
    """Mouth channels of `Pose`, each (frames,), for phones from time zero on."""
    steps = int(frames / FPS * RATE) + RATE
    asked = np.tile(np.array(_REST), (steps, 1))  # (time, channel and insistence)
    closed, tucked = np.zeros(steps), np.zeros(steps)
    for phone in phones:
        for symbol, start, end in _targets(phone):
            *shape, insistence = _shape(symbol)
            if phone.symbol in _VOWELS:
                strength = 1.12 if phone.stressed else 0.85
                shape[:2] = [value * strength for value in shape[:2]]
            rows = slice(*(round(max(0.0, t - AHEAD) * RATE) for t in (start, end)))
            asked[rows] = (*shape, insistence)
        if phone.symbol in "pbm":
            closed = np.maximum(closed, _constriction(phone, steps))
        elif phone.symbol in "fv":
            tucked = np.maximum(tucked, _constriction(phone, steps))
    weight = asked[:, -1]
    at = np.clip(np.round((np.arange(frames) / FPS) * RATE).astype(int), 0, steps - 1)
    mouth = {}
    for channel, (name, sigma) in enumerate(zip(CHANNELS, _SIGMAS, strict=True)):
        pull = gaussian_filter1d(weight * asked[:, channel], sigma * RATE, mode="nearest")
        mouth[name] = (pull / gaussian_filter1d(weight, sigma * RATE, mode="nearest"))[at]
    mouth["seal"], mouth["tuck"] = closed[at], tucked[at]
    return mouth


def _shape(symbol: str) -> tuple[float, ...]:
    return _REST if symbol == SILENCE else _SHAPE_OF[symbol]


def _targets(phone: Phone) -> list[tuple[str, Seconds, Seconds]]:
    """A phone's shapes and their times: two of them for a diphthong."""
    if phone.symbol not in _DIPHTHONGS:
        return [(phone.symbol, phone.start, phone.end)]
    first, second = _DIPHTHONGS[phone.symbol]
    turn = phone.start + 0.6 * (phone.end - phone.start)
    return [(first, phone.start, turn), (second, turn, phone.end)]


def _constriction(phone: Phone, steps: int) -> np.ndarray:
    """1 while the lips hold, easing in and out; long enough for a frame to show it."""
    middle = 0.5 * (phone.start + phone.end) - AHEAD
    held = max(0.5 * (phone.end - phone.start), 0.035)
    away = np.abs(np.arange(steps) / RATE - middle) - held
    ease = np.clip(1.0 - away / 0.045, 0.0, 1.0)
    return ease * ease * (3.0 - 2.0 * ease)


def live(phones: Sequence[Phone], frames: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Head, eyes and brows of `Pose`, each (frames,): drift, nods on stress, blinks, glances."""

    def drift(size: float, seconds: float) -> np.ndarray:
        room = round(4 * seconds * FPS)
        noise = gaussian_filter1d(rng.standard_normal(frames + 2 * room), seconds * FPS)
        return size * noise[room : room + frames] * np.sqrt(2 * np.sqrt(np.pi) * seconds * FPS)

    beats = np.zeros(frames + 1)
    for phone in phones:
        if phone.stressed and phone.symbol in _VOWELS:
            beats[min(frames, round(phone.start * FPS))] += rng.uniform(0.2, 1.0)
    nod = gaussian_filter1d(beats, 2.5)[:frames] * 2.5 * 2.5
    gaze_x, gaze_y = _glances(frames, rng)
    return {
        "x": drift(0.035, 0.8),
        "y": drift(0.022, 0.7) + 0.020 * nod,
        "roll": drift(0.022, 0.9),
        "scale": 1.0 + drift(0.010, 1.2),
        "yaw": drift(0.42, 0.8),
        "pitch": drift(0.30, 0.7) + 0.25 * nod,
        "brow": np.clip(drift(0.22, 0.6) + 0.30 * nod, -1, 1),
        "smile": np.clip(0.5 + drift(0.12, 1.0), 0, 1),
        "blink": _blinks(frames, rng),
        "gaze_x": gaze_x,
        "gaze_y": gaze_y,
    }


def _blinks(frames: int, rng: np.random.Generator) -> np.ndarray:
    """0 open .. 1 shut: one every two to five seconds, faster down than up."""
    time = np.arange(frames) / FPS
    shut = np.zeros(frames)
    at = rng.uniform(0.8, 3.0)
    while at < frames / FPS:
        since = time - at
        shut = np.maximum(shut, np.interp(since, [-0.08, 0.0, 0.05, 0.19], [0.0, 1.0, 1.0, 0.0]))
        at += rng.uniform(2.0, 5.0)
    return shut


def _glances(frames: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Where the eyes look: at the camera most of the time, moving in jumps."""
    gaze = np.zeros((frames, 2))
    at = 0
    while at < frames:
        stay = int(rng.uniform(0.5, 2.2) * FPS)
        away = rng.random() < 0.35
        gaze[at : at + stay] = rng.normal(0, (0.5, 0.25) if away else (0.08, 0.05))
        at += stay
    gaze = np.clip(gaussian_filter1d(gaze, 0.6, axis=0), -1, 1)
    return gaze[:, 0], gaze[:, 1]


def perform(phones: Sequence[Phone], frames: int, *, seed: int) -> list[Pose]:
    """One pose a frame for someone who says `phones`; the same seed gives the same poses."""
    tracks = articulate(phones, frames) | live(phones, frames, np.random.default_rng(seed))
    gaze = zip(tracks.pop("gaze_x"), tracks.pop("gaze_y"), strict=True)
    return [
        Pose(
            **{name: float(track[k]) for name, track in tracks.items()},
            gaze=(float(x), float(y)),
        )
        for k, (x, y) in enumerate(gaze)
    ]
