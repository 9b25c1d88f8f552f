"""A clip's sound, as every step after `decode` reads it."""

from pathlib import Path

import librosa
import numpy as np
import soundfile

from understudy.data.manifest import Clip
from understudy.data.media import Seconds


def clip_audio(clip: Clip, workspace: Path, *, margin: Seconds = 0.0) -> np.ndarray:
    """Mono float32 (samples,) at 16 kHz, at the common loudness once `clean` has found the gain.

    `margin` adds what the source has on either side, silence beyond its ends.
    """
    return _read(workspace / clip["audio"], clip, margin)[0]


def clip_audio_full(clip: Clip, workspace: Path) -> tuple[np.ndarray, int]:
    """Mono float32 (samples,) and its sample rate: the recording's own."""
    return _read(workspace / clip["audio_full"], clip, 0.0)


def voice_sound(clip: Clip, workspace: Path, sample_rate: int, hop_length: int) -> np.ndarray:
    """Mono float32 (frames * hop_length,) at a voice model's rate, silence up to the last whole hop."""
    samples, rate = clip_audio_full(clip, workspace)
    if rate != sample_rate:
        samples = librosa.resample(samples, orig_sr=rate, target_sr=sample_rate, res_type="soxr_hq")
    frames = round(clip.duration * sample_rate / hop_length)
    length = max(frames, 1) * hop_length
    return np.pad(samples[:length], (0, max(length - len(samples), 0)))


def _read(path: Path, clip: Clip, margin: Seconds) -> tuple[np.ndarray, int]:
    with soundfile.SoundFile(path) as file:
        rate = int(file.samplerate)
        first, after = round((clip.start - margin) * rate), round((clip.end + margin) * rate)
        file.seek(min(max(first, 0), len(file)))
        samples = file.read(max(after, 0) - max(first, 0), dtype="float32")
    before = max(-first, 0)
    samples = np.pad(samples, (before, max(after - first - before - len(samples), 0)))
    gain = np.float32(10 ** (clip.fields.get("gain", 0.0) / 20))
    return samples * gain, rate
