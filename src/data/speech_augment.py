"""Speech as it might also have been recorded: faster, slower, louder, softer, in noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torchaudio

from understudy.data.media import SAMPLE_RATE, Seconds


@dataclass(kw_only=True)
class SpeechAugment:
    """Chances are drawn clip by clip; masks over time and frequency are the model's own settings."""

    speeds: Sequence[float] = (0.9, 0.95, 1.0, 1.05, 1.1)
    noise_share: float = 0.5  # of the clips
    min_snr: float = 15.0  # dB
    max_snr: float = 40.0  # dB
    gain: float = 6.0  # dB at most, either way
    longest: Seconds = 30.0  # no clip is slowed down beyond it

    def __call__(self, samples: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """(samples,) float32 at 16 kHz -> another number of samples."""
        sound = torch.from_numpy(samples)
        speed = float(random.choice(self.speeds))
        if speed != 1 and len(samples) / speed <= self.longest * SAMPLE_RATE:
            sound, _ = torchaudio.functional.speed(sound, SAMPLE_RATE, speed)
        if random.random() < self.noise_share:
            noise = torch.from_numpy(random.standard_normal(len(sound), dtype=np.float32))
            snr = torch.tensor(random.uniform(self.min_snr, self.max_snr), dtype=torch.float32)
            sound = torchaudio.functional.add_noise(sound, noise, snr)
        louder: np.ndarray = sound.numpy() * np.float32(10 ** (random.uniform(-self.gain, self.gain) / 20))
        return louder
