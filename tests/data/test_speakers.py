"""Voices told apart: made-up vectors in every arrangement, then the demo's voices and real people."""

import json
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from understudy.data.demo.voice import VOICES, speak
from understudy.data.embed import Embed
from understudy.data.embedding import Reliability, unit
from understudy.data.executors import LocalPool
from understudy.data.keep_subject import KeepSubject
from understudy.data.manifest import Clip, json_lines
from understudy.data.media import SAMPLE_RATE, read_audio
from understudy.data.speakers import METHODS, UNCERTAIN, Speakers, tell_apart
from understudy.data.stage import Report, run_stage
from understudy.errors import UserError

RELIABILITY = Reliability(half=1.0, shortest=0.5)
HERE = LocalPool(workers=1)
SENTENCES = (
    "The boat leaves at seven from the old harbour.",
    "We met again in the garden after the rain.",
    "Nobody had told him where the letters were kept.",
    "She paints the same blue door every summer.",
    "Bring the long ladder and two pots of paint.",
)


class Voices:
    """Clips of made-up speakers, as noisy as the reliability of their durations says."""

    def __init__(self, speakers: int, dim: int = 128) -> None:
        self.rng = np.random.default_rng(0)
        shared = unit(self.rng.normal(size=dim))  # all that speak are a little alike
        self.centres = unit(shared + unit(self.rng.normal(size=(speakers, dim))))

    def clips(self, speaker: int, durations: Sequence[float]) -> np.ndarray:
        """(clips, dim)"""
        known = RELIABILITY(np.array(durations))[:, None]
        noise = unit(self.rng.normal(size=(len(durations), self.centres.shape[1])))
        return unit(known * self.centres[speaker] + np.sqrt(1 - known**2) * noise)

    def crowd(self, *seconds: float, shortest: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vectors, durations and speakers of as much speech of every speaker."""
        vectors, durations, speakers = [], [], []
        for speaker, total in enumerate(seconds):
            own = self.rng.uniform(shortest, 6.0, 1000)
            own = own[: int(np.searchsorted(np.cumsum(own), total)) + 1]
            vectors.append(self.clips(speaker, own))
            durations.append(own)
            speakers.append(np.full(len(own), speaker))
        return np.concatenate(vectors), np.concatenate(durations), np.concatenate(speakers)


def label(vectors: np.ndarray, durations: np.ndarray, **settings: Any) -> np.ndarray:
    return tell_apart(vectors, durations, reliability=RELIABILITY, **{"max_distance": 0.25, **settings})


@pytest.mark.parametrize("method", METHODS)
def test_every_speaker_is_found(method: str) -> None:
    vectors, durations, truth = Voices(4).crowd(60, 240, 30, 120)
    labels = label(vectors, durations, method=method)
    assert list(labels) == [[2, 0, 3, 1][speaker] for speaker in truth], "numbered by how much they speak"


def test_the_order_of_clips_does_not_matter() -> None:
    vectors, durations, _ = Voices(3).crowd(60, 40, 90)
    order = np.random.default_rng(1).permutation(len(vectors))
    labels = label(vectors, durations)
    assert len(set(labels)) == 3
    np.testing.assert_array_equal(label(vectors[order], durations[order]), labels[order])


@pytest.mark.parametrize("method", METHODS)
def test_one_speaker_alone(method: str) -> None:
    vectors, durations, _ = Voices(1).crowd(100)
    assert set(label(vectors, durations, method=method)) == {0}


@pytest.mark.parametrize("method", METHODS)
def test_hardly_any_clips(method: str) -> None:
    voices = Voices(2)
    one, other = voices.clips(0, [5.0, 4.0]), voices.clips(1, [6.0])
    assert list(label(one[:1], np.array([5.0]), method=method)) == [0]
    assert list(label(one, np.array([5.0, 4.0]), method=method)) == [0, 0]
    assert list(label(np.concatenate([one[:1], other]), np.array([5.0, 6.0]), method=method)) == [1, 0]
    assert list(label(one[:1], np.array([0.3]), method=method)) == [0], (
        "less than a speaker, and all there is"
    )


@pytest.mark.parametrize("method", METHODS)
def test_clips_that_are_all_the_same(method: str) -> None:
    vectors = np.repeat(Voices(1).centres, 20, axis=0)
    assert set(label(vectors, np.full(20, 3.0), method=method)) == {0}


def test_short_clips_go_to_their_speakers_too() -> None:
    vectors, durations, truth = Voices(3, dim=256).crowd(60, 50, 40, shortest=0.5)
    labels = label(vectors, durations)
    assert len(durations[durations < 1.0]) > 3
    assert np.mean(labels == truth) > 0.97
    assert np.all((labels == truth) | (labels == -1))


def test_between_two_voices_nothing_is_certain() -> None:
    voices = Voices(2)
    vectors, durations, truth = voices.crowd(80, 60)
    mixed = unit(voices.centres[0] + 0.9 * voices.centres[1])
    labels = label(np.vstack([vectors, mixed]), np.append(durations, 3.0))
    assert list(labels) == [*truth, -1]


def test_who_hardly_speaks_is_no_speaker() -> None:
    voices = Voices(3)
    vectors, durations, truth = voices.crowd(80, 60)
    vectors = np.vstack([vectors, voices.clips(2, [1.5, 2.0])])
    durations = np.append(durations, [1.5, 2.0])
    assert list(label(vectors, durations)) == [*truth, -1, -1]
    assert list(label(vectors, durations, min_speech=3.0)) == [*truth, 2, 2]


def test_a_known_number_of_speakers() -> None:
    vectors, durations, truth = Voices(4).crowd(80, 60, 40, 20)
    three = label(vectors, durations, n_speakers=3)
    np.testing.assert_array_equal(three[truth < 3], truth[truth < 3])
    assert set(three[truth == 3]) == {-1}
    one_voice = truth == 0
    assert set(label(vectors[one_voice], durations[one_voice], n_speakers=2)) >= {0, 1}


def test_thousands_of_clips_in_little_memory() -> None:
    """More than are compared with each other; one speaker is heard in short clips only."""
    voices = Voices(5)
    lengths = np.concatenate([voices.rng.uniform(2, 8, 4960), np.full(40, 1.5)])
    truth = np.concatenate([np.arange(4960) % 4, np.full(40, 4)])
    vectors = np.empty((5000, 128), np.float32)
    for speaker in range(5):
        vectors[truth == speaker] = voices.clips(speaker, list(lengths[truth == speaker]))
    tracemalloc.start()
    labels = label(vectors, lengths, max_clustered=500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20, "all pairs alone would be 200 MB"
    for speaker in range(5):
        (main, count), *_ = Counter(labels[truth == speaker]).most_common()
        assert count >= 0.97 * (truth == speaker).sum()
        assert set(truth[labels == main]) == {speaker}
    assert labels.max() == 4


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(UserError, match=r"method=kmeans: choose one of agglomerative, spectral, hdbscan"):
        Speakers(method="kmeans")


def say(text: str, voice: str) -> np.ndarray:
    return resample_poly(speak(text, voice=VOICES[voice]).samples, 2, 3).astype(np.float32)


def embedded(workspace: Path, sounds: Sequence[np.ndarray]) -> list[Clip]:
    """A clip for every sound, one after the other in one source, with its vector."""
    soundfile.write(workspace / "a.wav", np.concatenate(sounds), SAMPLE_RATE)
    ends = np.cumsum([len(sound) for sound in sounds]) / SAMPLE_RATE
    clips = [
        Clip(
            f"clip{k}",
            "a",
            float(end) - len(sound) / SAMPLE_RATE,
            float(end),
            {"audio": "a.wav", "gain": 0.0},
        )
        for k, (sound, end) in enumerate(zip(sounds, ends, strict=True))
    ]
    return run_stage(Embed(), clips, workspace, HERE)[0]


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Clip]]:
    """The demo's voices in turns, "two" speaks more; labelled. Only to be read."""
    workspace = tmp_path_factory.mktemp("talk")
    sounds = [say(text, voice) for text in SENTENCES for voice in ("one", "two")]
    clips = embedded(workspace, [*sounds, say(" ".join(SENTENCES[:2]), "two")])
    return workspace, run_stage(Speakers(), clips, workspace, HERE)[0]


@pytest.fixture
def workspace(talk: tuple[Path, list[Clip]], tmp_path: Path) -> Path:
    return copytree(talk[0], tmp_path / "workspace")


@pytest.fixture
def clips(talk: tuple[Path, list[Clip]]) -> list[Clip]:
    return talk[1]


@pytest.fixture
def reference(tmp_path: Path) -> str:
    """Another sentence of the voice that speaks less."""
    path = tmp_path / "reference voice.wav"
    soundfile.write(path, say("I would rather take the early train.", "one"), SAMPLE_RATE)
    return str(path)


def keep(workspace: Path, clips: list[Clip], **settings: Any) -> tuple[list[Clip], Report]:
    return run_stage(KeepSubject(**settings), clips, workspace, HERE)


def test_the_demo_s_two_voices(clips: list[Clip]) -> None:
    assert [clip["speaker"] for clip in clips] == ["speaker_2", "speaker_1"] * 5 + ["speaker_1"]


def test_a_reference_finds_the_subject(workspace: Path, clips: list[Clip], reference: str) -> None:
    kept, report = keep(workspace, clips, reference=reference)
    assert {clip["speaker"] for clip in kept} == {"speaker_2"}
    assert len(kept) == 5
    assert report.dropped == {"another speaker (speaker_1)": 6}
    assert all(0 < clip["speaker_distance"] < 0.2 for clip in kept)


def test_without_a_reference_it_is_who_speaks_most(workspace: Path, clips: list[Clip]) -> None:
    assert {clip["speaker"] for clip in keep(workspace, clips)[0]} == {"speaker_1"}


def test_the_subject_can_be_named(workspace: Path, clips: list[Clip], reference: str) -> None:
    kept, _ = keep(workspace, clips, choose="speaker_2")
    assert {clip["speaker"] for clip in kept} == {"speaker_2"}
    kept, _ = keep(workspace, clips, choose="largest", reference=reference)
    assert {clip["speaker"] for clip in kept} == {"speaker_1"}


def test_a_person_s_label_is_final(workspace: Path, clips: list[Clip]) -> None:
    edits = [
        {"clip": clips[0].id, "set": {"speaker": "speaker_1"}},
        {"clip": clips[1].id, "set": {"speaker": UNCERTAIN}},
        {"clip": clips[3].id, "set": {"speaker": "the neighbour"}},
    ]
    (workspace / "edits.jsonl").write_text(json_lines(edits))
    labelled, report = run_stage(Speakers(), clips, workspace, HERE)
    assert report.cached == len(clips), "nothing is clustered again"
    kept, report = keep(workspace, labelled, choose="speaker_1")
    names = {clip.id for clip in kept}
    assert clips[0].id in names
    assert not names & {clips[1].id, clips[3].id}
    assert report.dropped["voice not certain"] == 1
    assert report.dropped["another speaker (the neighbour)"] == 1
    kept, _ = keep(workspace, labelled, choose="the neighbour")
    assert [clip.id for clip in kept] == [clips[3].id]


def test_what_cannot_be_chosen_is_told(
    workspace: Path, clips: list[Clip], reference: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"choose=speaker_9: there is no such .*speaker_1 0:00:.*, speaker_2"):
        keep(workspace, clips, choose="speaker_9")
    with pytest.raises(UserError, match=r"choose=reference: there is none"):
        KeepSubject(choose="reference")
    with pytest.raises(UserError, match=r"reference=nowhere.wav: there is no such file"):
        keep(workspace, clips, reference="nowhere.wav")
    short = tmp_path / "short.wav"
    soundfile.write(short, np.zeros(8000), SAMPLE_RATE)
    with pytest.raises(UserError, match=r"short.wav: lasts 0.5 s"):
        keep(workspace, clips, reference=str(short))
    others = [clip for clip in clips if clip["speaker"] == "speaker_1"]
    with pytest.raises(UserError, match=r"sounds like nobody here \(nearest is speaker_1 at 0\.\d+, 0.15 is"):
        keep(workspace, others, reference=reference, max_reference_distance=0.15)
    with pytest.raises(UserError, match="no voice is certain"):
        keep(workspace, [clip.add(speaker=UNCERTAIN) for clip in clips])


def test_another_reference_of_the_same_name_is_another_question(clips: list[Clip], reference: str) -> None:
    before = KeepSubject(reference=reference).key(*clips)
    assert KeepSubject(reference=reference).key(*clips) == before
    soundfile.write(reference, say("I would rather stay here.", "two"), SAMPLE_RATE)
    assert KeepSubject(reference=reference).key(*clips) != before


def test_the_report_shows_and_plays_everyone(workspace: Path, clips: list[Clip], reference: str) -> None:
    for limit in (0.30, 0.31):  # a second time, over what the first has left
        keep(workspace, clips, reference=reference, max_reference_distance=limit)
    assert (workspace / "speakers.png").stat().st_size > 10_000
    events = EventAccumulator(str(workspace / "runs" / "prepare")).Reload()
    assert {f"speakers/speaker_{k}/{n}" for k in (1, 2) for n in (1, 2, 3)} == set(events.Tags()["audio"])
    assert "speakers/voices" in events.Tags()["images"]
    projector = workspace / "runs" / "prepare" / "00000" / "speakers"
    rows = (projector / "metadata.tsv").read_text().splitlines()
    assert rows[0].split("\t") == ["speaker", "clip", "seconds"]
    assert [row.split("\t")[0] for row in rows[1:]] == [clip["speaker"] for clip in clips]
    assert len((projector / "tensors.tsv").read_text().splitlines()) == len(clips)


def test_a_single_clip_gets_through(tmp_path: Path) -> None:
    (clip,) = embedded(tmp_path, [say(SENTENCES[0], "one")])
    labelled, _ = run_stage(Speakers(), [clip], tmp_path, HERE)
    (kept,), _ = keep(tmp_path, labelled)
    assert (kept["speaker"], kept["speaker_distance"]) == ("speaker_1", 0.0)


def test_grid_speakers(corpus: Path, tmp_path: Path) -> None:
    """Sentences of two seconds in which four people say much the same; the subject by a reference."""
    sentences = {who: sorted((corpus / "grid" / who).glob("*.mp4")) for who in ("s1", "s4", "s26", "s31")}
    chosen = [path for who in sentences for path in sentences[who][: 8 if who == "s1" else 5]]
    clips = embedded(tmp_path, [read_audio(path, start=0.4, end=2.6) for path in chosen])
    labelled, _ = run_stage(Speakers(), clips, tmp_path, HERE)
    who = [path.parent.name for path in chosen]
    assert len(set(zip(who, [clip["speaker"] for clip in labelled], strict=True))) == 4
    assert len({clip["speaker"] for clip in labelled}) == 4
    kept, _ = keep(tmp_path, labelled, reference=str(sentences["s1"][20]))
    assert [clip.id for clip in kept] == [f"clip{k}" for k in range(8)]
    assert json.loads(json.dumps(kept[0].to_json())) == kept[0].to_json()
