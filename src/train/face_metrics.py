"""How near generated faces come to the real ones: picture, lips, and lips' motion."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from understudy.data.avsync import mouth_opening
from understudy.data.landmarks import Landmarker, MediaPipeLandmarker, crop_landmarks


class FaceMetrics:
    """Means over clips, for whatever stands beside the real frames (generated, the still, ...).

    psnr            dB, higher is better
    ssim            0 to 1, higher is better
    mouth_distance  pixels of the crop between found and true mouth landmarks, lower is better
    mouth_follows   correlation over time of found and true mouth opening, higher is better
    face_found      share of frames in which the landmarker sees a face
    """

    def __init__(self, landmarker: Landmarker | None = None) -> None:
        self._landmarker = landmarker
        self._fixed: dict[tuple[str, str], dict[str, float]] = {}
        self.reset()

    @property
    def landmarker(self) -> Landmarker:
        if self._landmarker is None:
            self._landmarker = MediaPipeLandmarker(max_faces=1)
        return self._landmarker

    def reset(self) -> None:
        self._values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, who: str, metric: str, value: float) -> None:
        self._values[who][metric].append(value)

    def knows(self, clips: Sequence[str], who: str) -> bool:
        """True if the clip's values, which never change for `who`, are there: they then count again."""
        kept = [self._fixed.get((clip, who)) for clip in clips]
        if not all(kept):
            return False
        for values in kept:
            for metric, value in (values or {}).items():
                self.add(who, metric, value)
        return True

    def compare(self, who: str, frames: Tensor, real: Tensor, mouth: Tensor, clips: Sequence[str]) -> None:
        """frames and real (batch, time, 3, height, width) in [0, 1], mouth (batch, time, 20, 2)."""
        for clip, *pair, lips in zip(clips, frames, real, mouth, strict=True):
            values = self.measure(pair[0], pair[1], lips)
            self._fixed[clip, who] = values
            for metric, value in values.items():
                self.add(who, metric, value)

    @torch.autocast("cpu", enabled=False)  # variances of neighbours want full precision
    @torch.autocast("cuda", enabled=False)
    def measure(self, frames: Tensor, real: Tensor, mouth: Tensor) -> dict[str, float]:
        """One clip: frames and real (time, 3, height, width), mouth (time, 20, 2)."""
        true = mouth.cpu().numpy()
        pictures = (frames * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        found = [crop_landmarks(self.landmarker, picture) for picture in pictures]
        seen = [i for i, points in enumerate(found) if points is not None]
        values = {"face_found": len(seen) / len(found)}
        if not torch.equal(frames, real):  # a picture is infinitely near itself: no number to average
            values["psnr"] = float(peak_signal_noise_ratio(frames, real, data_range=1.0))
            values["ssim"] = float(
                structural_similarity_index_measure(frames, real, data_range=1.0)  # type: ignore[arg-type]
            )
        if len(seen) > 1:
            landmarks = np.stack([points for points in found if points is not None])
            distance = np.linalg.norm(landmarks[:, 48:68] - true[seen], axis=-1)
            values["mouth_distance"] = float(distance.mean())
            values["mouth_follows"] = correlation(
                mouth_opening(landmarks), np.linalg.norm(true[seen, 18] - true[seen, 14], axis=-1)
            )
        else:  # nothing like a face: as far off as can be
            values |= {"mouth_distance": float("inf"), "mouth_follows": 0.0}
        return values

    def summary(self) -> dict[str, dict[str, float]]:
        return {
            who: {metric: float(np.mean(values)) for metric, values in metrics.items()}
            for who, metrics in self._values.items()
        }


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r; 0 where one of the two does not move."""
    if a.std() < 1e-6 or b.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
