"""Pictures and sounds of who was heard: `speakers.png` beside the result, and events in `runs/prepare`."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from understudy.data.manifest import Clip
from understudy.data.media import SAMPLE_RATE
from understudy.data.sound import clip_audio
from understudy.data.speakers import UNCERTAIN

MAX_SHOWN = 2000  # clips in the plot and the projector
EXAMPLES = 3  # clips to listen to for each label


def report(
    clips: Sequence[Clip],
    vectors: np.ndarray,
    known: np.ndarray,
    centres: Mapping[str, np.ndarray],
    subject: str,
    max_distance: float,
    workspace: Path,
    folder: Path,
) -> None:
    """Draw `vectors` (clips, dim) by the clips' speakers, with `known` (clips,) their reliabilities."""
    from torch.utils.tensorboard import SummaryWriter

    shown = np.unique(np.linspace(0, len(clips) - 1, min(len(clips), MAX_SHOWN)).astype(int))
    clips, vectors, known = [clips[k] for k in shown], vectors[shown], known[shown]
    speakers = np.array([clip["speaker"] for clip in clips])
    figure = _figure(vectors, known, speakers, subject, max_distance)
    figure.savefig(folder / "speakers.png", dpi=100, metadata={"Software": None})
    events = workspace / "runs" / "prepare"
    shutil.rmtree(events / "00000" / "speakers", ignore_errors=True)  # the projector's, of an earlier run
    with SummaryWriter(str(events)) as writer:
        writer.add_figure("speakers/voices", figure)
        writer.add_embedding(
            vectors,
            metadata=[[clip["speaker"], clip.id, f"{clip.duration:.2f}"] for clip in clips],
            metadata_header=["speaker", "clip", "seconds"],
            tag="speakers",
        )
        for speaker in np.unique(speakers):
            members = np.flatnonzero(speakers == speaker)
            centre = centres.get(speaker, vectors[members].mean(axis=0))
            typical = members[np.argsort(-vectors[members] @ centre, kind="stable")]
            for number, k in enumerate(typical[:EXAMPLES], start=1):
                sound = clip_audio(clips[k], workspace)[None]  # (1, samples)
                writer.add_audio(f"speakers/{speaker}/{number}", sound, sample_rate=SAMPLE_RATE)


def _figure(
    vectors: np.ndarray, known: np.ndarray, speakers: np.ndarray, subject: str, max_distance: float
) -> Any:
    """A map of the clips, and the distances within and between speakers beside the threshold."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    voices, distances = figure.subplots(1, 2)
    places = flat(vectors)
    for name in np.unique(speakers):
        mine = speakers == name
        label = f"{name} ({mine.sum()}){', the subject' if name == subject else ''}"
        voices.scatter(*places[mine].T, s=30 if name == subject else 15, label=label, alpha=0.8)
    voices.set_title("clips by voice")
    voices.set_xticks([])
    voices.set_yticks([])
    voices.legend(fontsize="small")
    same, different = pair_distances(vectors, known, speakers)
    for values, label in ((same, "same speaker"), (different, "different speakers")):
        if len(values):
            distances.hist(values, bins=60, density=True, alpha=0.6, label=f"{label} ({len(values)} pairs)")
    distances.axvline(max_distance, color="black", label=f"one voice up to {max_distance:g}")
    distances.set_title("distance of two clips, short ones corrected")
    distances.set_yticks([])
    distances.legend(fontsize="small")
    return figure


def flat(vectors: np.ndarray) -> np.ndarray:
    """(clips, 2): clips whose `vectors` (clips, dim) are alike lie close to each other."""
    from sklearn.manifold import TSNE

    if len(vectors) < 10:  # too few for neighbourhoods: the two main directions
        left, strength, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
        main: np.ndarray = np.pad(left * strength, ((0, 0), (0, 1)))[:, :2]
        return main
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    places: np.ndarray = TSNE(perplexity=perplexity, metric="cosine", random_state=0).fit_transform(vectors)
    return places


def pair_distances(
    vectors: np.ndarray, known: np.ndarray, speakers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distances of pairs of clips of the same speaker, and of different ones; the uncertain left out."""
    first, second = np.triu_indices(len(vectors), 1)
    certain = (speakers[first] != UNCERTAIN) & (speakers[second] != UNCERTAIN)
    first, second = first[certain], second[certain]
    alike = (vectors @ vectors.T)[first, second] / (known[first] * known[second])
    same = speakers[first] == speakers[second]
    return 1 - alike[same], 1 - alike[~same]
