"""Step 3, second part: which clips are one voice, and how many voices there are."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from understudy.data.embedding import Reliability, unit
from understudy.data.manifest import Clip, Drop
from understudy.data.media import Seconds
from understudy.data.stage import SetStage
from understudy.errors import UserError

UNCERTAIN = "uncertain"


@dataclass
class Speakers(SetStage):
    """Adds `speaker` to every clip: speaker_1 speaks most, speaker_2 next; or "uncertain".

    Uncertain is what is further than `max_distance` from every voice, and what lies between two: its
    lead of the nearest over the second is less than `min_margin` of what parts them. Who speaks for
    less than `min_speech` in all is no speaker. A person's edit of `speaker` is final.
    """

    name: ClassVar[str] = "speakers"
    reads: ClassVar[tuple[str, ...]] = ("embedding",)

    reliability: Reliability = field(default_factory=lambda: Reliability(half=0.63, shortest=1.6))
    max_distance: float = 0.16
    min_margin: float = 0.4
    min_speech: Seconds = 4.0
    method: str = "agglomerative"  # or spectral, hdbscan
    n_speakers: int | None = None  # found if not given
    max_clustered: int = 3000  # clips that are compared with each other; more are compared with the voices

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UserError(f"stages.speakers.method={self.method}: choose one of {', '.join(METHODS)}")

    def process_set(self, clips: Sequence[Clip], workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        vectors = load_embeddings(clips, workspace)
        durations = np.array([clip.duration for clip in clips])
        labels = tell_apart(
            vectors,
            durations,
            reliability=self.reliability,
            max_distance=self.max_distance,
            min_margin=self.min_margin,
            min_speech=self.min_speech,
            method=self.method,
            n_speakers=self.n_speakers,
            max_clustered=self.max_clustered,
        )
        for clip, label in zip(clips, labels, strict=True):
            yield clip.add(speaker=UNCERTAIN if label < 0 else f"speaker_{label + 1}")


def load_embeddings(clips: Sequence[Clip], workspace: Path) -> np.ndarray:
    """(clips, dim) float32"""
    return np.stack([np.load(workspace / clip["embedding"]) for clip in clips])


def tell_apart(
    vectors: np.ndarray,
    durations: np.ndarray,
    *,
    reliability: Reliability,
    max_distance: float,
    min_margin: float = 0.4,
    min_speech: Seconds = 4.0,
    method: str = "agglomerative",
    n_speakers: int | None = None,
    max_clustered: int = 3000,
) -> np.ndarray:
    """(clips,) int: 0 who speaks most, 1 who speaks next, ..., -1 where it is not certain.

    `vectors` (clips, dim) are unit vectors, `durations` (clips,) seconds. The longest clips are
    clustered, for they say most of a voice; then every clip goes to the nearest voice.
    """
    known = reliability(durations)
    order = np.argsort(-durations, kind="stable")
    centres = np.zeros((0, vectors.shape[1]))
    while len(order):  # what is far from every voice found so far is searched for others
        some, order = order[:max_clustered], order[max_clustered:]
        distances = 1 - vectors[some] @ vectors[some].T / np.outer(known[some], known[some])
        groups = METHODS[method](distances, max_distance, n_speakers)
        found, spoken = _centres(vectors[some], durations[some], groups)
        if n_speakers is not None:
            centres = found[:n_speakers]
            break
        if len(centres):
            new = (spoken >= min_speech) & ((1 - found @ centres.T).min(axis=1) > max_distance)
        else:
            new = spoken >= min(min_speech, spoken[0])
        centres = np.concatenate([centres, found[new]])
        order = order[distances_to(centres, vectors[order], known[order]).min(axis=1) > max_distance]
    for _ in range(3):
        labels = _nearest(centres, vectors, known, max_distance, min_margin)
        for k in np.unique(labels[labels >= 0]):
            centres[k] = unit(durations[labels == k] @ vectors[labels == k])
    labels = _nearest(centres, vectors, known, max_distance, min_margin)
    spoken = np.bincount(labels + 1, weights=durations, minlength=len(centres) + 1)[1:]
    rank = np.append(np.argsort(np.argsort(-spoken, kind="stable")), -1)  # the last is where -1 looks
    return rank[labels]


def distances_to(centres: np.ndarray, vectors: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(clips, voices): 0 for a clip of that voice on average, whatever its length.

    `centres` (voices, dim) and `vectors` (clips, dim) are unit vectors, `known` (clips,) reliabilities.
    """
    distances: np.ndarray = 1 - vectors @ centres.T / known[:, None]
    return distances


def _centres(vectors: np.ndarray, durations: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean directions (groups, dim) and seconds (groups,), the largest first; group -1 is none."""
    names = np.unique(groups[groups >= 0])
    spoken = np.array([durations[groups == name].sum() for name in names])
    order = np.argsort(-spoken, kind="stable")
    mean = np.stack([unit(durations[groups == name] @ vectors[groups == name]) for name in names[order]])
    return mean, spoken[order]


def _nearest(
    centres: np.ndarray, vectors: np.ndarray, known: np.ndarray, max_distance: float, min_margin: float
) -> np.ndarray:
    """(clips,): the voice of each clip, -1 where it is too far or between two."""
    distances = distances_to(centres, vectors, known)
    labels = distances.argmin(axis=1)
    everyone = np.arange(len(labels))
    nearest = distances[everyone, labels]
    certain = nearest <= max_distance
    if len(centres) > 1:
        distances[everyone, labels] = np.inf
        second = distances.argmin(axis=1)
        apart = 1 - np.sum(centres[labels] * centres[second], axis=1)
        certain &= distances[everyone, second] - nearest >= min_margin * apart
    return np.where(certain, labels, -1)


def agglomerative(distances: np.ndarray, max_distance: float, n_speakers: int | None) -> np.ndarray:
    """(clips,): average linkage, up to `max_distance` or until `n_speakers` are left."""
    from sklearn.cluster import AgglomerativeClustering

    if len(distances) == 1:
        return np.zeros(1, int)

    def cluster(threshold: float | None, number: int | None) -> np.ndarray:
        labels: np.ndarray = AgglomerativeClustering(
            number, metric="precomputed", linkage="average", distance_threshold=threshold
        ).fit_predict(distances)
        return labels

    labels = cluster(max_distance, None)
    if n_speakers and labels.max() + 1 < n_speakers <= len(labels):
        labels = cluster(None, n_speakers)
    return labels


def spectral(distances: np.ndarray, max_distance: float, n_speakers: int | None) -> np.ndarray:
    """(clips,): spectral clustering; the largest gap among the first eigenvalues tells how many voices."""
    from scipy.linalg import eigh
    from scipy.sparse.csgraph import laplacian
    from sklearn.cluster import SpectralClustering

    if len(distances) < 3:
        return agglomerative(distances, max_distance, n_speakers)
    alike = np.exp(-np.square(np.maximum(distances, 0) / max_distance))
    if n_speakers is None:
        most = min(len(alike), 12)
        values = eigh(laplacian(alike, normed=True), eigvals_only=True, subset_by_index=[0, most - 1])
        n_speakers = int(np.argmax(np.diff(values))) + 1
    labels: np.ndarray = SpectralClustering(
        n_speakers, affinity="precomputed", random_state=0, assign_labels="cluster_qr"
    ).fit_predict(alike)
    return labels


def hdbscan(distances: np.ndarray, max_distance: float, n_speakers: int | None) -> np.ndarray:
    """(clips,): HDBSCAN, which leaves out what is far from all; it finds the number itself."""
    from sklearn.cluster import HDBSCAN

    if len(distances) < 5:
        return agglomerative(distances, max_distance, n_speakers)
    labels: np.ndarray = HDBSCAN(
        min_cluster_size=3,
        metric="precomputed",
        copy=True,
    ).fit_predict(distances - distances.min())
    return labels if (labels >= 0).any() else np.zeros(len(labels), int)


Method = Callable[[np.ndarray, float, int | None], np.ndarray]
METHODS: dict[str, Method] = {"agglomerative": agglomerative, "spectral": spectral, "hdbscan": hdbscan}
