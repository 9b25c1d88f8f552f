"""How the two puppets look: colours, proportions and the outlines of their hair, in face units."""

from dataclasses import dataclass

Colour = tuple[float, float, float]  # RGB in 0..1
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Look:
    """One puppet. Half the width of a face is 1, its eyes lie on y = 0, y grows downwards."""

    skin: Colour
    hair: Colour
    iris: Colour
    shirt: Colour
    collar: Colour
    room: Colour
    lips: Colour
    jaw_width: float = 1.0  # of the lower face, relative
    eye_size: float = 1.0
    lip_size: float = 1.0
    nose_size: float = 1.0
    brow_size: float = 1.0
    lashes: float = 1.0
    stubble: float = 0.0
    ears: bool = False
    shoulders: float = 1.0
    part: tuple[float, float] = (0.12, -1.35)  # where the strands start
    front_hair: Points = ()  # closed outline, over the face
    back_hair: Points = ()  # closed outline, behind neck and shoulders


# fmt: off
LOOKS = {
    "one": Look(
        skin=(0.9, 0.66, 0.54),
        hair=(0.3, 0.15, 0.08),
        iris=(0.25, 0.47, 0.42),
        shirt=(0.16, 0.42, 0.47),
        collar=(0.12, 0.33, 0.38),
        room=(0.8, 0.72, 0.62),
        lips=(0.76, 0.34, 0.33),
        jaw_width=0.91,
        eye_size=1.2,
        nose_size=0.92,
        brow_size=0.85,
        lashes=1.5,
        shoulders=0.9,
        part=(0.42, -1.75),
        front_hair=(
            (0.42, -1.02), (0.58, -0.84), (0.78, -0.56), (0.91, -0.20), (0.96, 0.30), (0.92, 0.75),
            (0.90, 1.10), (1.06, 1.22), (1.20, 0.80), (1.24, 0.10), (1.20, -0.60), (1.00, -1.18),
            (0.60, -1.56), (0.10, -1.70), (-0.45, -1.62), (-0.94, -1.26), (-1.19, -0.65),
            (-1.25, 0.10), (-1.20, 0.80), (-1.06, 1.22), (-0.90, 1.10), (-0.92, 0.75),
            (-0.96, 0.30), (-0.93, -0.22), (-0.84, -0.44), (-0.50, -0.62), (0.02, -0.82),
        ),
        back_hair=(
            (0.00, -1.60), (0.80, -1.35), (1.22, -0.50), (1.30, 0.50), (1.26, 1.20), (1.02, 1.62),
            (0.55, 1.70), (0.00, 1.60), (-0.55, 1.70), (-1.02, 1.62), (-1.26, 1.20), (-1.30, 0.50),
            (-1.22, -0.50), (-0.80, -1.35),
        ),
    ),
    "two": Look(
        skin=(0.62, 0.4, 0.28),
        hair=(0.1, 0.09, 0.09),
        iris=(0.3, 0.17, 0.09),
        shirt=(0.55, 0.22, 0.2),
        collar=(0.8, 0.76, 0.7),
        room=(0.42, 0.52, 0.62),
        lips=(0.56, 0.29, 0.26),
        jaw_width=1.1,
        eye_size=1.06,
        lip_size=0.92,
        nose_size=1.12,
        brow_size=1.35,
        lashes=0.8,
        stubble=0.3,
        ears=True,
        shoulders=1.12,
        part=(-1.05, -1.0),
        front_hair=(
            (0.00, -0.84), (0.45, -0.86), (0.76, -0.78), (0.88, -0.50), (0.93, -0.18), (0.96, 0.10),
            (1.00, 0.05), (1.04, -0.30), (1.08, -0.75), (0.98, -1.24), (0.62, -1.58), (0.10, -1.70),
            (-0.45, -1.64), (-0.92, -1.34), (-1.08, -0.80), (-1.04, -0.30), (-1.00, 0.05),
            (-0.96, 0.10), (-0.93, -0.18), (-0.88, -0.52), (-0.80, -0.76), (-0.46, -0.92),
        ),
        back_hair=(
            (0.00, -1.40), (0.70, -1.10), (0.98, -0.40), (0.94, 0.30), (0.70, 0.90), (0.00, 1.10),
            (-0.70, 0.90), (-0.94, 0.30), (-0.98, -0.40), (-0.70, -1.10),
        ),
    ),
}
# fmt: on
