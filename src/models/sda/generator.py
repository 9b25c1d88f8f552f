"""The generator: identity encoder, audio encoder, noise generator and U-Net frame decoder."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from understudy.errors import UserError
from understudy.models.sda.audio import AudioEncoder, LogMel


class Identity(NamedTuple):
    """All that the decoder needs of a portrait; computed once, used for every frame."""

    still: Tensor  # (batch, 3, height, width) in [0, 1]
    code: Tensor  # (batch, identity_channels)
    skips: list[Tensor]  # coarse to fine, already convolved: (batch, channels, height, width) each


class State(NamedTuple):
    """What a stream carries from one chunk to the next; its size does not grow."""

    audio: list[Tensor]
    noise: Tensor  # (1, batch, noise_channels)


class IdentityEncoder(nn.Module):
    """A portrait to a code and to one map per decoder level."""

    def __init__(self, *, size: tuple[int, int], channels: list[int], code_channels: int) -> None:
        super().__init__()
        self.downs = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 4, stride=2, padding=1),
                nn.BatchNorm2d(after),
                nn.LeakyReLU(0.1),
            )
            for before, after in zip([3, *channels[:-1]], channels, strict=True)
        )
        height, width = (side >> len(channels) for side in size)
        self.code = nn.Linear(channels[-1] * height * width, code_channels)
        self.skips = nn.ModuleList(nn.Conv2d(c, c, 3, padding=1) for c in reversed(channels[:-1]))

    def forward(self, still: Tensor) -> Identity:
        x = still * 2 - 1
        maps = []
        for down in self.downs:
            x = down(x)
            maps.append(x)
        finer = reversed(maps[:-1])
        skips = [conv(level) for conv, level in zip(self.skips, finer, strict=True)]
        return Identity(still, self.code(x.flatten(1)), skips)


class DecoderLevel(nn.Module):
    """Twice the size: the portrait's part comes ready made and is only added."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.refine = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.refine_norm = nn.BatchNorm2d(after)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """x (batch * frames, before, h, w), skip (batch, after, 2h, 2w)."""
        x = self.conv(F.interpolate(x, scale_factor=2.0))
        x = (x.unflatten(0, (skip.shape[0], -1)) + skip.unsqueeze(1)).flatten(0, 1)
        x = F.leaky_relu(self.norm(x), 0.1)
        return F.leaky_relu(self.refine_norm(self.refine(x)), 0.1)


class Generator(nn.Module):
    """A still and speech to frames. What it draws is a change to the still, nothing at first.

    The lookahead is the only delay: frame `t` hears up to the end of frame `t + lookahead`.
    """

    def __init__(
        self,
        *,
        width: int = 96,
        height: int = 128,
        base_channels: int = 32,
        max_channels: int = 128,
        levels: int = 5,
        n_mels: int = 80,
        audio_channels: int = 128,
        identity_channels: int = 64,
        noise_channels: int = 10,
        noise_std: float = 0.33,
        lookahead: int = 3,
    ) -> None:
        super().__init__()
        if width % (1 << levels) or height % (1 << levels):
            raise UserError(
                f"a picture of {width}x{height} cannot be halved {levels} times; "
                f"give multiples of {1 << levels}"
            )
        self.width, self.height = width, height
        self.noise_channels, self.noise_std = noise_channels, noise_std
        self.lookahead = lookahead
        channels = [min(base_channels << i, max_channels) for i in range(levels)]  # fine to coarse
        self.identity_encoder = IdentityEncoder(
            size=(height, width), channels=channels, code_channels=identity_channels
        )
        self.log_mel = LogMel(n_mels=n_mels)
        self.audio_encoder = AudioEncoder(n_mels=n_mels, channels=audio_channels)
        self.noise_generator = nn.GRU(noise_channels, noise_channels, batch_first=True)
        self.coarsest = (channels[-1], height >> levels, width >> levels)
        latent_channels = identity_channels + audio_channels + noise_channels
        self.project = nn.Linear(latent_channels, self.coarsest[0] * self.coarsest[1] * self.coarsest[2])
        self.decoder = nn.ModuleList(
            DecoderLevel(before, after)
            for before, after in zip(reversed(channels), list(reversed(channels))[1:], strict=False)
        )
        self.to_rgb = nn.Conv2d(channels[0], 3 * 4, 3, padding=1)
        nn.init.zeros_(self.to_rgb.weight)
        assert self.to_rgb.bias is not None
        nn.init.zeros_(self.to_rgb.bias)

    @property
    def context(self) -> int:
        """Video frames of sound before the first that forward() wants."""
        return self.audio_encoder.context

    def noise(self, batch: int, frames: int, generator: torch.Generator | None = None) -> Tensor:
        """(batch, frames, noise_channels) of fresh noise; the same from a seeded CPU `generator`."""
        if generator:  # frame by frame, so that it does not depend on how many are drawn at once
            each = [torch.randn(batch, self.noise_channels, generator=generator) for _ in range(frames)]
            drawn = torch.stack(each, dim=1)
        else:
            drawn = torch.randn(batch, frames, self.noise_channels, device=self.project.weight.device)
        return drawn.to(self.project.weight) * self.noise_std

    def initial_state(self, batch: int) -> State:
        like = self.project.weight
        noise = like.new_zeros(1, batch, self.noise_channels)
        return State(self.audio_encoder.initial_state(batch, like), noise)

    def decode(self, identity: Identity, audio: Tensor, wander: Tensor) -> Tensor:
        """Per-frame features (batch, frames, channels) to frames (batch, frames, 3, height, width)."""
        batch, frames = audio.shape[:2]
        code = identity.code.unsqueeze(1).expand(-1, frames, -1)
        x = self.project(torch.cat([code, audio, wander], dim=2)).view(-1, *self.coarsest)
        for level, skip in zip(self.decoder, identity.skips, strict=True):
            x = level(x, skip)
        change = F.pixel_shuffle(self.to_rgb(x), 2).unflatten(0, (batch, frames))
        return identity.still.unsqueeze(1) + change

    def forward(self, still: Tensor, mel: Tensor, noise: Tensor | None = None) -> Tensor:
        """still (batch, 3, height, width) in [0, 1], mel (batch, n_mels, time * 4) that begins
        `context` frames before the first frame and ends `lookahead` frames after the last
        -> frames (batch, frames, 3, height, width), nominally in [0, 1]."""
        features, _ = self.audio_encoder(mel, self.audio_encoder.initial_state(len(mel), mel))
        features = features[:, self.context + self.lookahead :]
        if noise is None:
            noise = self.noise(len(mel), features.shape[1])
        wander, _ = self.noise_generator(noise)
        return self.decode(self.identity_encoder(still), features, wander)
