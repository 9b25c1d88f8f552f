"""Who speaks, as a vector: voices that are alike lie close by the cosine.

An encoder loads its network on first use and travels to another process as its settings.
"""

import hashlib
import importlib.util
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from understudy.data.hub import fetched, local_folder, pick_device
from understudy.data.media import SAMPLE_RATE, Seconds
from understudy.errors import UserError, one_line
from understudy.models.lazy_modules import forget_lazy_modules

HOP = SAMPLE_RATE // 100  # samples between the frames of GE2E's spectrogram
ECAPA_FILES = ("hyperparams.yaml", "embedding_model.ckpt", "mean_var_norm_emb.ckpt")


class SpeakerEncoder(Protocol):
    """What turns speech into a vector: GE2E, ECAPA, or anything else with these."""

    window: Seconds  # of `windows`

    @property
    def model_id(self) -> str:
        """Changes whenever the answers may change: part of the cache key."""

    def load(self) -> None:
        """Load the network now, not with the first clip."""

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """(dim,) float32 unit vector of (samples,) at 16 kHz."""

    def windows(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors (windows, dim) and the seconds (windows, 2) where each starts and ends."""


@dataclass(frozen=True)
class Reliability:
    """How much of a clip's vector is its speaker and not its words: it grows with the duration.

    Two clips of one voice have, on average, the cosine of their durations' reliabilities multiplied.
    As for any mean of measurements (Spearman and Brown) its square is one half at `half` seconds;
    less than `shortest` counts as that much.
    """

    half: Seconds
    shortest: Seconds

    def __call__(self, duration: Any) -> Any:
        """Of one duration or an array of them, in seconds: 0 to 1."""
        duration = np.maximum(duration, self.shortest)
        return np.sqrt(duration / (duration + self.half))


def unit(vectors: np.ndarray) -> np.ndarray:
    """(..., dim) at length one."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: np.ndarray = vectors / np.maximum(length, 1e-9)
    return scaled


class _Encoder(ABC):
    """Loads late, and leaves its network at home when it travels."""

    @cached_property
    @abstractmethod
    def _network(self) -> Any:
        """What holds the weights, in eval mode."""

    def load(self) -> None:
        assert self._network is not None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_network"}


class GE2E(_Encoder):
    """Generalised end-to-end loss: three LSTM layers, 256 dimensions, cheap on a CPU.

    Wan et al., "Generalized end-to-end loss for speaker verification", ICASSP 2018, with the weights
    that come in the Resemblyzer package (Apache-2.0), of which nothing else is used. The network
    learnt from 1.6 s at a steady level, so it is shown windows of that; what is shorter, as it is.
    """

    window: Seconds = 1.6

    def __init__(
        self,
        *,
        weights: str | None = None,  # another pretrained.pt
        step: Seconds = 0.4,
        level: float = -27.0,  # dB of full scale, root mean square
        device: str = "cpu",
    ) -> None:
        self._path = _resemblyzer_weights() if weights is None else Path(weights).expanduser()
        if not self._path.is_file():
            raise UserError(f"encoder.model.weights={weights}: there is no such file; leave it out")
        self._digest = hashlib.sha256(self._path.read_bytes()).hexdigest()
        self._step = step
        self._level = level
        self._device = device

    @property
    def model_id(self) -> str:
        return f"ge2e-{self._digest[:16]}-{self._step:g}-{self._level:g}"

    @cached_property
    def _network(self) -> "_GE2ENetwork":
        network = _GE2ENetwork()
        try:
            state = torch.load(self._path, map_location="cpu", weights_only=True)["model_state"]
            network.load_state_dict({k: v for k, v in state.items() if not k.startswith("similarity_")})
        except Exception as error:  # whatever unpickling a file of another kind comes to
            raise UserError(
                f"{self._path}: not the weights of GE2E ({one_line(error)[:120]}); "
                "give Resemblyzer's pretrained.pt, or leave encoder.model.weights out"
            ) from None
        return network.eval().to(pick_device(self._device))

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        return unit(self.windows(samples)[0].mean(axis=0))

    @torch.inference_mode()
    def windows(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        level = np.sqrt(np.mean(np.square(samples)))
        samples = samples * np.float32(10 ** (self._level / 20) / max(level, 1e-5))
        mel = _spectrogram()(torch.from_numpy(samples)).T.to(self._network.linear.weight.device)
        rate = SAMPLE_RATE / HOP  # frames a second
        spans = _spans(len(mel), round(self.window * rate), round(self._step * rate))
        vectors = self._network(torch.stack([mel[start:end] for start, end in spans]))
        return vectors.cpu().numpy(), spans / rate


def _spans(length: int, window: int, step: int) -> np.ndarray:
    """(windows, 2): where windows start and end that cover all of `length`, at most `step` apart."""
    window = min(window, length)
    count = -(-(length - window) // step) + 1
    starts = np.linspace(0, length - window, count).round().astype(int)
    return np.stack([starts, starts + window], axis=1)


@cache
def _spectrogram() -> Any:
    """(samples,) to (40, frames): powers, not logarithms, as GE2E was taught."""
    from torchaudio.transforms import MelSpectrogram

    return MelSpectrogram(
        SAMPLE_RATE,
        n_fft=400,
        hop_length=HOP,
        n_mels=40,
        pad_mode="constant",
        norm="slaney",
        mel_scale="slaney",
    )


class _GE2ENetwork(torch.nn.Module):
    """Named as in Resemblyzer's weights."""

    def __init__(self, n_mels: int = 40, dim: int = 256) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(n_mels, dim, num_layers=3, batch_first=True)
        self.linear = torch.nn.Linear(dim, dim)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """Unit vectors (batch, dim) of (batch, frames, n_mels)."""
        _, (hidden, _) = self.lstm(mel)
        return torch.nn.functional.normalize(torch.relu(self.linear(hidden[-1])), dim=1)


def _resemblyzer_weights() -> Path:
    package = importlib.util.find_spec("resemblyzer")  # found, not imported: only its weights are wanted
    if package is None or not package.submodule_search_locations:
        raise UserError(
            "encoder=ge2e: its weights come in the package Resemblyzer, which is not installed; "
            "run: pip install --no-deps Resemblyzer (what it depends on is not needed), or use encoder=ecapa"
        )
    return Path(package.submodule_search_locations[0]) / "pretrained.pt"


class ECAPA(_Encoder):
    """ECAPA-TDNN of SpeechBrain: 192 dimensions, steadier than GE2E across microphones and rooms.

    Desplanques et al., "ECAPA-TDNN", Interspeech 2020. `source` is a repository of the Hugging Face
    hub or a folder with its files; nothing is written to the folder.
    """

    window: Seconds = 1.5

    def __init__(
        self,
        *,
        source: str = "speechbrain/spkrec-ecapa-voxceleb",
        step: Seconds = 0.5,
        device: str = "auto",
    ) -> None:
        self._source = source
        self._step = step
        self._device = device
        self._digest = ""
        if folder := local_folder(source):
            self._source = str(folder)
            missing = [name for name in ECAPA_FILES if not (folder / name).is_file()]
            if missing:
                raise UserError(f"encoder.model.source={source}: the folder lacks {', '.join(missing)}")
            content = b"".join((folder / name).read_bytes() for name in ECAPA_FILES)
            self._digest = hashlib.sha256(content).hexdigest()

    @property
    def model_id(self) -> str:
        return f"ecapa-{self._digest[:16] or self._source}-{self._step:g}"

    @cached_property
    def _network(self) -> Any:
        os.environ.setdefault("SB_LOG_LEVEL", "WARNING")  # read when SpeechBrain is first imported
        try:
            from speechbrain.inference.classifiers import EncoderClassifier
        except ImportError as error:
            raise UserError(
                f"encoder=ecapa: {error.name} is not installed; run: pip install speechbrain, "
                "or use encoder=ge2e"
            ) from None
        files = ", ".join(ECAPA_FILES)
        instead = f"use encoder=ge2e, or encoder.model.source=FOLDER with the model's {files}"
        folder = str(fetched(self._source, instead=instead))
        device = pick_device(self._device)
        name = f"cuda:{device.index or 0}" if device.type == "cuda" else str(device)  # it wants the number
        try:
            return EncoderClassifier.from_hparams(folder, run_opts={"device": name})
        except Exception as error:  # whatever a recipe of another kind comes to
            raise UserError(
                f"encoder.model.source={self._source}: is no ECAPA-TDNN of SpeechBrain "
                f"({one_line(error)[:120]}); give a copy of speechbrain/spkrec-ecapa-voxceleb"
            ) from None
        finally:
            forget_lazy_modules()

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        return self._embed(samples[None])[0]

    def windows(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        window, step = round(self.window * SAMPLE_RATE), round(self._step * SAMPLE_RATE)
        spans = _spans(len(samples), window, step)
        return self._embed(np.stack([samples[start:end] for start, end in spans])), spans / SAMPLE_RATE

    @torch.inference_mode()
    def _embed(self, batch: np.ndarray) -> np.ndarray:
        """Unit vectors (batch, dim) of (batch, samples)."""
        vectors = self._network.encode_batch(torch.from_numpy(batch))  # (batch, 1, dim)
        return unit(vectors[:, 0].cpu().numpy())
