"""What two sounds differ in, and what judges make of them."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from understudy.models.vocoder.discriminators import Verdict, magnitude

RESOLUTIONS = (512, 1024, 2048)  # n_fft


def discriminators_loss(real: Sequence[Verdict], fake: Sequence[Verdict]) -> Tensor:
    """Least squares: towards 1 for recorded sound, 0 for generated (Mao et al., LSGAN, 2017)."""
    return torch.stack(
        [(1 - r.score).square().mean() + f.score.square().mean() for r, f in zip(real, fake, strict=True)]
    ).sum()


def generator_loss(fake: Sequence[Verdict]) -> Tensor:
    """Least squares towards 1: taken for recorded."""
    return torch.stack([(1 - verdict.score).square().mean() for verdict in fake]).sum()


def feature_loss(real: Sequence[Verdict], fake: Sequence[Verdict]) -> Tensor:
    """What the judges see at every layer, as in the recorded sound."""
    return torch.stack(
        [
            F.l1_loss(ours, theirs.detach())
            for r, f in zip(real, fake, strict=True)
            for theirs, ours in zip(r.features, f.features, strict=True)
        ]
    ).sum()


def stft_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Spectral convergence and distance of log magnitudes, both (batch, samples), at three resolutions.

    Yamamoto, Song and Kim, "Parallel WaveGAN", ICASSP 2020.
    """
    losses = []
    for n_fft in RESOLUTIONS:
        window = torch.hann_window(n_fft, device=real.device)
        ours, theirs = (
            magnitude(torch.stft(audio, n_fft, n_fft // 4, window=window, return_complex=True))
            for audio in (fake, real)
        )
        convergence = torch.linalg.vector_norm(theirs - ours) / torch.linalg.vector_norm(theirs)
        losses.append(convergence + F.l1_loss(ours.log(), theirs.log()))
    return torch.stack(losses).mean()
