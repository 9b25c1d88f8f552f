"""Frames from sound that arrives in pieces of any size, in constant memory."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from understudy.models.sda.audio import SAMPLES_PER_FRAME
from understudy.models.sda.generator import Generator, Identity, State


class FrameStream:
    """One voice's stream of frames for one portrait.

    Sound is computed in chunks of `chunk` frames counted from the beginning, however it arrives, so
    the result is the same to the last bit for one push of everything and for many small ones. There
    is a frame for every 1/25 s of sound; the last is filled up with silence. `identity` is one for
    all frames, or a function that gives one for each of the next so many frames.
    """

    def __init__(
        self,
        generator: Generator,
        identity: Identity | Callable[[int], Identity],
        *,
        chunk: int = 5,
        seed: int = 0,
    ) -> None:
        assert not generator.training, "batch statistics would tie frames to their neighbours"
        self.generator, self.identity, self.chunk = generator, identity, chunk
        self.random = torch.Generator().manual_seed(seed)
        self.overlap = generator.log_mel.overlap
        before = self.overlap + generator.context * SAMPLES_PER_FRAME
        start = generator.initial_state(batch=1)
        with torch.inference_mode():  # what training sees in front of a clip: silence
            self.state = State(self._hear(start, torch.zeros(1, before))[1], start.noise)
        self.pending = torch.zeros(1, self.overlap)
        self.looked_ahead = generator.lookahead == 0
        self.heard = 0  # samples pushed
        self.shown = 0  # frames handed out

    def push(self, samples: Tensor) -> Iterator[Tensor]:
        """Mono 16 kHz (samples,) -> chunks (frames, 3, height, width) in [0, 1] as they are ready."""
        self.heard += len(samples)
        self.pending = torch.cat([self.pending, samples.to(self.pending).unsqueeze(0)], dim=1)
        yield from self._drain()

    def finish(self) -> Iterator[Tensor]:
        """The frames that still wait for their lookahead; the sound is over."""
        frames = -(-self.heard // SAMPLES_PER_FRAME)
        silence = (self.generator.lookahead + self.chunk) * SAMPLES_PER_FRAME
        self.pending = F.pad(self.pending, (0, silence))
        for chunk in self._drain():
            before = self.shown - len(chunk)
            if before < frames:
                yield chunk[: frames - before]

    @torch.inference_mode()
    def _drain(self) -> Iterator[Tensor]:
        if not self.looked_ahead:
            if (taken := self._take(self.generator.lookahead)) is None:
                return
            self.state = self.state._replace(audio=self._hear(self.state, taken)[1])
            self.looked_ahead = True
        while (taken := self._take(self.chunk)) is not None:
            audio, audio_state = self._hear(self.state, taken)
            noise = self.generator.noise(1, self.chunk, self.random)
            wander, noise_state = self.generator.noise_generator(noise, self.state.noise)
            self.state = State(audio_state, noise_state)
            self.shown += self.chunk
            yield self._draw(audio, wander).clamp(0, 1)

    def _draw(self, audio: Tensor, wander: Tensor) -> Tensor:
        """Frames (chunk, 3, height, width)."""
        if isinstance(self.identity, Identity):
            return self.generator.decode(self.identity, audio, wander)[0]
        each = audio.transpose(0, 1), wander.transpose(0, 1)  # a batch of clips of one frame
        return self.generator.decode(self.identity(self.chunk), *each)[:, 0]

    def _take(self, frames: int) -> Tensor | None:
        """Sound for so many frames with its overlap, if so much has come."""
        wanted = frames * SAMPLES_PER_FRAME
        if self.pending.shape[1] < self.overlap + wanted:
            return None
        taken = self.pending[:, : self.overlap + wanted]
        self.pending = self.pending[:, wanted:]
        return taken

    def _hear(self, state: State, samples: Tensor) -> tuple[Tensor, list[Tensor]]:
        mel = self.generator.log_mel(samples.to(self.generator.project.weight.device))
        return self.generator.audio_encoder(mel, state.audio)
