"""How near a vocoder's sound comes to the recording."""

from collections import defaultdict

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from understudy.models.tts import LogMel
from understudy.train.vocoder_losses import stft_loss


class VocoderMetrics:
    """Means over clips.

    mel_l1  distance of log-mels, lower is better
    stft    spectral convergence and distance of log magnitudes at three resolutions, lower is better
    """

    def __init__(self, log_mel: LogMel) -> None:
        self.log_mel = log_mel
        self._fixed: dict[tuple[str, str], dict[str, float]] = {}
        self.reset()

    def reset(self) -> None:
        self._values: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)

    def knows(self, clip: str, who: str) -> bool:
        """True if the clip's values, which never change for `who`, are there: they then count again."""
        if (clip, who) not in self._fixed:
            return False
        self._values[who][clip] = self._fixed[clip, who]
        return True

    def compare(self, who: str, fake: Tensor, real: Tensor, clip: str) -> None:
        """Both (1, samples)."""
        values = {
            "mel_l1": float(F.l1_loss(self.log_mel(fake), self.log_mel(real))),
            "stft": float(stft_loss(fake, real)),
        }
        self._fixed[clip, who] = self._values[who][clip] = values

    def summary(self) -> dict[str, dict[str, float]]:
        return {
            who: {name: float(np.mean([v[name] for v in clips.values()])) for name in ("mel_l1", "stft")}
            for who, clips in self._values.items()
        }
