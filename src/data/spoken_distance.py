"""How far one utterance is from another of the same words, whatever the timing of the two.

Log-mels (n_mels, frames) are those of `understudy.models.tts.mel.LogMel`, pitch (frames,) that of
`understudy.data.pitch`; frame `k` of both lies at the same place.
"""

from dataclasses import dataclass

import librosa
import numpy as np
from scipy.fft import dct

from understudy.data.measure import Decibels

CEPSTRA = 13  # coefficients that count, loudness aside


def mel_cepstra(mel: np.ndarray, *, loudness: bool = False) -> np.ndarray:
    """(n_mels, frames) natural logarithms -> (13, frames): c1..c13 in log|S| = c0 + sum of ck cos(k w).

    The cosine transform of log-mels, so of magnitudes on the mel scale, as with SPTK's `mcep`. With
    `loudness` there are 14, 2 c0 before the others.
    """
    cepstra: np.ndarray = dct(mel, type=2, axis=0)[0 if loudness else 1 : CEPSTRA + 1] / len(mel)
    return cepstra


def warping_path(found: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Frames (steps, 2) of two log-mels that belong together, in order of time: found's, real's.

    Dynamic time warping of their mel-cepstra.
    """
    _, path = librosa.sequence.dtw(mel_cepstra(found), mel_cepstra(real))
    backwards: np.ndarray = path
    return backwards[::-1]


def mel_cepstral_distortion(found: np.ndarray, real: np.ndarray, path: np.ndarray) -> Decibels:
    """Mean over the path of the distance between mel-cepstra 1 to 13, in dB.

    Kubichek, "Mel-cepstral distance measure for objective speech quality assessment", 1993. As the
    cepstra are scaled, it is how far apart the smoothed spectra lie, root mean square over the mel axis.
    Pauses count like speech.
    """
    difference = mel_cepstra(found)[:, path[:, 0]] - mel_cepstra(real)[:, path[:, 1]]  # (13, steps)
    return float(10 / np.log(10) * np.sqrt(2) * np.linalg.norm(difference, axis=0).mean())


def mel_distance(found: np.ndarray, real: np.ndarray, path: np.ndarray) -> float:
    """Mean absolute difference of two log-mels along the path."""
    return float(np.abs(found[:, path[:, 0]] - real[:, path[:, 1]]).mean())


@dataclass(frozen=True)
class PitchErrors:
    """Root mean squares over the frames in which both are voiced; None where there is no such frame."""

    hertz: float | None
    cents: float | None  # a hundredth of a semitone
    voicing: float  # share of frames in which one is voiced and the other is not


def pitch_errors(found: np.ndarray, real: np.ndarray, path: np.ndarray) -> PitchErrors:
    """Of two voices' pitch (frames,) in Hz, 0 where unvoiced, along the path."""
    ours, theirs = found[path[:, 0]], real[path[:, 1]]
    both = (ours > 0) & (theirs > 0)
    voicing = float(((ours > 0) != (theirs > 0)).mean())
    if not both.any():
        return PitchErrors(None, None, voicing)
    cents = 1200 * np.log2(ours[both] / theirs[both])
    return PitchErrors(_root_mean_square(ours[both] - theirs[both]), _root_mean_square(cents), voicing)


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))
