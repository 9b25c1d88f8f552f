"""The puppets against what looks and listens for real: the landmarker, levels and spectra."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest

from understudy.data.demo import render_demo
from understudy.data.demo.looks import LOOKS
from understudy.data.demo.motion import articulate, perform
from understudy.data.demo.pose import Pose
from understudy.data.demo.proofread import proofread
from understudy.data.demo.puppet import LANDMARKS, Puppet
from understudy.data.demo.recordings import READINGS
from understudy.data.demo.script import HELD_OUT, INTERVIEW, MONOLOGUES, readings
from understudy.data.demo.voice import SAMPLE_RATE, SILENCE, VOICES, Phone, speak
from understudy.data.edits import apply_edits
from understudy.data.landmarks import MediaPipeLandmarker
from understudy.data.manifest import Clip, write_manifest
from understudy.data.media import FPS, probe, read_audio, read_frames, read_image

IBUG = dict(  # of each drawn landmark
    zip(LANDMARKS, (48, 54, 62, 66, 51, 57, 36, 39, 42, 45, 33, 8), strict=True)
)
SENTENCE = "Before breakfast, my father picked apples, and she showed us five maps."


@pytest.fixture(scope="module")
def landmarker() -> Iterator[MediaPipeLandmarker]:
    with MediaPipeLandmarker() as found:
        yield found


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first monologue and the first reading only."""
    out = tmp_path_factory.mktemp("demo subject")
    render_demo(out, monologues=1, interview=False, readings=1, workers=1)
    return out


def truth_of(folder: Path, name: str) -> dict[str, Any]:
    truth: dict[str, Any] = json.loads((folder / f"{name}.truth.json").read_text("utf-8"))
    return truth


def saying(symbols: str, length: float = 0.2) -> list[Phone]:
    return [Phone(s, k * length, (k + 1) * length) for k, s in enumerate(symbols)]


def test_the_same_seed_draws_the_same_frames() -> None:
    pose = Pose(jaw=0.5, open=0.7, yaw=0.4, blink=0.3)
    (first, points), (again, same) = (Puppet(LOOKS["one"], seed=3).render(pose) for _ in range(2))
    other, _ = Puppet(LOOKS["one"], seed=4).render(pose)
    assert first.dtype == np.uint8
    assert first.shape == (320, 288, 3)
    assert points.shape == (len(LANDMARKS), 2)
    assert np.array_equal(first, again)
    assert np.array_equal(points, same)
    assert not np.array_equal(first, other)
    phones = saying("ɑmi")
    assert perform(phones, 20, seed=1) == perform(phones, 20, seed=1)
    assert perform(phones, 20, seed=1) != perform(phones, 20, seed=2)


@pytest.mark.parametrize("name", sorted(LOOKS))
def test_the_landmarker_finds_what_was_drawn(name: str, landmarker: MediaPipeLandmarker) -> None:
    """Over faces of every kind: one is found, lips within 2 % of the face's width on average."""
    rng = np.random.default_rng(0)
    puppet = Puppet(LOOKS[name])
    errors, drawn, seen = [], [], []
    for _ in range(40):
        # half open at most while rounded: nobody says "u" with a dropped jaw
        rounded = rng.random() * (rng.random() < 0.4)
        pose = Pose(
            jaw=rng.random() * (1 - 0.5 * rounded),
            open=rng.random(),
            wide=rng.uniform(-1, 1),
            round=rounded,
            seal=float(rng.random() < 0.2),
            blink=float(rng.random() < 0.1),
            brow=rng.uniform(-1, 1),
            x=rng.uniform(-0.1, 0.1),
            y=rng.uniform(-0.08, 0.08),
            roll=rng.uniform(-0.06, 0.06),
            scale=rng.uniform(0.96, 1.04),
            yaw=rng.uniform(-1, 1),
            pitch=rng.uniform(-1, 1),
        )
        frame, points = puppet.render(pose)
        (face,) = landmarker(frame)
        found = face.landmarks[[IBUG[landmark] for landmark in LANDMARKS]]
        errors.append(np.linalg.norm(found - points, axis=1))
        drawn.append(puppet.opening(pose))
        seen.append(np.linalg.norm(face.landmarks[66] - face.landmarks[62]))
    mean = dict(zip(LANDMARKS, np.mean(errors, axis=0).round(2).tolist(), strict=True))
    width = 2 * puppet.unit  # of the face: 139 pixels
    mouth = [mean[landmark] for landmark in LANDMARKS[:6]]
    assert max(mouth) < 0.02 * width, mean
    assert max(mean.values()) < 0.04 * width, mean
    assert np.corrcoef(drawn, seen)[0, 1] > 0.95


def test_phones_have_different_mouths() -> None:
    """In the middle of a long phone the mouth has its shape."""
    middle = {
        s: {k: float(v[10]) for k, v in articulate([Phone(s, 0.0, 0.8)], 20).items()}
        for s in ("ɑ", "i", "u", "m", "f", SILENCE)
    }
    assert middle["ɑ"]["jaw"] > 3 * middle["i"]["jaw"]
    assert middle["i"]["wide"] > 0.5 > 0 > middle["u"]["wide"]
    assert middle["u"]["round"] > 0.8
    assert middle["m"]["seal"] == pytest.approx(1.0)
    assert middle["f"]["tuck"] == pytest.approx(1.0)
    assert middle[SILENCE]["open"] == pytest.approx(0.0)


def test_lips_meet_for_a_short_m_between_open_vowels() -> None:
    phones = [Phone("ɑ", 0.0, 0.30), Phone("m", 0.30, 0.36), Phone("ɑ", 0.36, 0.70)]
    puppet = Puppet(LOOKS["one"])
    openings = [puppet.opening(pose) for pose in perform(phones, 17, seed=0)]
    assert min(openings[7:10]) < 0.5
    assert max(openings) > 15


def test_neighbours_colour_a_phone() -> None:
    """The s of "soo" is rounder than the s of "see": the lips are already on their way."""
    soo, see = (articulate(saying(word, 0.1), 5)["round"][1] for word in ("su", "si"))
    assert soo > see + 0.2


def test_phones_are_timed_as_they_sound() -> None:
    """Hiss is loud in s and sh and not in vowels; there is no sound in silences."""
    said = speak("She sells sea shells. " + SENTENCE, voice=VOICES["one"], seed=0)
    power = np.abs(librosa.stft(said.samples, n_fft=512, hop_length=120)) ** 2  # (bins, time)
    hiss = power[round(4000 / SAMPLE_RATE * 512) :].sum(0) / (power.sum(0) + 1e-6)

    vowels = tuple("ɑæɔɛɪi")

    def mean(track: np.ndarray, symbols: tuple[str, ...]) -> float:
        at = [
            round(t * SAMPLE_RATE / 120)
            for p in said.phones
            if p.symbol in symbols
            for t in np.linspace(p.start, p.end, 7)[1:-1]
        ]
        return float(np.mean(track[np.clip(at, 0, len(track) - 1)]))

    assert mean(hiss, ("s", "ʃ")) > 0.5 > 0.2 > mean(hiss, vowels)
    loudness = power.sum(0)
    assert mean(loudness, (SILENCE,)) < 0.02 * mean(loudness, vowels)
    first = np.flatnonzero(np.abs(said.samples) > 0.02 * np.abs(said.samples).max())[0]
    begins = next(p.start for p in said.phones if p.symbol != SILENCE)
    assert first / SAMPLE_RATE == pytest.approx(begins, abs=1 / FPS)
    assert [w.text for w in said.words][:4] == ["She", "sells", "sea", "shells"]
    assert all(a.end <= b.start + 1e-6 for a, b in zip(said.words, said.words[1:], strict=False))
    for before, after in zip(said.phones, said.phones[1:], strict=False):
        assert before.end == pytest.approx(after.start)
        assert {before.symbol, after.symbol} != {SILENCE}
    assert said.phones[-1].end == pytest.approx(said.duration)


def test_there_are_two_voices() -> None:
    pitch, brightness = {}, {}
    for name, voice in VOICES.items():
        said = speak(SENTENCE, voice=voice, seed=0)
        again = speak(SENTENCE, voice=voice, seed=0)
        assert np.array_equal(said.samples, again.samples)
        f0 = librosa.yin(said.samples, fmin=70, fmax=350, sr=SAMPLE_RATE)
        pitch[name] = float(np.median(f0))
        centroid = librosa.feature.spectral_centroid(y=said.samples, sr=SAMPLE_RATE)
        brightness[name] = float(np.median(centroid))
    assert pitch["one"] > 1.3 * pitch["two"]
    assert brightness["one"] > 1.1 * brightness["two"]


def test_every_phone_of_english_is_said() -> None:
    said = {p.symbol for text in MONOLOGUES for p in speak(text, voice=VOICES["one"]).phones}
    assert set("bdfhjklmnpstvwzɡŋɹʃʒðθʤʧæɑɔəɛɜiɪuʊʌAIOWY") <= said
    texts = [*MONOLOGUES, *readings(READINGS), *(text for _, text in INTERVIEW)]
    assert not any(HELD_OUT in text for text in texts)


def test_recording_follows_its_truth(demo: Path, landmarker: MediaPipeLandmarker) -> None:
    truth = truth_of(demo, "monologue_01")
    info = probe(demo / "monologue_01.mp4")
    drawn = np.array(truth["frames"]["opening"])
    assert (info.width, info.height, info.fps) == (288, 320, FPS)
    assert info.duration == pytest.approx(len(drawn) / FPS, abs=0.1)
    seen = []
    for frame in read_frames(demo / "monologue_01.mp4", end=4.0):
        (face,) = landmarker(frame)
        seen.append(np.linalg.norm(face.landmarks[66] - face.landmarks[62]))
    assert np.corrcoef(drawn[: len(seen)], seen)[0, 1] > 0.9
    sound = read_audio(demo / "monologue_01.mp4", sample_rate=SAMPLE_RATE)
    begins = truth["words"][0]["start"]
    first = np.flatnonzero(np.abs(sound) > 0.05 * np.abs(sound).max())[0] / SAMPLE_RATE
    assert first == pytest.approx(begins, abs=1 / FPS)
    assert " ".join(w["text"] for w in truth["words"][:3]) == "Good morning and"


def test_a_reading_is_the_voice_alone(demo: Path) -> None:
    truth = truth_of(demo, "reading_01")
    sound = read_audio(demo / "reading_01.wav", sample_rate=SAMPLE_RATE)
    assert [word["text"] for word in truth["words"]] == [w.strip(".,?!:") for w in next(readings(1)).split()]
    assert len(sound) / SAMPLE_RATE == pytest.approx(truth["shots"][-1]["end"], abs=0.01)
    assert truth["words"][-1]["end"] < len(sound) / SAMPLE_RATE
    assert not truth["frames"]


def test_what_is_there_is_not_made_again(demo: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in demo.iterdir()}
    assert set(before) == {
        "monologue_01.mp4",
        "monologue_01.truth.json",
        "reading_01.wav",
        "reading_01.truth.json",
        "portrait.png",
        "heldout.wav",
        "heldout.txt",
        "heldout.truth.json",
    }
    render_demo(demo, monologues=1, interview=False, readings=1)
    assert {path.name: path.stat().st_mtime_ns for path in demo.iterdir()} == before


def test_portrait_keeps_its_mouth_shut(demo: Path, landmarker: MediaPipeLandmarker) -> None:
    (face,) = landmarker(read_image(demo / "portrait.png"))
    assert np.linalg.norm(face.landmarks[66] - face.landmarks[62]) < 2.0


@pytest.mark.slow
def test_interview_has_two_speakers_and_a_title(tmp_path: Path) -> None:
    (video,) = render_demo(tmp_path, monologues=0, readings=0)
    turns = [line.split() for line in video.with_suffix(".rttm").read_text().splitlines()]
    assert [turn[7] for turn in turns] == ["two", "one"] * 4
    ends = [float(turn[3]) + float(turn[4]) for turn in turns]
    assert all(end < float(turn[3]) for end, turn in zip(ends, turns[1:], strict=False))
    truth = truth_of(tmp_path, "interview")
    assert truth["shots"][0]["kind"] == "title"
    assert truth["frames"]["landmarks"][0] is None
    assert probe(video).duration == pytest.approx(truth["shots"][-1]["end"], abs=0.1)


def test_who_knows_the_script_corrects_and_confirms(demo: Path, tmp_path: Path) -> None:
    truth = truth_of(demo, "monologue_01")
    words = truth["words"]
    shutil.copytree(demo, tmp_path / "recordings", ignore=shutil.ignore_patterns("*.mp4"))

    def clip(first: int, after: int, text: str) -> Clip:
        start, end = words[first]["start"] - 0.05, words[after - 1]["end"] + 0.05
        return Clip("monologue-01-abc", "monologue-01-abc", start, end, {"text": text}).part(start, end)

    script = " ".join(shot["text"] for shot in truth["shots"]).split()
    clips = [clip(0, 5, " ".join(script[:5])), clip(5, 9, "wrongly heard")]
    write_manifest(tmp_path / "manifests" / "transcribe.jsonl", clips)
    assert proofread(tmp_path) == 1
    found, _, _ = apply_edits(clips, tmp_path / "edits.jsonl")
    assert [c["text"] for c in found] == [" ".join(script[:5]), " ".join(script[5:9])]
    assert all(c["reviewed"] for c in found)
    assert proofread(tmp_path) == 0
