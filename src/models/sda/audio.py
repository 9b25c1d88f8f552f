"""Sound to one feature vector per video frame, causally."""

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional as F

SAMPLE_RATE = 16000
SAMPLES_PER_FRAME = 640  # 25 frames a second
HOP_LENGTH = 160
MELS_PER_FRAME = SAMPLES_PER_FRAME // HOP_LENGTH


class LogMel(nn.Module):
    """Log-mel spectrogram whose every column ends where its hop ends, so that it never looks ahead.

    A column sees `overlap` samples from before its hop: give them in front of the sound.
    """

    def __init__(self, *, n_mels: int = 80, n_fft: int = 400) -> None:
        super().__init__()
        self.n_mels = n_mels
        self.overlap = n_fft - HOP_LENGTH
        self.spectrogram = torchaudio.transforms.MelSpectrogram(
            SAMPLE_RATE, n_fft=n_fft, hop_length=HOP_LENGTH, n_mels=n_mels, center=False
        )

    def forward(self, audio: Tensor) -> Tensor:
        """(batch, overlap + frames * 640) -> (batch, n_mels, frames * 4), about -1 to 1 for speech."""
        mel = self.spectrogram(audio).clamp(min=1e-5).log()
        return (mel + 4) / 4


class CausalConv1d(nn.Module):
    """A dilated convolution over time that sees only the past; `state` is the past it still needs."""

    def __init__(self, channels: int, *, dilation: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.history = dilation * (kernel_size - 1)
        self.conv = nn.Conv1d(channels, channels, kernel_size, dilation=dilation)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (batch, channels, time), state (batch, channels, history) -> the same shapes."""
        x = torch.cat([state, x], dim=2)
        return self.conv(x), x[:, :, -self.history :]


class AudioEncoder(nn.Module):
    """Log-mels to features: strided convolution to the video's rate, then dilated residual layers.

    A finite receptive field instead of a recurrent state: an hour of speech ends as it began, and
    training on windows equals running on streams.
    """

    def __init__(
        self, *, n_mels: int = 80, channels: int = 128, dilations: tuple[int, ...] = (1, 2, 4)
    ) -> None:
        super().__init__()
        self.n_mels = n_mels
        self.channels = channels
        self.stem_history = MELS_PER_FRAME
        self.stem = nn.Conv1d(n_mels, channels, 2 * MELS_PER_FRAME, stride=MELS_PER_FRAME)
        layers = [CausalConv1d(channels, dilation=d) for d in dilations]
        self.history = [layer.history for layer in layers]
        self.layers = nn.ModuleList(layers)
        self.mix = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in dilations)

    @property
    def context(self) -> int:
        """Video frames of the past that an output depends on."""
        return 1 + sum(self.history)

    def initial_state(self, batch: int, like: Tensor) -> list[Tensor]:
        stem = like.new_zeros(batch, self.n_mels, self.stem_history)
        return [stem, *(like.new_zeros(batch, self.channels, length) for length in self.history)]

    def forward(self, mel: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """mel (batch, n_mels, frames * 4) -> features (batch, frames, channels) and the next state."""
        mel = torch.cat([state[0], mel], dim=2)
        new_state = [mel[:, :, -self.stem_history :]]
        x = F.leaky_relu(self.stem(mel), 0.1)  # (batch, channels, frames)
        for layer, mix, past in zip(self.layers, self.mix, state[1:], strict=True):
            y, past = layer(x, past)
            x = x + mix(F.leaky_relu(y, 0.1))
            new_state.append(past)
        return x.transpose(1, 2), new_state
