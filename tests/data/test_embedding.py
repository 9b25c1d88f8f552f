"""The encoders on real and synthetic voices, and the stage that parts clips with two voices."""

import os
import pickle
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import resample_poly

from understudy.data.demo.voice import VOICES, speak
from understudy.data.embed import TWO_VOICES, Embed
from understudy.data.embedding import ECAPA, GE2E, Reliability, SpeakerEncoder
from understudy.data.executors import LocalPool
from understudy.data.manifest import Clip
from understudy.data.media import FPS, SAMPLE_RATE, read_audio
from understudy.data.stage import Report, run_stage
from understudy.errors import UserError

SETTINGS: dict[type, dict[str, Any]] = {
    GE2E: {"reliability": Reliability(half=0.63, shortest=1.6), "max_distance": 0.16},
    ECAPA: {"reliability": Reliability(half=1.9, shortest=0.5), "max_distance": 0.45},
}
LONG = "The boat leaves at seven from the old harbour, so do not be late this time."
SHORT = "We met again in the garden after the rain."


def say(text: str, voice: str) -> np.ndarray:
    """(samples,) at 16 kHz"""
    return resample_poly(speak(text, voice=VOICES[voice]).samples, 2, 3).astype(np.float32)


@pytest.fixture(scope="module")
def ge2e() -> GE2E:
    return GE2E()


@pytest.fixture(scope="module")
def ecapa() -> ECAPA:
    weights = os.environ.get("UNDERSTUDY_WEIGHTS")
    if not weights:
        pytest.skip("no true weights: set UNDERSTUDY_WEIGHTS")
    return ECAPA(source=str(Path(weights) / "spkrec-ecapa-voxceleb"))


@pytest.fixture(scope="module", params=["ge2e", "ecapa"])
def encoder(request: pytest.FixtureRequest) -> SpeakerEncoder:
    found: SpeakerEncoder = request.getfixturevalue(request.param)
    return found


def embed(
    workspace: Path, sound: np.ndarray, encoder: SpeakerEncoder, **settings: float
) -> tuple[list[Clip], Report]:
    """What the stage makes of one clip that begins 2 s into its source."""
    lead = np.zeros(2 * SAMPLE_RATE, np.float32)
    soundfile.write(workspace / "a.wav", np.concatenate([lead, sound]), SAMPLE_RATE, subtype="FLOAT")
    clip = Clip("c", "a", 2.0, 2.0 + len(sound) / SAMPLE_RATE, {"audio": "a.wav", "gain": 0.0})
    stage = Embed(encoder=encoder, **SETTINGS[type(encoder)], **settings)
    return run_stage(stage, [clip], workspace, LocalPool(workers=1))


def test_vectors_have_length_one_whatever_is_heard(encoder: SpeakerEncoder) -> None:
    voice = say(SHORT, "one")
    for sound in (voice, voice[:4000], np.zeros(SAMPLE_RATE, np.float32), 1e-4 * voice):
        vector = encoder(sound)
        assert vector.dtype == np.float32
        assert vector.ndim == 1
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_windows_cover_the_clip(encoder: SpeakerEncoder) -> None:
    sound = say(LONG, "one")
    vectors, times = encoder.windows(sound)
    assert len(vectors) == len(times) > 3
    assert times[0, 0] == 0.0
    assert times[-1, 1] == pytest.approx(len(sound) / SAMPLE_RATE, abs=0.02)
    np.testing.assert_allclose(times[:, 1] - times[:, 0], encoder.window, atol=1e-6)
    assert np.diff(times[:, 0]).max() <= 0.5 + 1e-6
    one, times = encoder.windows(sound[: SAMPLE_RATE // 2])
    assert len(one) == len(times) == 1


def test_loudness_says_nothing_about_the_voice(ge2e: GE2E) -> None:
    sound = say(SHORT, "one")
    np.testing.assert_allclose(ge2e(sound), ge2e(sound * 0.05), atol=1e-4)


def test_ge2e_is_the_network_of_its_package(ge2e: GE2E, monkeypatch: pytest.MonkeyPatch) -> None:
    package = pytest.importorskip("resemblyzer.voice_encoder", reason="Resemblyzer's own requirements")
    theirs = package.VoiceEncoder("cpu", verbose=False)
    sound = say(LONG, "two")[: int(1.6 * SAMPLE_RATE) - 160]
    sound *= 10 ** (-27 / 20) / np.sqrt(np.mean(np.square(sound)))
    mel = package.audio.wav_to_mel_spectrogram(sound)
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(mel[None]))[0].numpy()
    assert len(mel) == 160
    np.testing.assert_allclose(ge2e(sound), expected, atol=2e-4)


def test_people_are_told_apart(corpus: Path, encoder: SpeakerEncoder) -> None:
    """Two sentences each of five people: every one is nearest to the other by the same person."""
    folders = sorted(path for path in (corpus / "speech" / "librispeech").iterdir() if path.is_dir())[::2]
    sentences = [read_audio(path, end=3.0) for f in folders for path in sorted(f.glob("*.flac"))[:2]]
    vectors = np.stack([encoder(sentence) for sentence in sentences])
    alike = vectors @ vectors.T - 2 * np.eye(len(vectors))
    assert list(alike.argmax(axis=1)) == [k ^ 1 for k in range(10)]


def test_the_demo_s_voices_are_told_apart(encoder: SpeakerEncoder) -> None:
    voices = [encoder(say(text, voice)) for voice in ("one", "two") for text in (LONG, SHORT)]
    alike = {(a, b): float(voices[a] @ voices[b]) for a, b in combinations(range(4), 2)}
    same = [alike[0, 1], alike[2, 3]]
    assert min(same) > max(value for pair, value in alike.items() if pair not in ((0, 1), (2, 3))) + 0.1


def test_longer_clips_tell_more() -> None:
    known = Reliability(half=0.63, shortest=1.6)(np.array([0.5, 1.6, 3.0, 10.0, 1e6]))
    assert known[0] == known[1]
    assert np.all(np.diff(known[1:]) > 0)
    assert known[-1] == pytest.approx(1.0, abs=1e-6)
    assert Reliability(half=2.0, shortest=0.5)(2.0) ** 2 == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("encoder", "order"),
    [("ge2e", ("one", "two")), ("ge2e", ("two", "one")), ("ecapa", ("one", "two"))],
    indirect=["encoder"],
)
def test_two_voices_are_parted_where_they_change(
    order: tuple[str, str], encoder: SpeakerEncoder, tmp_path: Path
) -> None:
    first, second = (say(LONG, voice) for voice in order)
    pause = np.zeros(SAMPLE_RATE // 4, np.float32)
    clips, report = embed(tmp_path, np.concatenate([first, pause, second]), encoder)
    assert [clip.start for clip in clips] == [2.0, clips[0].end]
    assert clips[0].end * FPS == pytest.approx(round(clips[0].end * FPS), abs=1e-6), "on a video frame"
    assert 0 <= clips[1].start - 2.0 - len(first) / SAMPLE_RATE <= 0.25, "in the pause"
    assert not report.dropped
    for clip, voice in zip(clips, order, strict=True):
        vector = np.load(tmp_path / clip["embedding"])
        assert vector @ encoder(say(SHORT, voice)) > 0.5


def test_one_voice_is_one_clip(ge2e: GE2E, tmp_path: Path) -> None:
    sound = np.concatenate([say(LONG, "two"), say(SHORT, "two")])
    (clip,), report = embed(tmp_path, sound, ge2e)
    assert (clip.id, clip.start, clip.duration) == ("c", 2.0, len(sound) / SAMPLE_RATE)
    assert report.dropped == {}
    np.testing.assert_array_equal(np.load(tmp_path / clip["embedding"]), ge2e(sound))


def test_a_voice_between_is_cut_out(ge2e: GE2E, tmp_path: Path) -> None:
    outer, inner = say(LONG, "one"), say(LONG, "two")
    clips, _ = embed(tmp_path, np.concatenate([outer, inner, outer]), ge2e)
    assert len(clips) == 3
    assert clips[1].start == pytest.approx(2.0 + len(outer) / SAMPLE_RATE, abs=0.6)
    assert clips[1].end == pytest.approx(2.0 + (len(outer) + len(inner)) / SAMPLE_RATE, abs=0.6)


def test_what_is_too_short_of_another_voice_is_dropped(ge2e: GE2E, tmp_path: Path) -> None:
    other = say(SHORT, "two")
    sound = np.concatenate([say(LONG, "one"), other])
    clips, report = embed(tmp_path, sound, ge2e, min_duration=len(other) / SAMPLE_RATE + 1)
    assert len(clips) == 1
    assert report.dropped == {TWO_VOICES: 1}
    assert clips[0].end == pytest.approx(2.0 + (len(sound) - len(other)) / SAMPLE_RATE, abs=0.6)


def test_real_speakers_joined_are_parted(corpus: Path, ge2e: GE2E, tmp_path: Path) -> None:
    first = read_audio(corpus / "speech" / "librispeech" / "1688" / "1688-142285-0001.flac")[
        -5 * SAMPLE_RATE :
    ]
    second = read_audio(corpus / "speech" / "librispeech" / "367" / "367-130732-0001.flac")[: 5 * SAMPLE_RATE]
    clips, _ = embed(tmp_path, np.concatenate([first, second]), ge2e)
    assert len(clips) == 2
    assert clips[0].end == pytest.approx(2.0 + len(first) / SAMPLE_RATE, abs=0.6)


def test_an_encoder_travels_as_its_settings(encoder: SpeakerEncoder) -> None:
    encoder.load()
    packed = pickle.dumps(encoder)
    assert len(packed) < 1000
    copy = pickle.loads(packed)
    sound = say(SHORT, "one")
    assert copy.model_id == encoder.model_id
    np.testing.assert_array_equal(copy(sound), encoder(sound))


def test_the_model_id_tells_settings_and_weights_apart(ge2e: GE2E, tmp_path: Path) -> None:
    other = tmp_path / "other.pt"
    other.write_bytes(b"other weights")
    ids = {
        ge2e.model_id,
        GE2E(step=0.2).model_id,
        GE2E(level=-20).model_id,
        GE2E(weights=str(other)).model_id,
    }
    assert len(ids) == 4


def test_ecapa_leaves_its_folder_and_ours_alone(tmp_path: Path, ecapa: ECAPA) -> None:
    source = Path(os.environ["UNDERSTUDY_WEIGHTS"]) / "spkrec-ecapa-voxceleb"
    before = {path.name: path.stat().st_mtime_ns for path in source.iterdir()}
    program = f"from understudy.data.embedding import ECAPA; ECAPA(source={str(source)!r}).load()"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
    assert {path.name: path.stat().st_mtime_ns for path in source.iterdir()} == before


def test_errors_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"weights=no/such.pt: there is no such file"):
        GE2E(weights="no/such.pt")
    text = tmp_path / "notes.pt"
    text.write_text("no weights")
    with pytest.raises(UserError, match=r"notes.pt: not the weights of GE2E"):
        GE2E(weights=str(text)).load()
    with pytest.raises(UserError, match=r"lacks hyperparams.yaml, embedding_model.ckpt"):
        ECAPA(source=str(tmp_path))
    with pytest.raises(UserError, match="no such folder"):
        ECAPA(source="/no/such/folder")
    for name in ("hyperparams.yaml", "embedding_model.ckpt", "mean_var_norm_emb.ckpt"):
        (tmp_path / name).write_text("no model")
    with pytest.raises(UserError, match="is no ECAPA-TDNN"):
        ECAPA(source=str(tmp_path)).load()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "resemblyzer", raising=False)
    with pytest.raises(UserError, match="pip install --no-deps Resemblyzer"):
        GE2E()


def test_without_a_hub_the_error_names_the_way_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError) as caught:
        ECAPA(source="nobody/no-such-model").load()
    for words in (
        "nobody/no-such-model",
        "encoder=ge2e",
        "encoder.model.source=FOLDER",
        "embedding_model.ckpt",
    ):
        assert words in str(caught.value)
