"""Where somebody speaks, by Silero VAD, as the sound goes on."""

import importlib.metadata
from typing import Any

import numpy as np


class VoiceActivity:
    """Probability of speech for every 32 ms of 16 kHz sound; remembers what it has heard.

    The model comes with the package. It goes to other processes as nothing and is loaded on first use.
    """

    hop_length = 512  # samples

    def __init__(self) -> None:
        self._model: Any = None
        self._rest = np.zeros(0, np.float32)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()

    @property
    def model_id(self) -> str:
        return f"silero-{importlib.metadata.version('silero-vad')}"

    def reset(self) -> None:
        """Forget what was heard."""
        self._rest = np.zeros(0, np.float32)
        if self._model is not None:
            self._model.reset_states()

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Probabilities (hops,) float32 of what is complete; the rest waits for more samples."""
        import torch

        if self._model is None:
            from silero_vad import load_silero_vad

            self._model = load_silero_vad(onnx=True)
        samples = np.concatenate([self._rest, samples])
        hops = len(samples) // self.hop_length
        self._rest = samples[hops * self.hop_length :]
        pieces = torch.from_numpy(samples[: hops * self.hop_length].reshape(hops, self.hop_length))
        return np.array([self._model(piece, 16000).item() for piece in pieces], np.float32)

    def finish(self) -> np.ndarray:
        """What was waiting, filled up with silence; then nothing has been heard."""
        missing = -len(self._rest) % self.hop_length
        last = self.push(np.zeros(missing, np.float32)) if missing else np.zeros(0, np.float32)
        self.reset()
        return last
