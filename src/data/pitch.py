"""The pitch of a voice, frame by frame."""

import numpy as np
import pyworld


def pitch(
    samples: np.ndarray, sample_rate: int, hop_length: int, *, lowest: float = 60.0, highest: float = 600.0
) -> np.ndarray:
    """Fundamental frequency in Hz (frames,) at the middle of every hop, 0 where the voice does not sound.

    WORLD's DIO, refined by StoneMask (Morise, Yokomori and Ozawa, IEICE 2016).
    """
    frames = len(samples) // hop_length
    # its first frame lies on the first sample: half a hop is put in front
    wave = np.concatenate([np.zeros(hop_length - hop_length // 2), samples.astype(np.float64)])
    period = 1000 * hop_length / sample_rate  # ms
    rough, times = pyworld.dio(wave, sample_rate, f0_floor=lowest, f0_ceil=highest, frame_period=period)
    refined = pyworld.stonemask(wave, rough, times, sample_rate)
    return refined[1 : frames + 1].astype(np.float32)
