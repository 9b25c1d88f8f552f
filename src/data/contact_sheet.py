"""Many aligned faces on one page, to see in a glance whether crops and mouths sit right."""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from understudy.data.alignment import MOUTH

_ENLARGE = 2
_LABEL_HEIGHT = 14  # pixels
_OUTER, _INNER = np.arange(12), np.arange(12, 20)  # of the 20 mouth points


def contact_sheet(
    crops: np.ndarray,
    landmarks: np.ndarray,
    labels: Sequence[str],
    path: Path | str,
    columns: int = 10,
) -> None:
    """Writes a PNG of `crops` (n, height, width, 3) RGB uint8, enlarged, lips drawn, labelled.

    `landmarks` is (n, 68, 2) in the crops' pixels. The file appears at `path` complete or not at
    all.
    """
    assert len(crops) == len(landmarks) == len(labels) > 0
    cells = [_cell(*item) for item in zip(crops, landmarks, labels, strict=True)]
    columns = min(columns, len(cells))
    cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
    rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    done, encoded = cv2.imencode(".png", np.vstack(rows)[..., ::-1])
    assert done
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(encoded.tobytes())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _cell(crop: np.ndarray, landmarks: np.ndarray, label: str) -> np.ndarray:
    height, width = (_ENLARGE * n for n in crop.shape[:2])
    picture = cv2.resize(crop, (width, height), interpolation=cv2.INTER_CUBIC)
    fixed_point = 4  # bits of cv2's sub-pixel drawing
    points = ((landmarks[MOUTH] + 0.5) * _ENLARGE - 0.5) * 2**fixed_point
    for lips, colour in ((_OUTER, (255, 220, 0)), (_INNER, (0, 255, 120))):
        outline = [np.rint(points[lips]).astype(np.int32)]
        cv2.polylines(picture, outline, True, colour, 1, cv2.LINE_AA, fixed_point)
    strip = np.full((_LABEL_HEIGHT, width, 3), 24, np.uint8)
    at = (2, _LABEL_HEIGHT - 4)
    cv2.putText(strip, label, at, cv2.FONT_HERSHEY_SIMPLEX, 0.35, (230,) * 3, 1, cv2.LINE_AA)
    return np.vstack([picture, strip])
