"""What tells generated mels from those of recordings, by their fine structure.

Yang et al., "GANSpeech: Adversarial Training for High-Fidelity Multi-Speaker Speech Synthesis",
Interspeech 2021.
"""

from functools import partial

from torch import Tensor, nn

from understudy.models.vocoder.discriminators import Judge


class MelJudge(Judge):
    """Sees stretches of log-mels (batch, n_mels, frames) as pictures."""

    def __init__(self, *, channels: int = 24) -> None:
        wide = partial(nn.Conv2d, kernel_size=(5, 5), padding=2)  # bands, frames
        super().__init__(
            [
                wide(1, channels),
                wide(channels, channels, stride=(2, 1)),
                wide(channels, channels, stride=2),
                wide(channels, channels, stride=2),
                nn.Conv2d(channels, channels, kernel_size=3, padding=1),
                nn.Conv2d(channels, 1, kernel_size=3, padding=1),
            ]
        )

    def picture(self, audio: Tensor) -> Tensor:
        return audio.unsqueeze(1)
