"""What tells generated sound from recorded: by its periods and by its spectra.

Kong, Kim and Bae, "HiFi-GAN", NeurIPS 2020 (periods); Jang et al., "UnivNet", Interspeech 2021 (spectra at
several resolutions).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm


class Verdict(NamedTuple):
    """Of one judge on a batch of sounds."""

    score: Tensor  # (batch, ...) towards 1 for recorded, towards 0 for generated
    features: list[Tensor]  # of every layer


class Judge(nn.Module, ABC):
    """Convolutions over a picture of the sound; the last one gives the scores."""

    def __init__(self, layers: Sequence[nn.Conv2d]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)

    @abstractmethod
    def picture(self, audio: Tensor) -> Tensor:
        """(batch, samples) -> (batch, 1, height, width)."""

    def forward(self, audio: Tensor) -> Verdict:
        """(batch, samples)."""
        hidden, features = self.picture(audio), []
        for layer in self.layers[:-1]:
            hidden = F.leaky_relu(layer(hidden), 0.1)
            features.append(hidden)
        score = self.layers[-1](hidden)
        return Verdict(score.flatten(1), [*features, score])


class PeriodJudge(Judge):
    """Sees samples that are `period` apart as neighbours."""

    def __init__(self, period: int, channels: int) -> None:
        widths = [1, channels, 2 * channels, 4 * channels, 8 * channels]
        tall = partial(nn.Conv2d, kernel_size=(5, 1), padding=(2, 0))
        layers = [tall(before, after, stride=(3, 1)) for before, after in pairwise(widths)]
        layers.append(tall(widths[-1], widths[-1]))
        layers.append(nn.Conv2d(widths[-1], 1, kernel_size=(3, 1), padding=(1, 0)))
        super().__init__(layers)
        self.period = period

    def picture(self, audio: Tensor) -> Tensor:
        padded = F.pad(audio.unsqueeze(1), (0, -audio.shape[1] % self.period), mode="reflect")
        return padded.unflatten(2, (-1, self.period))


class SpectrumJudge(Judge):
    """Sees the magnitudes of spectra of `n_fft` samples."""

    window: Tensor

    def __init__(self, n_fft: int, channels: int) -> None:
        wide = partial(nn.Conv2d, kernel_size=(9, 3), padding=(4, 1))  # frequency, time
        super().__init__(
            [
                wide(1, channels),
                *(wide(channels, channels, stride=(2, 1)) for _ in range(3)),
                nn.Conv2d(channels, channels, kernel_size=3, padding=1),
                nn.Conv2d(channels, 1, kernel_size=3, padding=1),
            ]
        )
        self.n_fft = n_fft
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def picture(self, audio: Tensor) -> Tensor:
        with torch.autocast(audio.device.type, enabled=False):  # spectra want full precision
            spectrum = torch.stft(
                audio.float(), self.n_fft, self.n_fft // 4, window=self.window, return_complex=True
            )
            return magnitude(spectrum).unsqueeze(1)


class _Judges(nn.Module):
    def __init__(self, judges: Sequence[Judge]) -> None:
        super().__init__()
        self.judges = nn.ModuleList(judges)

    def forward(self, audio: Tensor) -> list[Verdict]:
        """(batch, samples) -> one verdict each."""
        return [judge(audio) for judge in self.judges]


class MultiPeriodDiscriminator(_Judges):
    """The last layers have eight times `channels`."""

    def __init__(self, *, periods: Sequence[int] = (2, 3, 5, 7, 11), channels: int = 32) -> None:
        super().__init__([PeriodJudge(period, channels) for period in periods])


class MultiResolutionDiscriminator(_Judges):
    """Frames are a quarter of `n_ffts` apart."""

    def __init__(self, *, n_ffts: Sequence[int] = (512, 1024, 2048), channels: int = 16) -> None:
        super().__init__([SpectrumJudge(n_fft, channels) for n_fft in n_ffts])


def magnitude(spectrum: Tensor) -> Tensor:
    """Of complex numbers, with a gradient that is finite at zero."""
    return (spectrum.real.square() + spectrum.imag.square()).clamp(min=1e-9).sqrt()
