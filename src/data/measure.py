"""Step 2, third part: how good each clip is, in numbers; what is good enough, `clean` decides."""

import importlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from filelock import FileLock
from scipy.ndimage import median_filter
from scipy.signal import resample

from understudy.data.cut import per_frame
from understudy.data.manifest import Clip, Drop
from understudy.data.media import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME, Seconds
from understudy.data.sound import clip_audio, clip_audio_full
from understudy.data.stage import Stage

Decibels = float
FINGERPRINT = (24, 32)  # mel bands, moments


@dataclass
class Measure(Stage):
    """Adds `loudness`, `peak`, `snr`, `clipping`, `tonality`, `dnsmos` and a `fingerprint`.

    loudness     LUFS, after ITU-R BS.1770
    peak         dB of full scale
    snr          dB between speech and the pauses in and around the clip, 60 at most
    clipping     share of samples on flat tops
    tonality     share of energy in tones that last: low in speech, near 1 in held notes
    dnsmos       overall quality as listeners would rate it, 1 to 5, by Microsoft's DNSMOS
    """

    name: ClassVar[str] = "measure"
    reads: ClassVar[tuple[str, ...]] = ("audio", "audio_full", "speech")

    dnsmos: Literal["p808", "p835", "none"] = "p808"  # p835 costs ten times as much
    rated_by: str = field(init=False, default=f"speechmos {version('speechmos')}")  # part of the key

    def setup(self) -> None:
        # librosa compiles parts of itself when it is first imported, and keeps them for the next time: two
        # processes that do so at once have left files behind that made later ones crash
        with FileLock(Path(tempfile.gettempdir()) / "understudy-librosa.lock", mode=0o666):
            importlib.import_module("librosa.core")
            importlib.import_module("librosa.feature")

    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        samples = clip_audio(clip, workspace)
        full, _ = clip_audio_full(clip, workspace)
        speech = np.load(workspace / clip["speech"], mmap_mode="r")
        np.save(folder / "fingerprint.npy", fingerprint(samples).astype(np.float16))
        measured = {
            "loudness": loudness(samples),
            "peak": 20 * np.log10(np.abs(full).max() + 1e-9),
            "snr": self._snr(clip, workspace, speech),
            "clipping": clipping(full),
            "tonality": tonality(samples),
        }
        if self.dnsmos != "none":
            measured["dnsmos"] = dnsmos(samples, self.dnsmos)
        numbers = {name: round(float(value), 4) for name, value in measured.items()}
        yield clip.add(**numbers, fingerprint=self.path_in(folder, "fingerprint.npy"))

    def _snr(self, clip: Clip, workspace: Path, speech: np.ndarray, margin: Seconds = 0.5) -> Decibels:
        samples = clip_audio(clip, workspace, margin=margin)
        frames = len(samples) // SAMPLES_PER_FRAME
        power = np.square(samples[: frames * SAMPLES_PER_FRAME].reshape(frames, -1)).mean(axis=1)
        heard = per_frame(speech, frames, first=round((clip.start - margin) * FPS)) >= 0.5
        return signal_to_noise(power[power > 0], heard[power > 0])  # beyond the ends is nothing, not quiet


def loudness(samples: np.ndarray) -> Decibels:
    """LUFS of (samples,) at 16 kHz."""
    import pyloudnorm

    short = int(0.4 * SAMPLE_RATE) - len(samples)  # of one block of the standard
    samples = np.pad(samples, (0, max(short + 1, 0)))
    return max(float(pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(samples)), -70.0)


def signal_to_noise(power: np.ndarray, speech: np.ndarray) -> Decibels:
    """dB between the power (frames,) where there is speech (frames,) and where there is none."""
    if not speech.any():
        return 0.0
    pauses = power[~speech] if (~speech).sum() >= 5 else np.sort(power)[: max(len(power) // 20, 1)]
    noise = float(np.median(pauses)) if len(pauses) else 0.0
    signal = max(float(power[speech].mean()) - noise, 1e-9)
    return float(np.clip(10 * np.log10(signal / max(noise, 1e-9)), 0.0, 60.0))


def clipping(samples: np.ndarray) -> float:
    """Share of (samples,) in runs of three or more within 0.1 % of the highest: flat tops, however loud."""
    peak = float(np.abs(samples).max())
    if peak == 0.0:
        return 0.0
    top = np.abs(samples) >= 0.999 * peak
    inside = top[:-2] & top[1:-1] & top[2:]
    flat = np.zeros_like(top)
    for shift in range(3):
        flat[shift : len(top) - 2 + shift] |= inside
    return float(flat.mean())


def tonality(samples: np.ndarray) -> float:
    """Share of energy of (samples,) at 16 kHz that keeps its pitch for half a second."""
    import librosa

    power = np.square(np.abs(librosa.stft(samples, n_fft=1024, hop_length=512)))  # (513, frames of 32 ms)
    lasting = np.minimum(median_filter(power, size=(1, 17), mode="nearest"), power)
    return float(lasting.sum() / max(power.sum(), 1e-12))


def dnsmos(samples: np.ndarray, model: Literal["p808", "p835"]) -> float:
    """Overall rating of (samples,) at 16 kHz; of P.835 the overall one."""
    from speechmos import dnsmos as package

    window = int(package.INPUT_LENGTH * SAMPLE_RATE)
    if len(samples) < window:
        samples = np.resize(samples, window)  # repeated, as Microsoft's own script has it
    samples = samples.clip(-1, 1)
    if model == "p835":
        return float(package.run(samples, SAMPLE_RATE)["ovrl_mos"])
    models = _dnsmos_models()
    ratings = []
    for start in range(0, len(samples) - window + 1, SAMPLE_RATE):
        mel = models.audio_melspec(samples[start : start + window - 160])
        features = {"input_1": mel[None].astype(np.float32)}
        ratings.append(models.p808_onnx_sess.run(None, features)[0][0][0])
    return float(np.mean(ratings))


@cache
def _dnsmos_models() -> Any:
    import speechmos.dnsmos

    folder = Path(speechmos.dnsmos.__file__).parent / "dnsmos_models"
    return speechmos.dnsmos.DNSMOS(str(folder / "sig_bak_ovr.onnx"), str(folder / "model_v8.onnx"))


def fingerprint(samples: np.ndarray) -> np.ndarray:
    """(768,) unit vector of (samples,) at 16 kHz: equal recordings are near, whatever codec or level."""
    import librosa

    bands, moments = FINGERPRINT
    mel = librosa.feature.melspectrogram(
        y=samples, sr=SAMPLE_RATE, n_fft=512, hop_length=160, n_mels=bands, fmax=4000
    )
    mel = librosa.power_to_db(mel, ref=np.max, top_db=50)  # (bands, frames): quieter is codec's and room's
    shape = resample(mel, moments, axis=1)
    shape = (shape - shape.mean()).ravel()
    return shape / max(float(np.linalg.norm(shape)), 1e-9)
