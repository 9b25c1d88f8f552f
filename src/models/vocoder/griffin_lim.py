"""Sound from mels without a trained vocoder."""

import sys
from collections.abc import Sequence
from typing import ClassVar

import torch
import torchaudio
from torch import Tensor, nn

from understudy.models.tts.mel import LogMel

SHORTEST = 4  # frames: windows reach over the edges


class GriffinLim(nn.Module):
    """Phases found by iteration (Griffin and Lim, 1984): to listen to before there is a vocoder."""

    inverse: Tensor
    context = sys.maxsize  # frames: every sample depends on all of them
    windows: ClassVar[Sequence[int]] = (sys.maxsize,)

    def __init__(self, log_mel: LogMel, *, iterations: int = 32) -> None:
        super().__init__()
        filters = log_mel.spectrogram.mel_scale.fb  # (bins, n_mels)
        self.register_buffer("inverse", torch.linalg.pinv(filters), persistent=False)
        self.sample_rate, self.n_mels = log_mel.sample_rate, log_mel.n_mels
        self.hop_length = log_mel.hop_length
        self.phases = torchaudio.transforms.GriffinLim(
            n_fft=log_mel.spectrogram.n_fft,
            n_iter=iterations,
            hop_length=log_mel.hop_length,
            power=1,
            rand_init=False,
        )

    def forward(self, mel: Tensor) -> Tensor:
        """(batch, n_mels, frames) -> (batch, frames * hop_length)."""
        frames = mel.shape[2]
        mel = nn.functional.pad(mel, (0, max(SHORTEST - frames, 0)), mode="replicate")
        spectrum = (mel.exp().transpose(1, 2) @ self.inverse).clamp(min=0).transpose(1, 2)
        # its frames are centred on the borders of hops, ours on their middles: one more, half a hop earlier
        spectrum = torch.cat([spectrum[:, :, :1], spectrum], dim=2)
        sound: Tensor = self.phases(spectrum)
        half = self.hop_length // 2
        padded = nn.functional.pad(sound, (0, self.hop_length))
        return padded[:, half : half + frames * self.hop_length]
