"""Sound from mels that arrive in pieces of any size, in constant memory."""

from collections.abc import Sequence

import torch
from torch import Tensor

from understudy.models.vocoder.generator import Vocoder
from understudy.models.vocoder.griffin_lim import GriffinLim


class VocoderStream:
    """One utterance, in windows whose places are counted from its beginning.

    Every window is computed with the frames around it on which its samples depend, and those places and sizes
    do not depend on how the mel arrives: the sound is the same to the last bit for one push of everything and
    for many small ones. After the last of `windows` all others are as long as it.
    """

    def __init__(self, vocoder: Vocoder | GriffinLim, *, windows: Sequence[int] | None = None) -> None:
        assert not vocoder.training, "weights must stay as they are"
        self.vocoder, self.windows = vocoder, list(windows or vocoder.windows)
        self.pending = torch.zeros(vocoder.n_mels, 0)  # from the first frame that is still needed
        self.first = 0  # its number
        self.spoken = 0  # frames of which the sound has been handed out

    @property
    def received(self) -> int:
        """Frames."""
        return self.first + self.pending.shape[1]

    def push(self, mel: Tensor) -> Tensor:
        """(n_mels, frames) -> (samples,) of the windows that are complete with what follows them."""
        self.pending = torch.cat([self.pending.to(mel), mel], dim=1)
        return self._speak(self.received - self.vocoder.context)

    def finish(self) -> Tensor:
        """(samples,) of all that is left: the mel is over."""
        return self._speak(self.received, ended=True)

    @torch.inference_mode()
    def _speak(self, last: int, *, ended: bool = False) -> Tensor:
        """The windows up to frame `last`; a shorter one only at the end."""
        sound = [self.pending.new_zeros(0)]
        while self.spoken < last:
            window = self.windows[0]
            if self.spoken + window > last and not ended:
                break
            end = min(self.spoken + window, last)
            sound.append(self._window(self.spoken, end))
            self._forget(end)
            if len(self.windows) > 1:
                self.windows.pop(0)
        return torch.cat(sound)

    def _window(self, start: int, end: int) -> Tensor:
        """Samples of frames `start` to `end`, with as much as there is of their context."""
        stop = end + self.vocoder.context - self.first
        heard = self.pending[:, :stop].contiguous()
        skipped = (start - self.first) * self.vocoder.hop_length
        sound: Tensor = self.vocoder(heard.unsqueeze(0))[0]
        return sound[skipped : skipped + (end - start) * self.vocoder.hop_length]

    def _forget(self, end: int) -> None:
        """What comes before the context of frame `end`."""
        self.spoken = end
        needed = max(end - self.vocoder.context, 0)
        self.pending = self.pending[:, needed - self.first :].clone()
        self.first = needed


def whole(vocoder: Vocoder | GriffinLim, mel: Tensor, *, windows: Sequence[int] | None = None) -> Tensor:
    """(n_mels, frames) -> (frames * hop_length,): what a stream gives, at once."""
    stream = VocoderStream(vocoder, windows=windows)
    return torch.cat([stream.push(mel), stream.finish()])
