"""What a puppet can do, and what that means for its lips."""

from dataclasses import dataclass

from understudy.data.demo.looks import Look


@dataclass(frozen=True)
class Pose:
    """One moment of a face: 0 (rest) .. 1 where not said otherwise, shifts in face units."""

    jaw: float = 0.0  # how far the jaw is down
    open: float = 0.0  # how far the lips are apart
    wide: float = 0.0  # -1 (narrow) .. 1 (spread)
    round: float = 0.0  # lips pushed forward
    tuck: float = 0.0  # lower lip under the upper teeth
    seal: float = 0.0  # lips pressed together, whatever else is asked
    tongue: float = 0.0  # tip raised behind the teeth
    smile: float = 0.5
    blink: float = 0.0
    brow: float = 0.0  # -1 .. 1
    gaze: tuple[float, float] = (0.0, 0.0)
    x: float = 0.0
    y: float = 0.0
    roll: float = 0.0  # radians
    scale: float = 1.0
    yaw: float = 0.0  # -1 .. 1, a small turn, as parallax
    pitch: float = 0.0


@dataclass(frozen=True)
class Lips:
    """Where a pose puts the lips, in face units."""

    half: float  # corner to corner, halved
    up: float  # inner edge of the upper lip above the seam
    down: float  # inner edge of the lower lip below it
    upper: float  # thickness
    lower: float
    corner: float  # height of the corners below the seam
    jaw: float  # how far the chin is down


def lips_of(pose: Pose, look: Look) -> Lips:
    """The lips of a pose: sealed ones stay shut whatever the jaw does."""
    apart = pose.open * (1.0 - pose.seal)
    jaw = 0.25 * pose.jaw * (1.0 - 0.35 * pose.seal)
    press = 1.0 - 0.30 * pose.seal
    full = look.lip_size * (1.0 + 0.30 * pose.round - 0.12 * max(pose.wide, 0.0))
    return Lips(
        half=0.375 * (1.0 + 0.17 * pose.wide + 0.10 * pose.smile) * (1.0 - 0.40 * pose.round),
        up=0.062 * apart * (1.0 - 0.4 * pose.tuck) + 0.022 * pose.tuck,
        down=(0.085 * apart + 0.78 * jaw * min(1.0, 2.0 * apart)) * (1.0 - 0.85 * pose.tuck),
        upper=0.088 * full * press,
        lower=0.115 * full * press * (1.0 - 0.35 * pose.tuck),
        corner=-0.10 * pose.smile + 0.25 * jaw * (1.0 - pose.seal),
        jaw=jaw,
    )
