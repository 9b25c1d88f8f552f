"""Synthetic speech laid onto the timing of a recording, for a voice that does not know its durations."""

import librosa
import numpy as np

from understudy.data.spoken_distance import mel_cepstra
from understudy.errors import UserError

MAX_SLOPE = 2  # times as fast or as slow
QUIET = 0.25  # of the way from the quietest to the loudest frames: below it nobody speaks


def warp(mel: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Log-mels (n_mels, frames) on the timing of `onto` (n_mels, frames of onto), which says the same words.

    Both of one scale, with any base of the logarithm. Within the speech no stretch is more than twice as
    fast or as slow; the silence around it is as long as it must be. Raises `UserError` where the speech
    differs more than that in its duration.
    """
    mel, onto = np.asarray(mel, np.float32), np.asarray(onto, np.float32)
    positions = alignment(mel, onto)
    before = np.floor(positions).astype(int)
    after = np.minimum(before + 1, mel.shape[1] - 1)
    share = (positions - before).astype(np.float32)
    return mel[:, before] * (1 - share) + mel[:, after] * share


def alignment(mel: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """For every frame of `onto` the place in `mel` that is like it: (frames of onto,), rising, in frames."""
    start, end = _speech(mel)
    onto_start, onto_end = _speech(onto)
    frames, onto_frames = end - start, onto_end - onto_start
    if max(frames, onto_frames) - 1 > MAX_SLOPE * (min(frames, onto_frames) - 1):
        raise UserError(
            f"{frames} frames of speech onto {onto_frames}: would be more than {MAX_SLOPE} times as fast or "
            "as slow as it is spoken; leave this clip out, or correct its text"
        )
    path = _path(_centred(mel[:, start:end]), _centred(onto[:, onto_start:onto_end]))
    places, onto_places = path[:, 0] + start, path[:, 1] + onto_start
    # the silence of both sides: from end to end
    places = np.concatenate([[0], places, [mel.shape[1] - 1]])
    onto_places = np.concatenate([[-1], onto_places, [onto.shape[1]]])
    return np.interp(np.arange(onto.shape[1]), onto_places, places)


def _path(cepstra: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """(steps, 2) frames that belong together, both rising with every step."""
    # a step costs as much as what it passes over, so that long ones are no shortcut
    _, path = librosa.sequence.dtw(
        cepstra,
        onto,
        step_sizes_sigma=np.array([[1, 1], [1, MAX_SLOPE], [MAX_SLOPE, 1]]),
        weights_mul=np.array([2.0, 1.0 + MAX_SLOPE, 1.0 + MAX_SLOPE]),
    )
    return np.asarray(path[::-1])


def _centred(mel: np.ndarray) -> np.ndarray:
    """Mel-cepstra with a mean of zero: what is said, less of who says it through which microphone."""
    found = mel_cepstra(mel, loudness=True)
    centred: np.ndarray = found - found.mean(axis=1, keepdims=True)
    return centred


def _speech(mel: np.ndarray) -> tuple[int, int]:
    """Where speech starts and ends, in frames."""
    loudness = mel.mean(axis=0)
    quiet, loud = np.percentile(loudness, [2, 95])
    spoken = np.flatnonzero(loudness >= quiet + QUIET * (loud - quiet))
    return int(spoken[0]), int(spoken[-1]) + 1
