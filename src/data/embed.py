"""Step 3, first part: the voice of every clip as a vector; clips with two voices are parted."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from understudy.data.embedding import GE2E, Reliability, SpeakerEncoder, unit
from understudy.data.manifest import Clip, Drop
from understudy.data.media import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME, Seconds
from understudy.data.sound import clip_audio
from understudy.data.stage import Stage

TWO_VOICES = "two voices"


@dataclass
class Embed(Stage):
    """Adds `embedding`, the path of an .npy (dim,). A clip in which the voice changes becomes several.

    A change is suspected where two windows that meet are further apart than `max_distance`, and believed
    if the whole stretches on either side are too. The cut falls on the quietest frame near it. A
    stretch of less than `min_duration` goes no further.
    """

    name: ClassVar[str] = "embed"
    reads: ClassVar[tuple[str, ...]] = ("audio", "gain")

    encoder: SpeakerEncoder = field(default_factory=GE2E)
    reliability: Reliability = field(default_factory=lambda: Reliability(half=0.63, shortest=1.6))
    max_distance: float = 0.16
    min_duration: Seconds = 1.0

    def setup(self) -> None:
        torch.set_num_threads(1)  # workers share the cores, and the last bits depend on the number
        self.encoder.load()

    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        samples = clip_audio(clip, workspace)
        edges = voice_changes(samples, self.encoder, self.reliability, self.max_distance)
        for number, (first, after) in enumerate(pairwise([0, *edges, len(samples)])):
            part = clip
            if edges:
                part = clip.part(clip.start + first / SAMPLE_RATE, clip.start + after / SAMPLE_RATE)
                if part.duration < self.min_duration:
                    yield Drop(part.id, part.start, part.end, TWO_VOICES)
                    continue
            np.save(folder / f"{number}.npy", self.encoder(samples[first:after]))
            yield part.add(embedding=self.path_in(folder, f"{number}.npy"))


def voice_changes(
    samples: np.ndarray, encoder: SpeakerEncoder, reliability: Reliability, max_distance: float
) -> list[int]:
    """The samples at which another voice begins, on whole video frames."""
    edges = [0, *_candidates(samples, encoder, reliability, max_distance), len(samples)]
    if len(edges) == 2:
        return []
    vectors = [encoder(samples[a:b]) for a, b in pairwise(edges)]
    while len(vectors) > 1:  # neighbours that are one voice grow together, the most alike first
        lengths = np.diff(edges)
        known = reliability(lengths / SAMPLE_RATE)
        alike = [vectors[k] @ vectors[k + 1] / (known[k] * known[k + 1]) for k in range(len(vectors) - 1)]
        best = int(np.argmax(alike))
        if 1 - alike[best] > max_distance:
            break
        vectors[best : best + 2] = [
            unit(lengths[best] * vectors[best] + lengths[best + 1] * vectors[best + 1])
        ]
        del edges[best + 1]
    return edges[1:-1]


def _candidates(
    samples: np.ndarray, encoder: SpeakerEncoder, reliability: Reliability, max_distance: float
) -> list[int]:
    """Where windows that meet differ most, moved to where it is quiet; a window's length apart or more."""
    if len(samples) < 2 * encoder.window * SAMPLE_RATE:
        return []
    vectors, times = encoder.windows(samples)
    meets = np.searchsorted(times[:, 0], times[:, 1] - 1e-6)  # the first window after each one
    left = np.flatnonzero(meets < len(times))
    right = meets[left]
    alike = np.sum(vectors[left] * vectors[right], axis=1) / reliability(encoder.window) ** 2
    excess = np.maximum(1 - alike - max_distance, 0)
    meet = (times[left, 1] + times[right, 0]) / 2
    peaks: list[int] = []
    for k in np.argsort(-excess, kind="stable"):
        if excess[k] > 0 and all(abs(meet[k] - meet[p]) >= encoder.window for p in peaks):
            peaks.append(int(k))
    around = [np.abs(meet - meet[p]) <= encoder.window / 2 for p in peaks]
    return sorted({_quietest(samples, float(np.average(meet[m], weights=excess[m]))) for m in around})


def _quietest(samples: np.ndarray, at: Seconds, reach: Seconds = 0.6) -> int:
    """The sample at which the quietest video frame within `reach` seconds of `at` begins."""
    frames = len(samples) // SAMPLES_PER_FRAME
    power = np.square(samples[: frames * SAMPLES_PER_FRAME].reshape(frames, -1)).mean(axis=1)
    first = max(round((at - reach) * FPS), 1)
    return (first + int(np.argmin(power[first : round((at + reach) * FPS) + 1]))) * SAMPLES_PER_FRAME
