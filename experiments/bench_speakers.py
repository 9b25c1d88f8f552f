"""How well voices are told apart, and where the numbers of conf/encoder come from.

    python experiments/bench_speakers.py CORPUS [--encoder ge2e ecapa] [--source FOLDER] [--picture FILE.png]

CORPUS holds speech/librispeech, speech/meetings (with RTTM), grid/s1 and interviews (with .truth.json).
Clips are whole sentences, pieces of 1.2 to 3 s of them, and the stretches of one speaker.

    EER          of all pairs of clips, by the cosine and by the distance corrected for short clips
    same, other  that distance: its 99th percentile for one speaker, its 1st for two
    own, next    distance of clips to their speaker's centre, highest, and to the next speaker's, lowest
    found        speakers found and there are; purity and uncertain are shares of clips
    right from   `max_distance` for which the number is right and every cluster pure
    crowds       1 to 5 people at random, 3 to 40 clips of each: how often the number is right
"""

import argparse
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from matplotlib.figure import Figure
from scipy.signal import butter, fftconvolve, sosfilt
from tqdm import tqdm

from understudy.data.embed import voice_changes
from understudy.data.embedding import Reliability, SpeakerEncoder, unit
from understudy.data.media import SAMPLE_RATE, read_audio
from understudy.data.speaker_report import pair_distances
from understudy.data.speakers import METHODS, distances_to, tell_apart
from understudy.tables import print_table

Voices = dict[str, list[np.ndarray]]  # of each speaker, clips (samples,) at 16 kHz
MANY_SHORT = "librispeech, 1.2 to 3 s"
CROWDS = 200
DURATIONS = (1.0, 1.5, 2.0, 3.0, 4.5, 7.0, 11.0)  # seconds


def librispeech(corpus: Path) -> Voices:
    folders = sorted(path for path in (corpus / "speech" / "librispeech").iterdir() if path.is_dir())
    return {folder.name: [read_audio(path) for path in sorted(folder.glob("*.flac"))] for folder in folders}


def pieces(voices: Voices, shortest: float, longest: float, seed: int = 0) -> Voices:
    """The same speech in clips of random durations."""
    rng = np.random.default_rng(seed)
    cut = {}
    for speaker, clips in voices.items():
        speech, at, cut[speaker] = np.concatenate(clips), 0, []
        while (after := at + int(rng.uniform(shortest, longest) * SAMPLE_RATE)) <= len(speech):
            cut[speaker].append(speech[at:after])
            at = after
    return cut


def meetings(corpus: Path) -> Voices:
    """Stretches of at least a second in which one person speaks alone."""
    turns = defaultdict(list)
    for line in (corpus / "speech" / "meetings" / "debug.train.rttm").read_text("utf-8").splitlines():
        _, name, _, start, length, _, _, who, *_ = line.split()
        turns[name].append((float(start), float(start) + float(length), who))
    voices: Voices = defaultdict(list)
    for path in sorted((corpus / "speech" / "meetings").glob("*.flac")):
        sound = read_audio(path)
        edges = sorted({t for turn in turns[path.stem] for t in turn[:2]})
        for start, end in itertools.pairwise(edges):
            speaking = {who for a, b, who in turns[path.stem] if a < end and b > start}
            if len(speaking) == 1 and end - start >= 1:
                clip = sound[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
                voices[speaking.pop()].append(clip)
    return dict(voices)


def interview(path: Path) -> Voices:
    """Every stretch of speech."""
    sound, voices = read_audio(path.with_suffix("").with_suffix(".mp4")), defaultdict(list)
    for stretch in json.loads(path.read_text("utf-8")):
        if stretch["kind"] == "speech":
            clip = sound[round(stretch["start"] * SAMPLE_RATE) : round(stretch["end"] * SAMPLE_RATE)]
            voices[stretch["speaker"]].append(clip)
    return dict(voices)


def equal_error_rate(same: np.ndarray, different: np.ndarray) -> float:
    """Where as many pairs of one speaker are refused as pairs of two are taken for one."""
    thresholds = np.sort(np.concatenate([same, different]))
    refused = 1 - np.searchsorted(np.sort(same), thresholds, side="right") / len(same)
    accepted = np.searchsorted(np.sort(different), thresholds, side="right") / len(different)
    best = np.argmin(np.abs(refused - accepted))
    return float(refused[best] + accepted[best]) / 2


def purity(labels: np.ndarray, truth: np.ndarray) -> float:
    """Share of the clips with a label that are of their label's main speaker."""
    names = np.unique(labels[labels >= 0])
    most = sum(np.unique(truth[labels == name], return_counts=True)[1].max() for name in names)
    return float(most / max((labels >= 0).sum(), 1))


class Bench:
    """One encoder with its settings."""

    def __init__(self, name: str, overrides: list[str]) -> None:
        with initialize_config_module("understudy.conf", version_base="1.3"):
            settings = compose("prepare", [f"encoder={name}", "subject=demo", *overrides]).encoder
        self.name = name
        self.encoder: SpeakerEncoder = instantiate(settings.model)
        self.reliability: Reliability = instantiate(settings.reliability)
        self.max_distance = float(settings.max_distance)

    def embed(self, voices: Voices) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vectors (clips, dim), durations and speakers (clips,)."""
        clips = [(who, clip) for who, own in voices.items() for clip in own]
        vectors = np.stack([self.encoder(clip) for _, clip in tqdm(clips, desc=self.name, leave=False)])
        durations = np.array([len(clip) / SAMPLE_RATE for _, clip in clips])
        return vectors, durations, np.array([who for who, _ in clips])

    def row(
        self, name: str, vectors: np.ndarray, durations: np.ndarray, truth: np.ndarray
    ) -> tuple[list[Any], tuple[np.ndarray, np.ndarray]]:
        """A row of the first table, and distances of pairs of one speaker and of two."""
        known = self.reliability(durations)
        plain = pair_distances(vectors, np.ones(len(vectors)), truth)
        same, different = pair_distances(vectors, known, truth)
        names = np.unique(truth)
        centres = np.stack([unit(durations[truth == n] @ vectors[truth == n]) for n in names])
        to_centres = distances_to(centres, vectors, known)
        own = truth[:, None] == names

        def label(max_distance: float) -> np.ndarray:
            settings: dict[str, Any] = {"reliability": self.reliability, "max_distance": max_distance}
            return tell_apart(vectors, durations, **settings)

        labels = label(self.max_distance)
        tried = np.arange(0.04, 1.0, 0.02)
        right = [
            t for t in tried if (found := label(t)).max() + 1 == len(names) and purity(found, truth) == 1
        ]
        row = [
            self.name, name, len(vectors),
            100 * equal_error_rate(*plain), 100 * equal_error_rate(same, different),
            float(np.percentile(same, 99)), float(np.percentile(different, 1)),
            float(to_centres[own].max()), float(to_centres[~own].min()),
            f"{labels.max() + 1} of {len(names)}", purity(labels, truth), float((labels < 0).mean()),
            f"{min(right):.2f}-{max(right):.2f}" if right else "none",
        ]  # fmt: skip
        return row, (same, different)

    def crowds(self, vectors: np.ndarray, durations: np.ndarray, truth: np.ndarray) -> list[list[Any]]:
        """Every method on the same sets of clips, drawn from those of many people."""
        rows = []
        for method in METHODS:
            rng = np.random.default_rng(0)
            right, uncertain, wrong = [], [], []
            for _ in range(CROWDS):
                people = rng.permutation(np.unique(truth))[: rng.integers(1, 6)]
                own = [rng.permutation(np.flatnonzero(truth == who))[: rng.integers(3, 41)] for who in people]
                some = np.concatenate(own)
                labels = tell_apart(
                    vectors[some],
                    durations[some],
                    reliability=self.reliability,
                    max_distance=self.max_distance,
                    method=method,
                )
                right.append(labels.max() + 1 == len(people))
                uncertain.append((labels < 0).mean())
                wrong.append(1 - purity(labels, truth[some]))
            rows.append([self.name, method, *(float(np.mean(each)) for each in (right, uncertain, wrong))])
        return rows

    def cosines(self, voices: Voices) -> tuple[list[float], float]:
        """Mean cosine of two clips of one speaker for all DURATIONS, and the `half` that fits best."""
        found = []
        for seconds in tqdm(DURATIONS, desc=f"{self.name}, reliability", leave=False):
            clips = {who: own[:6] for who, own in pieces(voices, seconds, seconds).items()}
            vectors, _, truth = self.embed(clips)
            same, _ = pair_distances(vectors, np.ones(len(vectors)), truth)
            found.append(1 - float(same.mean()))
        halves = np.arange(0.05, 4, 0.01)
        error = [
            np.square(Reliability(half, self.reliability.shortest)(np.array(DURATIONS)) ** 2 - found).sum()
            for half in halves
        ]
        return found, float(halves[np.argmin(error)])

    def changes(self, voices: Voices, count: int = 50, seed: int = 0) -> list[Any]:
        """Of sentences joined in twos: how often the change is found, and one where there is none."""
        rng = np.random.default_rng(seed)
        names = list(voices)
        found, near, wrong = 0, 0, 0
        for k in tqdm(range(2 * count), desc=f"{self.name}, two voices", leave=False):
            who, other = rng.choice(names, 2, replace=False)
            if k % 2:
                other = who
            lengths = (rng.uniform(1.5, 6, 2) * SAMPLE_RATE).astype(int)
            first = voices[who][rng.integers(len(voices[who]))][-lengths[0] :]
            second = voices[other][rng.integers(len(voices[other]))][: lengths[1]]
            joined = np.concatenate([level(first), level(second)])
            edges = np.array(voice_changes(joined, self.encoder, self.reliability, self.max_distance))
            if k % 2:
                wrong += len(edges) > 0
            elif len(edges):
                found += 1
                near += np.abs(edges - len(first)).min() < 0.4 * SAMPLE_RATE
        return [self.name, found / count, near / count, wrong / count]

    def channels(self, voices: Voices) -> list[list[Any]]:
        """The same people after a change of microphone: distances between centres of nine pieces each."""
        pool = {who: own[:18] for who, own in pieces(voices, 3.0, 3.0).items()}
        names = list(pool)
        first = self._centres({who: own[:9] for who, own in pool.items()})
        rows = []
        for name, change in CHANNELS.items():
            second = self._centres({who: [change(clip) for clip in own[9:]] for who, own in pool.items()})
            distances = 1 - first @ second.T
            own = np.eye(len(names), dtype=bool)
            right = float((distances.argmin(axis=0) == np.arange(len(names))).mean())
            same, other = distances[own], float(distances[~own].min())
            rows.append([self.name, name, float(np.median(same)), float(same.max()), other, right])
        return rows

    def _centres(self, voices: Voices) -> np.ndarray:
        vectors, _, truth = self.embed(voices)
        return np.stack([unit(vectors[truth == who].mean(axis=0)) for who in voices])

    def cost(self, voices: Voices) -> float:
        """Seconds an hour of clips of 2 to 12 s, changes of voice included."""
        clips = [clip for own in pieces(voices, 2.0, 12.0).values() for clip in own][:20]
        began = time.perf_counter()
        for clip in clips:
            voice_changes(clip, self.encoder, self.reliability, self.max_distance)
            self.encoder(clip)
        return (time.perf_counter() - began) / sum(map(len, clips)) * SAMPLE_RATE * 3600


def level(clip: np.ndarray) -> np.ndarray:
    """As `clean` leaves clips: equally loud."""
    return clip * np.float32(0.05 / np.sqrt(np.mean(np.square(clip))))


def _filtered(kind: str, low: float, *high: float) -> Callable[[np.ndarray], np.ndarray]:
    stages = butter(2, (low, *high) if high else low, kind, fs=SAMPLE_RATE, output="sos")
    return lambda clip: sosfilt(stages, clip).astype(np.float32)


def _room(clip: np.ndarray, decay: float = 0.4) -> np.ndarray:
    """A reverberation of `decay` seconds, half as strong as the direct sound."""
    at = np.arange(int(decay * SAMPLE_RATE)) / SAMPLE_RATE
    echo = np.random.default_rng(0).standard_normal(len(at)) * np.exp(-6.9 * at / decay)
    echo *= 0.7 / np.linalg.norm(echo)
    echo[0] = 1.0
    return fftconvolve(clip, echo)[: len(clip)].astype(np.float32)


def _noise(clip: np.ndarray, snr: float = 15.0) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(len(clip)) * clip.std() * 10 ** (-snr / 20)
    return (clip + noise).astype(np.float32)


CHANNELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda clip: clip,
    "telephone": _filtered("bandpass", 300, 3400),
    "dull": _filtered("lowpass", 2500),
    "room, 0.4 s": _room,
    "noise, 15 dB": _noise,
}


def draw(pairs: dict[str, tuple[np.ndarray, np.ndarray]], limits: dict[str, float], path: Path) -> None:
    figure = Figure(figsize=(10, 2.4 * len(pairs)), layout="constrained")
    for place, (name, (same, different)) in enumerate(pairs.items(), start=1):
        axes = figure.add_subplot(-(-len(pairs) // 2), 2, place)
        axes.hist(same, bins=60, density=True, alpha=0.6, label="same speaker")
        axes.hist(different, bins=60, density=True, alpha=0.6, label="different speakers")
        axes.axvline(limits[name], color="black", label=f"max_distance {limits[name]:g}")
        axes.set_title(name)
        axes.set_yticks([])
        axes.legend(fontsize="x-small")
    figure.set_size_inches(10, 2.4 * -(-len(pairs) // 2))
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--encoder", nargs="+", default=["ge2e", "ecapa"])
    parser.add_argument("--source", help="folder with ECAPA's weights")
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    sentences = librispeech(arguments.corpus)
    sets = {
        "librispeech, sentences": sentences,
        MANY_SHORT: pieces(sentences, 1.2, 3.0),
        "meetings": meetings(arguments.corpus),
    }
    for path in sorted((arguments.corpus / "interviews").glob("*.truth.json")):
        sets[path.name.partition(".")[0]] = interview(path)
    rows, crowds, pairs, limits, fits, changes, channels, costs = [], [], {}, {}, [], [], [], []
    for name in arguments.encoder:
        overrides = (
            [f"encoder.model.source={arguments.source}"] if name == "ecapa" and arguments.source else []
        )
        bench = Bench(name, overrides)
        for set_name, voices in sets.items():
            found = bench.embed(voices)
            row, both = bench.row(set_name, *found)
            rows.append(row)
            pairs[f"{name}: {set_name}"], limits[f"{name}: {set_name}"] = both, bench.max_distance
            if set_name == MANY_SHORT:
                crowds += bench.crowds(*found)
        cosines, half = bench.cosines(sentences)
        fits.append([name, *cosines, half, bench.reliability.half])
        changes.append(bench.changes(sentences))
        channels += bench.channels(sentences)
        costs.append([name, bench.cost(sentences)])
    print_table(
        ["encoder", "set", "clips", "EER %", "corrected", "same", "other", "own", "next", "found", "purity",
         "uncertain", "right from"],
        rows,
    )  # fmt: skip
    print_table(["encoder", f"crowds of {MANY_SHORT}", "number right", "uncertain", "wrong"], crowds)
    print_table(["mean cosine", *(f"{d:g} s" for d in DURATIONS), "half, fitted", "half, set"], fits)
    print_table(["two voices joined", "found", "within 0.4 s", "found in one voice"], changes)
    print_table(
        ["encoder", "another channel", "same, median", "same, highest", "other, lowest", "identified"],
        channels,
    )
    print_table(["encoder", "seconds an hour"], costs)
    if arguments.picture:
        draw(pairs, limits, arguments.picture)


if __name__ == "__main__":
    main()
