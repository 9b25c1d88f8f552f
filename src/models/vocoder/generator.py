"""From mel spectrograms to sound: HiFi-GAN, whole or with an inverse Fourier transform as its end.

Kong, Kim and Bae, "HiFi-GAN", NeurIPS 2020; Kaneko et al., "iSTFTNet", ICASSP 2022.
"""

import math
from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from speechbrain.lobes.models.HifiGAN import LRELU_SLOPE, HifiganGenerator
from speechbrain.nnet.CNN import Conv1d
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from understudy.errors import UserError
from understudy.models.lazy_modules import forget_lazy_modules

forget_lazy_modules()

PRE_KERNEL_SIZE = POST_KERNEL_SIZE = 7  # of the first and the last convolution


class Vocoder(HifiganGenerator):
    """HiFi-GAN's generator. Every mel frame becomes `hop_length` samples.

    With `istft` the factors multiply to less than the hop: the last layer draws a spectrum for every
    `hop_length / product(factors)` samples, which costs a fraction of drawing the samples themselves.
    """

    windows: ClassVar[Sequence[int]] = (16, 32, 64)  # frames; short ones first, so that sound comes early

    def __init__(
        self,
        *,
        sample_rate: int = 22050,
        n_mels: int = 80,
        hop_length: int = 256,
        upsample_initial_channel: int = 512,
        upsample_factors: Sequence[int] = (8, 8, 2, 2),
        upsample_kernel_sizes: Sequence[int] = (16, 16, 4, 4),
        resblock_type: int = 1,
        resblock_kernel_sizes: Sequence[int] = (3, 7, 11),
        resblock_dilation_sizes: Sequence[Sequence[int]] = ((1, 3, 5), (1, 3, 5), (1, 3, 5)),
        istft: bool = False,
    ) -> None:
        product = math.prod(upsample_factors)
        check_factors(hop_length, upsample_factors, upsample_kernel_sizes, istft)
        super().__init__(
            in_channels=n_mels,
            out_channels=1,
            resblock_type=str(resblock_type),
            resblock_dilation_sizes=resblock_dilation_sizes,
            resblock_kernel_sizes=resblock_kernel_sizes,
            upsample_kernel_sizes=upsample_kernel_sizes,
            upsample_initial_channel=upsample_initial_channel,
            upsample_factors=upsample_factors,
        )
        self.sample_rate, self.n_mels, self.hop_length = sample_rate, n_mels, hop_length
        self.istft = InverseSTFT(hop_length // product) if istft else None
        if self.istft:
            channels = upsample_initial_channel // 2 ** len(upsample_factors)
            self.conv_post = Conv1d(
                in_channels=channels,
                out_channels=self.istft.n_fft + 2,
                kernel_size=POST_KERNEL_SIZE,
                skip_transpose=True,
                weight_norm=True,
            )
        for module in self.modules():
            if isinstance(module, Conv1d):
                module.padding_mode = "constant"  # as the published weights were trained
        reach = resblock_reach(resblock_type, resblock_kernel_sizes, resblock_dilation_sizes)
        self.context = self._context(upsample_factors, upsample_kernel_sizes, reach)

    def forward(self, mel: Tensor) -> Tensor:
        """(batch, n_mels, frames) natural-log mels -> (batch, frames * hop_length) in [-1, 1]."""
        hidden = self.conv_pre(mel)
        for stage, up in enumerate(self.ups):
            hidden = up(F.leaky_relu(hidden, LRELU_SLOPE))
            first = stage * self.num_kernels
            blocks = self.resblocks[first : first + self.num_kernels]
            hidden = torch.stack([block(hidden) for block in blocks]).mean(dim=0)
        hidden = self.conv_post(F.leaky_relu(hidden))
        return self.istft(hidden) if self.istft else torch.tanh(hidden).squeeze(1)

    def fold_weight_norm(self) -> Self:
        """For inference: the same weights, no longer as direction and length."""
        for module in self.modules():
            if is_parametrized(module, "weight"):
                remove_parametrizations(module, "weight")
        return self.eval()

    def _context(self, factors: Sequence[int], kernel_sizes: Sequence[int], reach: int) -> int:
        """Frames to either side of its own that a sample depends on.

        From the samples of frame 0 back to the frames that they come from.
        """
        first, last = 0, self.hop_length - 1
        if self.istft:
            first, last = reach_back(first, last, self.istft.hop_length, self.istft.n_fft)
        first, last = first - POST_KERNEL_SIZE // 2, last + POST_KERNEL_SIZE // 2
        for factor, kernel_size in zip(reversed(factors), reversed(kernel_sizes), strict=True):
            first, last = reach_back(first - reach, last + reach, factor, kernel_size)
        return max(-first, last) + PRE_KERNEL_SIZE // 2


class InverseSTFT(nn.Module):
    """Spectra to samples by one transposed convolution, which ONNX and every device can do.

    Four Hann windows overlap everywhere but at the ends; spectrum `k` is centred on hop `k`.
    """

    basis: Tensor

    def __init__(self, hop_length: int) -> None:
        super().__init__()
        self.hop_length, self.n_fft = hop_length, 4 * hop_length
        self.padding = (self.n_fft - hop_length) // 2
        bins = torch.eye(self.n_fft // 2 + 1, dtype=torch.float64)
        waves = torch.fft.irfft(torch.cat([bins + 0j, bins * 1j]), n=self.n_fft)  # (n_fft + 2, n_fft)
        window = torch.hann_window(self.n_fft, dtype=torch.float64)
        squares = float(window.square().sum()) / hop_length  # what overlapping windows add up to
        self.register_buffer("basis", (waves * window / squares).float().unsqueeze(1), persistent=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, n_fft + 2, time), log magnitudes before phases -> (batch, time * hop_length)."""
        log_magnitude, phase = hidden.chunk(2, dim=1)
        magnitude = log_magnitude.clamp(max=math.log(self.n_fft)).exp()  # a full-scale wave has less
        spectrum = torch.cat([magnitude * phase.cos(), magnitude * phase.sin()], dim=1)
        return F.conv_transpose1d(spectrum, self.basis, stride=self.hop_length, padding=self.padding).squeeze(
            1
        )


def check_factors(hop_length: int, factors: Sequence[int], kernel_sizes: Sequence[int], istft: bool) -> None:
    """Raises `UserError` where frames would not become exactly `hop_length` samples."""
    product = math.prod(factors)
    given = f"upsample_factors={list(factors)}"
    if len(factors) != len(kernel_sizes) or any(
        kernel < factor or (kernel - factor) % 2
        for factor, kernel in zip(factors, kernel_sizes, strict=False)
    ):
        raise UserError(
            f"{given}, upsample_kernel_sizes={list(kernel_sizes)}: give every factor a kernel size that is "
            "larger by an even number"
        )
    if not istft and product != hop_length:
        raise UserError(f"{given}: multiply to {product}; without istft it must be hop_length={hop_length}")
    if istft and (product >= hop_length or hop_length % (2 * product)):
        raise UserError(
            f"{given}: multiply to {product}; with istft hop_length={hop_length} must be an even multiple"
        )


def reach_back(first: int, last: int, stride: int, kernel_size: int) -> tuple[int, int]:
    """The inputs of a transposed convolution that its outputs `first` to `last` depend on."""
    padding = (kernel_size - stride) // 2
    return -((kernel_size - 1 - padding - first) // stride), (last + padding) // stride


def resblock_reach(
    resblock_type: int, kernel_sizes: Sequence[int], dilation_sizes: Sequence[Sequence[int]]
) -> int:
    """Samples to either side that the widest residual block sees: three pairs of layers, or two layers."""
    if resblock_type == 1:
        widths = [sum(dilations[:3]) + 3 for dilations in dilation_sizes]
    else:
        widths = [sum(dilations[:2]) for dilations in dilation_sizes]
    return max(kernel // 2 * width for kernel, width in zip(kernel_sizes, widths, strict=True))
