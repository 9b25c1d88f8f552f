"""Three judges: is a frame sharp and the same person, does the clip move like one, do lips fit words.

All of them put out logits: positive means real.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from understudy.models.sda.audio import MELS_PER_FRAME, AudioEncoder


def _down(before: int, after: int) -> nn.Sequential:
    conv = nn.Conv2d(before, after, 4, stride=2, padding=1)
    return nn.Sequential(spectral_norm(conv), nn.LeakyReLU(0.2))


def _pyramid(channels: list[int]) -> nn.Sequential:
    return nn.Sequential(*map(_down, channels[:-1], channels[1:]))


class FrameDiscriminator(nn.Module):
    """One frame beside the still it should resemble; judges patches."""

    def __init__(self, *, base_channels: int = 32, max_channels: int = 128, levels: int = 4) -> None:
        super().__init__()
        channels = [6, *(min(base_channels << i, max_channels) for i in range(levels))]
        self.layers = _pyramid(channels)
        self.judge = nn.Conv2d(channels[-1], 1, 3, padding=1)

    def forward(self, frame: Tensor, still: Tensor) -> Tensor:
        """Both (batch, 3, height, width) in [0, 1] -> logits (batch, patches)."""
        x = torch.cat([frame, still], dim=1) * 2 - 1
        return self.judge(self.layers(x)).flatten(1)


class SequenceDiscriminator(nn.Module):
    """The whole clip with its sound: every frame's code beside the sound's, through a GRU."""

    def __init__(
        self,
        *,
        base_channels: int = 16,
        max_channels: int = 64,
        levels: int = 4,
        n_mels: int = 80,
        hidden_channels: int = 64,
    ) -> None:
        super().__init__()
        channels = [3, *(min(base_channels << i, max_channels) for i in range(levels))]
        self.layers = nn.Sequential(nn.AvgPool2d(2), _pyramid(channels), nn.AdaptiveAvgPool2d((2, 2)))
        self.audio_encoder = AudioEncoder(n_mels=n_mels, channels=hidden_channels, dilations=(1,))
        self.gru = nn.GRU(channels[-1] * 4 + hidden_channels, hidden_channels, batch_first=True)
        self.judge = nn.Linear(hidden_channels, 1)

    def forward(self, frames: Tensor, mel: Tensor) -> Tensor:
        """frames (batch, time, 3, height, width), mel (batch, n_mels, time * 4) -> logits (batch, time)."""
        batch, time = frames.shape[:2]
        seen = self.layers(frames.flatten(0, 1) * 2 - 1).view(batch, time, -1)
        heard, _ = self.audio_encoder(mel, self.audio_encoder.initial_state(batch, mel))
        hidden, _ = self.gru(torch.cat([seen, heard], dim=2))
        return self.judge(hidden).squeeze(2)


class SyncDiscriminator(nn.Module):
    """Five frames of the mouth beside their 0.2 s of sound: how far apart are the two embeddings?"""

    frames = 5

    def __init__(
        self,
        *,
        base_channels: int = 32,
        max_channels: int = 128,
        n_mels: int = 80,
        embedding_channels: int = 128,
        crop: tuple[float, float, float, float] = (0.2, 0.55, 0.8, 1.0),
    ) -> None:
        super().__init__()
        self.crop = crop  # left, top, right, bottom of the mouth, as shares of the aligned picture
        channels = [3 * self.frames, *(min(base_channels << i, max_channels) for i in range(4))]
        self.see = nn.Sequential(
            _pyramid(channels),
            nn.AdaptiveAvgPool2d((3, 3)),
            nn.Flatten(),
            nn.Linear(channels[-1] * 9, embedding_channels),
        )
        hidden = embedding_channels
        self.hear = nn.Sequential(
            nn.Conv1d(n_mels, hidden, 5, padding=2),
            nn.LeakyReLU(0.2),
            nn.Conv1d(hidden, hidden, 5, stride=2, padding=2),
            nn.LeakyReLU(0.2),
            nn.Conv1d(hidden, hidden, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(hidden * self.frames * MELS_PER_FRAME // 4, embedding_channels),
        )
        self.judge = nn.Linear(embedding_channels, 1)

    def forward(self, frames: Tensor, mel: Tensor) -> Tensor:
        """frames (batch, 5, 3, height, width) in [0, 1], mel (batch, n_mels, 20) -> logits (batch,)."""
        height, width = frames.shape[-2:]
        left, top, right, bottom = self.crop
        mouth = frames[..., int(top * height) : int(bottom * height), int(left * width) : int(right * width)]
        seen = self.see(mouth.flatten(1, 2) * 2 - 1)
        apart = torch.square(F.normalize(seen) - F.normalize(self.hear(mel)))
        return self.judge(apart * len(apart[0]) ** 0.5).squeeze(1)
