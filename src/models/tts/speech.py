"""What every voice gives for a text."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

TOO_LONG = "the text is too long to be said at once and was cut"


@dataclass(frozen=True)
class Trouble:
    """What went wrong while a text was being said, at which of its tokens, after how many seconds."""

    what: str
    token: int
    after: float

    def __str__(self) -> str:
        return f"{self.what} at token {self.token} after {self.after:.1f} seconds"


@dataclass(frozen=True)
class Speech:
    """A mel spectrogram, and what the model can tell of how it came about."""

    mel: Tensor  # (n_mels, frames)
    durations: Tensor | None = None  # (tokens,), frames of each
    alignment: Tensor | None = None  # (tokens, frames), how much each frame looked at each token
    trouble: Trouble | None = None


class Voice(Protocol):
    """A network that says token numbers (tokens,)."""

    def synthesize(
        self, ids: Tensor, *, speed: float = 1.0, pitch: float = 0.0, energy: float = 0.0
    ) -> Speech:
        """`speed` times as fast, `pitch` semitones higher, `energy` dB louder."""
