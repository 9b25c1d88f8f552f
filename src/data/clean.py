"""Step 2, last part: what is good enough to learn from, and one loudness for all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from understudy.data.histograms import draw_histograms
from understudy.data.manifest import Clip, Drop
from understudy.data.measure import Decibels
from understudy.data.stage import SetStage


@dataclass
class Clean(SetStage):
    """Drops clips for the first limit they miss and adds the `gain` that makes the rest equally loud."""

    name: ClassVar[str] = "clean"
    version: ClassVar[int] = 3
    reads: ClassVar[tuple[str, ...]] = (
        "loudness", "peak", "snr", "clipping", "tonality", "dnsmos", "fingerprint", "speech", "changes",
    )  # fmt: skip

    min_loudness: Decibels = -50.0  # LUFS
    min_snr: Decibels = 6.0
    max_clipping: float = 0.002  # share of samples
    max_tonality: float = 0.7  # share of energy; speech has 0.02 to 0.5, held notes nearly 1
    min_dnsmos: float = 2.4  # clean speech has 2.8 to 4.2, a microphone across the room 2.0 to 2.5
    max_similarity: float = 0.98  # of two clips; other sentences of one person reach 0.94
    target_loudness: Decibels = -23.0  # LUFS
    max_peak: Decibels = -1.0  # of full scale, after the gain

    def process_set(self, clips: Sequence[Clip], workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        copies = self._copies(clips, workspace)
        for number, clip in enumerate(clips):
            if reason := self._reason(clip) or copies.get(number):
                yield Drop(clip.id, clip.start, clip.end, reason)
            else:
                gain = min(self.target_loudness - clip["loudness"], self.max_peak - clip["peak"])
                yield clip.add(gain=round(gain, 2))
        report(self, clips, workspace, folder)

    def _reason(self, clip: Clip) -> str:
        if clip["loudness"] < self.min_loudness:
            return f"quieter than {self.min_loudness:g} LUFS"
        if clip["clipping"] > self.max_clipping:
            return f"more than {self.max_clipping:.1%} clipped"
        if clip["tonality"] > self.max_tonality:
            return "music or tones"
        if clip["snr"] < self.min_snr:
            return f"SNR below {self.min_snr:g} dB"
        if clip.fields.get("dnsmos", self.min_dnsmos) < self.min_dnsmos:
            return f"DNSMOS below {self.min_dnsmos:g}"
        return ""

    def _copies(self, clips: Sequence[Clip], workspace: Path) -> dict[int, str]:
        """Why clips (by place) that sound as an earlier, good one does are left out."""
        good = [k for k, clip in enumerate(clips) if not self._reason(clip)]
        if self.max_similarity >= 1 or len(good) < 2:
            return {}
        prints = np.stack([np.load(workspace / clips[k]["fingerprint"]) for k in good]).astype(np.float32)
        copies: dict[int, str] = {}
        for row, k in enumerate(good):  # one row at a time: a square of all clips would not fit
            near = np.flatnonzero(prints[row + 1 :] @ prints[row] > self.max_similarity) + row + 1
            if k not in copies:
                for other in near:
                    copies.setdefault(good[other], "a copy of another clip")
        return copies


def report(stage: Clean, clips: Sequence[Clip], workspace: Path, folder: Path) -> None:
    """Histograms of what thresholds of `cut` and `clean` decide on, in TensorBoard and as clean.png."""
    sources = {clip.source: clip for clip in clips}.values()
    numbers: dict[str, tuple[np.ndarray, list[float]]] = {
        name: (np.array([clip[name] for clip in clips if name in clip.fields]), limits)
        for name, limits in {
            "loudness": [stage.min_loudness, stage.target_loudness],
            "snr": [stage.min_snr],
            "clipping": [stage.max_clipping],
            "tonality": [stage.max_tonality],
            "dnsmos": [stage.min_dnsmos],
        }.items()
    }
    numbers["duration"] = (np.array([clip.duration for clip in clips]), [])
    for name in ("speech", "changes"):
        found = [np.load(workspace / clip[name]) for clip in sources if name in clip.fields]
        numbers[name] = (np.concatenate([np.zeros(0), *found]), [])
    draw_histograms("clean", {n: v for n, v in numbers.items() if len(v[0])}, workspace, folder)
