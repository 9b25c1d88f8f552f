"""A voice measured beside the real one: on recordings, and on sound of which the answer is known."""

from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import pytorch_lightning as pl
import pyworld
import soundfile
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader

from understudy.data.embedding import GE2E
from understudy.data.media import read_audio
from understudy.data.pitch import pitch
from understudy.data.recognizers import SphinxRecognizer
from understudy.data.spoken_distance import (
    PitchErrors,
    mel_cepstral_distortion,
    mel_distance,
    pitch_errors,
    warping_path,
)
from understudy.models.tts.mel import LogMel
from understudy.train.trainer import make_trainer
from understudy.train.voice_metrics import Synthesis, VoiceMetrics
from understudy.train.voice_samples import VoiceSamples

RATE, HOP = 22050, 256


def whole_hops(samples: np.ndarray) -> np.ndarray:
    return samples[: len(samples) // HOP * HOP].astype(np.float32)


def mel(sound: np.ndarray) -> np.ndarray:
    found: np.ndarray = LogMel()(torch.from_numpy(whole_hops(sound))[None])[0].numpy()
    return found


def distortion(sound: np.ndarray, real: np.ndarray) -> float:
    return mel_cepstral_distortion(mel(sound), mel(real), warping_path(mel(sound), mel(real)))


def melody_errors(sound: np.ndarray, real: np.ndarray) -> PitchErrors:
    path = warping_path(mel(sound), mel(real))
    ours, theirs = (pitch(whole_hops(one), RATE, HOP) for one in (sound, real))
    return pitch_errors(ours, theirs, path)


def harmonics(frequency: float, seconds: float = 1.0) -> np.ndarray:
    """A steady tone with ten overtones, as of a voice."""
    time = np.arange(int(seconds * RATE)) / RATE
    tones = [np.sin(2 * np.pi * k * frequency * time) / k for k in range(1, 11)]
    return (0.1 * np.sum(tones, axis=0)).astype(np.float32)


def sung(samples: np.ndarray, factor: float) -> np.ndarray:
    """The same speech taken apart by WORLD and put together with another pitch."""
    wave = samples.astype(np.float64)
    rough, times = pyworld.dio(wave, RATE)
    f0 = pyworld.stonemask(wave, rough, times, RATE)
    envelope = pyworld.cheaptrick(wave, f0, times, RATE)
    noise = pyworld.d4c(wave, f0, times, RATE)
    return pyworld.synthesize(f0 * factor, envelope, noise, RATE).astype(np.float32)


@pytest.fixture(scope="module")
def speakers(corpus: Path) -> dict[str, list[np.ndarray]]:
    """Four sentences of each of two men."""
    return {
        name: [
            read_audio(path, sample_rate=RATE) for path in sorted((corpus / "grid" / name).glob("*.mp4"))[:4]
        ]
        for name in ("s1", "s26")
    }


@pytest.fixture(scope="module")
def speech(speakers: dict[str, list[np.ndarray]]) -> np.ndarray:
    return speakers["s1"][0]


def test_a_clip_is_no_distance_from_itself(speech: np.ndarray) -> None:
    own = mel(speech)
    path = warping_path(own, own)
    assert (path[:, 0] == path[:, 1]).all()
    assert mel_cepstral_distortion(own, own, path) == mel_distance(own, own, path) == 0.0
    assert melody_errors(speech, speech) == PitchErrors(0.0, 0.0, 0.0)


def test_distortion_is_how_far_spectra_are_apart_in_decibels() -> None:
    """A ripple over the mel axis, root mean square 2 dB; what is louder everywhere does not count."""
    band = (np.arange(80) + 0.5) / 80
    flat = np.random.default_rng(0).normal(-4, 0.01, (80, 50))
    ripple = 2 * np.sqrt(2) * np.cos(np.pi * 5 * band)  # dB
    other = flat + (ripple + 6)[:, None] * np.log(10) / 20
    path = np.repeat(np.arange(50)[:, None], 2, axis=1)
    assert mel_cepstral_distortion(other, flat, path) == pytest.approx(2.0, rel=1e-6)


def test_slower_speech_is_nearer_than_another_sentence_or_speaker(
    speakers: dict[str, list[np.ndarray]], speech: np.ndarray
) -> None:
    slower = librosa.effects.time_stretch(speech, rate=0.8)
    others = (speakers["s1"][1], speakers["s26"][0])
    assert 0 < distortion(slower, speech) < 0.6 * min(distortion(other, speech) for other in others)


@pytest.mark.parametrize("cents", [100, -250])
def test_a_tone_at_another_pitch_is_so_many_cents_off(cents: int) -> None:
    factor = 2 ** (cents / 1200)
    errors = melody_errors(harmonics(120 * factor), harmonics(120))
    assert errors.cents == pytest.approx(abs(cents), abs=2)
    assert errors.hertz == pytest.approx(120 * abs(factor - 1), abs=0.2)
    assert errors.voicing < 0.05


def test_speech_sung_higher_is_so_many_cents_off(speech: np.ndarray) -> None:
    """By three semitones, of what the vocoder that sings makes of the speech without them."""
    errors = melody_errors(sung(speech, 2 ** (3 / 12)), sung(speech, 1.0))
    assert errors.cents == pytest.approx(300, abs=40)
    assert errors.voicing < 0.15


def test_noise_is_not_voiced_where_a_tone_is() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE)
    errors = melody_errors(noise, harmonics(120))
    assert errors.voicing > 0.9


def test_where_nothing_is_voiced_no_pitch_is_wrong() -> None:
    metrics = VoiceMetrics()
    silence = np.zeros(20 * HOP, np.float32)
    metrics.compare("tuned", silence, silence)
    assert metrics.summary()["tuned"]["voicing"] == 0.0
    assert "pitch_hertz" not in metrics.summary()["tuned"]


def test_means_over_clips_with_nothing_to_listen_with(speech: np.ndarray) -> None:
    real, slower = whole_hops(speech), whole_hops(librosa.effects.time_stretch(speech, rate=0.8))
    metrics = VoiceMetrics()
    metrics.compare("tuned", real, real)
    metrics.compare("tuned", torch.from_numpy(slower), torch.from_numpy(real))
    values = metrics.summary()["tuned"]
    assert values["duration"] == pytest.approx(0.25 / 2, abs=0.01)
    assert values["duration_seconds"] == pytest.approx(0.25 / 2 * len(real) / RATE, abs=0.02)
    assert values["mcd"] == pytest.approx(distortion(slower, real) / 2)
    assert not metrics.listens
    assert not {"wer", "dnsmos"} & values.keys()
    metrics.reset()
    assert metrics.summary() == {}


def test_a_module_that_moves_leaves_its_metrics_where_they_are(speech: np.ndarray) -> None:
    log_mel, real = LogMel(), whole_hops(speech)
    metrics = VoiceMetrics(log_mel=log_mel)
    log_mel.to("meta")
    metrics.compare("tuned", real, real)
    assert metrics.summary()["tuned"]["mcd"] == 0.0


def test_listening_tells_speaker_and_quality(speakers: dict[str, list[np.ndarray]]) -> None:
    metrics = VoiceMetrics(encoders={"ge2e": GE2E()}, dnsmos="p808")
    for k, (own, other) in enumerate(zip(speakers["s1"], speakers["s26"], strict=True)):
        noise = 0.02 * np.random.default_rng(k).standard_normal(len(own))
        metrics.listen("real", f"clip_{k}", own, "")
        metrics.listen("noisy", f"clip_{k}", own + noise.astype(np.float32), "")
        metrics.listen("another", f"other_{k}", other, "")
    values = metrics.summary()
    assert values["real"]["likeness_ge2e"] == 1.0
    assert values["another"]["likeness_ge2e"] < 0.9
    assert values["another"]["similarity_ge2e"] < values["real"]["similarity_ge2e"] < 0.999
    assert values["noisy"]["dnsmos"] < values["real"]["dnsmos"] - 0.3


def test_one_recording_alone_is_like_no_other(speech: np.ndarray) -> None:
    metrics = VoiceMetrics(encoders={"ge2e": GE2E()})
    metrics.listen("real", "clip", speech, "")
    metrics.listen("tuned", "clip", speech, "")
    assert metrics.summary() == {}


def test_words_that_are_heard_are_compared_with_the_text(corpus: Path) -> None:
    """Backwards the voice is the same and the words are not."""
    real = read_audio(corpus / "speech" / "ljspeech" / "LJ001-0008.flac", sample_rate=RATE)
    metrics = VoiceMetrics(recognizer=SphinxRecognizer())
    metrics.listen("real", "clip", real, "has never been surpassed.")
    metrics.listen("tuned", "clip", real[::-1].copy(), "has never been surpassed.")
    values = metrics.summary()
    assert values["real"]["wer"] <= 0.5 < values["tuned"]["wer"]
    assert values["real"]["cer"] < values["tuned"]["cer"]


class Playback(pl.LightningModule):
    """A voice that says what it was given, backwards."""

    sample_rate = RATE

    def __init__(self) -> None:
        super().__init__()
        self.metrics = VoiceMetrics()
        self.log_mel = LogMel()

    def step(self, batch: tuple[str, torch.Tensor], batch_idx: int) -> Synthesis:
        (clip, real), sound = batch, batch[1].flip(0)
        mels = self.log_mel(torch.stack([real, sound]))
        tokens = ("_", *"now", "_")
        found = Synthesis(
            clip=[clip],
            tokens=[tokens],
            mel=[mels[0]],
            found=[mels[1]],
            alignment=[torch.eye(5).repeat_interleave(mels.shape[2] // 5 + 1, dim=1)],
            trouble=[False],
            sound=[sound],
            real=[real],
        )
        self.metrics.update(found, ["now"])
        return found

    validation_step = test_step = step


@pytest.fixture
def clips(speakers: dict[str, list[np.ndarray]]) -> DataLoader[Any]:
    sounds = [(f"clip_{k}", torch.from_numpy(whole_hops(x))) for k, x in enumerate(speakers["s1"][:3])]
    return DataLoader(sounds, batch_size=None)  # type: ignore[arg-type]


def trainer_in(folder: Path, **settings: Any) -> pl.Trainer:
    return make_trainer(
        accelerator="cpu",
        default_root_dir=folder,
        callbacks=[VoiceSamples(clips=2)],
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )


def test_tensorboard_has_ours_at_every_validation_and_the_real_once(
    clips: DataLoader[Any], tmp_path: Path
) -> None:
    logger = TensorBoardLogger(tmp_path, name="", version="")
    trainer, voice = trainer_in(tmp_path, logger=logger), Playback()
    for _ in range(2):
        trainer.validate(voice, clips, verbose=False)
    logger.experiment.flush()
    events = EventAccumulator(str(tmp_path), size_guidance={"audio": 0, "images": 0})
    events.Reload()
    for clip in ("clip_0", "clip_1"):
        assert len(events.Audio(f"sound/{clip}/ours")) == 2
        assert len(events.Audio(f"sound/{clip}/real")) == 1
        pictures = events.Images(f"mel/{clip}")
        assert len(pictures) == 2
        assert pictures[0].width > pictures[0].height > 300
    assert not any("clip_2" in tag for tag in events.Tags()["audio"])
    assert len(voice.metrics.values["tuned"]["mcd"]) == 6


def test_a_test_leaves_sound_and_pictures(clips: DataLoader[Any], tmp_path: Path) -> None:
    trainer_in(tmp_path, logger=False).test(Playback(), clips, verbose=False)
    folder = tmp_path / "samples"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"clip_{k}{end}" for k in range(2) for end in (".png", "_ours.wav", "_real.wav")
    ]
    ours, rate = soundfile.read(folder / "clip_0_ours.wav")
    real, _ = soundfile.read(folder / "clip_0_real.wav")
    assert rate == RATE
    np.testing.assert_array_equal(ours, real[::-1])
