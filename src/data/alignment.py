"""Faces put in one place: similarity transforms on stable landmarks, crops, and crops put back.

Points are (x, y) in pixels, pixel centres at whole numbers. Matrices are (2, 3) and map a frame's
points into its crop. After Vougioukas, Petridis and Pantic, "Realistic speech-driven facial
animation with GANs", IJCV 2020: landmarks that speech does not move (nose base, eye corners) are
brought to a canonical face, so whatever moves in the crop is expression.
"""

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

STABLE = (33, 36, 39, 42, 45)  # nose base, then the eye corners from the picture's left to right
MOUTH = slice(48, 68)
WIDTH, HEIGHT = 96, 128

_CANONICAL = np.array(  # where STABLE lies in a 96x128 crop
    [[48, 76], [24, 50], [39.5, 50], [56.5, 50], [72, 50]], np.float32
)


def canonical_points(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Where the `STABLE` landmarks belong in a crop: (5, 2) float32, in the order of `STABLE`."""
    scale = np.array([width / WIDTH, height / HEIGHT], np.float32)
    return (_CANONICAL + 0.5) * scale - 0.5  # edges of the picture scale, not pixel centres


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Rotation, uniform scale and shift that bring `source` nearest to `target`: (..., 2, 3).

    Least squares in closed form, the points read as complex numbers: target = a source + b.
    `source` is (..., n, 2), `target` (n, 2) or (..., n, 2).
    """
    z = source[..., 0] + 1j * source[..., 1].astype(np.float64)
    w = target[..., 0] + 1j * target[..., 1].astype(np.float64)
    z_mean, w_mean = z.mean(-1, keepdims=True), w.mean(-1, keepdims=True)
    z, w = z - z_mean, w - w_mean
    spread = (np.abs(z) ** 2).sum(-1)
    assert np.all(spread > 0), "all points lie in one place: no scale or rotation fits"
    a = (np.conj(z) * w).sum(-1) / spread
    b = w_mean[..., 0] - a * z_mean[..., 0]
    rows = [a.real, -a.imag, b.real, a.imag, a.real, b.imag]
    return np.stack(rows, -1).reshape(*a.shape, 2, 3)


def invert(matrix: np.ndarray) -> np.ndarray:
    """The way back: (..., 2, 3), for any affine matrix that does not flatten the plane."""
    linear = np.linalg.inv(matrix[..., :2])
    return np.concatenate([linear, -linear @ matrix[..., 2:]], -1)


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """`points` (..., n, 2) under `matrix` (..., 2, 3), batched over the leading axes."""
    return points @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., None, :, 2]


def smooth(points: np.ndarray, sigma: float = 1.0) -> np.ndarray:
    """A clip's points (time, n, 2) under a gaussian of `sigma` frames; 0 leaves them alone.

    One frame is enough to take the landmarks' tremble out of the crop and still follows a nod.
    """
    if sigma <= 0:
        return points
    return gaussian_filter1d(points, sigma, axis=0, mode="nearest")


def warp_face(frame: np.ndarray, matrix: np.ndarray, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """The crop (height, width, 3) uint8 that `matrix` (2, 3) cuts from `frame`.

    Bilinear; a face larger than the crop is softened first, so that nothing flickers or aliases.
    (Shrinking the picture beforehand instead puts its pixels elsewhere in every frame: the crop
    trembles twice as much.) What lies outside the frame repeats its edge.
    """
    shrink = 1 / float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    sigma = (shrink - 1) / 2
    if sigma > 0:
        low, high = _region(matrix, width, height, frame, margin=round(3 * sigma) + 2)
        if np.all(high > low):
            region = frame[low[1] : high[1], low[0] : high[0]]
            frame = cv2.GaussianBlur(region, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
            matrix = _moved(matrix, low)
    return cv2.warpAffine(
        frame, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _region(
    matrix: np.ndarray, width: int, height: int, frame: np.ndarray, margin: int
) -> tuple[np.ndarray, np.ndarray]:
    """The frame's pixels under a crop and `margin` around them: first (x, y), after the last."""
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) - 0.5
    corners = apply(invert(matrix), corners)
    limits = np.array(frame.shape[1::-1])
    low = np.clip(np.floor(corners.min(0)).astype(int) - margin, 0, limits)
    high = np.clip(np.ceil(corners.max(0)).astype(int) + 1 + margin, low, limits)
    return low, high


def _moved(matrix: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """`matrix` for a part of the frame that begins at the pixel `origin`."""
    shift = matrix[:, :2] @ origin[:, None] + matrix[:, 2:]
    return np.concatenate([matrix[:, :2], shift], -1)


def _feather(width: int, height: int, edge: float) -> np.ndarray:
    """Weights (height, width) float32: 0 on the border, 1 from `edge` of the way to the middle.

    Level lines are squares with round corners (|x|^4 + |y|^4): the corners of a crop show hair and
    background, which had better stay the frame's own.
    """
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    ramp = np.clip((1 - (x**4 + y**4) ** 0.25) / edge, 0, 1)
    return ramp * ramp * (3 - 2 * ramp)  # smoothstep: no crease where the ramp begins


def paste_face(
    frame: np.ndarray,
    crop: np.ndarray,
    matrix: np.ndarray,
    edge: float = 0.2,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """A copy of `frame` with `crop` back where `matrix` took it from; no visible box.

    The crop fades in over the outer `edge` of its half width and height, which lies inside the
    crop, so that the frame outside keeps its very bytes. `weight` (height, width) in [0, 1], if
    given, says where in the crop it is wanted at all: a crop is coarser than most frames.
    """
    height, width = crop.shape[:2]
    low, high = _region(matrix, width, height, frame, margin=0)
    pasted = frame.copy()
    if np.any(high == low):
        return pasted
    back = _moved(matrix, low)  # from the region's pixels to the crop's
    size = tuple(int(n) for n in high - low)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    face = cv2.warpAffine(crop.astype(np.float32), back, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    share = _feather(width, height, edge) if weight is None else weight * _feather(width, height, edge)
    share = cv2.warpAffine(share, back, size, flags=flags)[..., None]
    region = pasted[low[1] : high[1], low[0] : high[0]]
    mixed = region + share * (face - region)
    region[...] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return pasted
