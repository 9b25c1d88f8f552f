"""The one mel spectrogram of the voice: acoustic model, vocoder, pairs and metrics."""

import torchaudio
from torch import Tensor, nn
from torch.nn import functional as F


class LogMel(nn.Module):
    """Log-mels as HiFi-GAN's published vocoders expect them, with exactly one frame for every hop.

    Frame `k` is centred on the middle of hop `k`; both ends are padded by reflection.
    """

    def __init__(
        self,
        *,
        sample_rate: int = 22050,
        n_fft: int = 1024,
        hop_length: int = 256,
        n_mels: int = 80,
        f_min: float = 0.0,
        f_max: float | None = 8000.0,
    ) -> None:
        super().__init__()
        self.sample_rate, self.hop_length, self.n_mels = sample_rate, hop_length, n_mels
        self.padding = (n_fft - hop_length) // 2
        self.spectrogram = torchaudio.transforms.MelSpectrogram(
            sample_rate,
            n_fft=n_fft,
            hop_length=hop_length,
            f_min=f_min,
            f_max=f_max,
            n_mels=n_mels,
            power=1,
            center=False,
            norm="slaney",
            mel_scale="slaney",
        )
        # they follow from the settings: no part of what is trained
        for module in self.modules():
            module._non_persistent_buffers_set.update(module._buffers)

    @property
    def frame(self) -> float:
        """How long a frame lasts, in seconds."""
        return self.hop_length / self.sample_rate

    def forward(self, audio: Tensor) -> Tensor:
        """(batch, frames * hop_length) -> (batch, n_mels, frames), natural logarithm."""
        assert audio.shape[1] % self.hop_length == 0, "whole hops only"
        padded = F.pad(audio.unsqueeze(1), (self.padding, self.padding), mode="reflect").squeeze(1)
        return self.spectrogram(padded).clamp(min=1e-5).log()
