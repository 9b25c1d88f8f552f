"""How near a synthetic voice comes to the real one: its sound, its melody, its speaker, its words."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Literal, TypedDict

import librosa
import numpy as np
import torch
from torch import Tensor

from understudy.data.embedding import SpeakerEncoder
from understudy.data.measure import dnsmos
from understudy.data.media import SAMPLE_RATE
from understudy.data.pitch import pitch
from understudy.data.recognizers import Recognizer
from understudy.data.spoken_distance import mel_cepstral_distortion, mel_distance, pitch_errors, warping_path
from understudy.data.text import character_error_rate, word_error_rate
from understudy.models.tts.mel import LogMel

REAL = "real"
Sound = Tensor | np.ndarray  # (samples,) at the mel function's rate, whole hops


class Synthesis(TypedDict):
    """What a validation step of the voice gives: of each clip ours and the real recording."""

    clip: Sequence[str]
    tokens: Sequence[Sequence[str]]  # symbols
    mel: Sequence[Tensor]  # the real one, (n_mels, frames)
    found: Sequence[Tensor]  # ours, (n_mels, frames)
    alignment: Sequence[Tensor]  # (tokens, frames), soft or hard
    trouble: Sequence[bool]  # whether the voice lost its way
    sound: Sequence[Tensor]  # ours, (samples,)
    real: Sequence[Tensor]  # (samples,)


class VoiceMetrics:
    """Means over clips, for whatever speaks beside the real recordings (tuned, copy, ...).

    Against the recording of the same words, along a path that warps time (see `spoken_distance`):
    mel_distance    mean absolute difference of log-mels
    mcd             mel-cepstral distortion, dB
    pitch_hertz     root mean square error of the pitch where both are voiced; pitch_cents: the same
    voicing         share of frames that are voiced in one alone
    duration        error as a share of the real duration; duration_seconds: the same

    Of what the voice says of itself:
    trouble         share of clips in which it lost its way

    By listening, each only if there is something to listen with:
    wer, cer        of a recogniser's transcripts, all clips together
    similarity_E    mean cosine of the encoder E's vector to those of all other real clips
    likeness_E      that as a share of what the real recordings have among each other
    dnsmos          overall quality, 1 to 5
    """

    def __init__(
        self,
        *,
        log_mel: LogMel | None = None,
        recognizer: Recognizer | None = None,
        encoders: Mapping[str, SpeakerEncoder] | None = None,
        dnsmos: Literal["p808", "p835", "none"] = "none",
        language: str = "en",
    ) -> None:
        self.log_mel = deepcopy(log_mel or LogMel())  # stays here when the module's goes to a GPU
        self.recognizer = recognizer
        self.encoders = encoders or {}
        self.dnsmos: Literal["p808", "p835", "none"] = dnsmos
        self.language = language
        self.reset()

    def reset(self) -> None:
        self.values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self.heard: dict[str, list[tuple[str, str]]] = defaultdict(list)  # text, and what was heard
        self._vectors: dict[str, dict[str, dict[str, np.ndarray]]] = defaultdict(lambda: defaultdict(dict))

    @property
    def listens(self) -> bool:
        """Whether there is anything to listen with, which takes its time."""
        return bool(self.recognizer or self.encoders or self.dnsmos != "none")

    @cached_property
    def _ready_recognizer(self) -> Recognizer:
        assert self.recognizer is not None
        self.recognizer.setup()
        return self.recognizer

    def update(self, clips: Synthesis, texts: Sequence[str]) -> None:
        """Our clips as "tuned", beside the real ones."""
        self.values["tuned"]["trouble"] += map(float, clips["trouble"])
        for clip, sound, real, text in zip(clips["clip"], clips["sound"], clips["real"], texts, strict=True):
            self.compare("tuned", sound, real)
            if self.listens:
                self.listen("tuned", clip, sound, text)
                self.listen(REAL, clip, real, text)

    @torch.autocast("cpu", enabled=False)  # sounds are compared in full precision
    @torch.autocast("cuda", enabled=False)
    def compare(self, who: str, sound: Sound, real: Sound) -> None:
        """Our sound (samples,) with the recording (samples,) of the same words."""
        rate, hop_length = self.log_mel.sample_rate, self.log_mel.hop_length
        mel, real_mel = (self.log_mel(torch.from_numpy(plain(one))[None])[0].numpy() for one in (sound, real))
        path = warping_path(mel, real_mel)
        ours, theirs = (pitch(plain(one), rate, hop_length) for one in (sound, real))
        errors = pitch_errors(ours, theirs, path)
        longer = abs(mel.shape[1] - real_mel.shape[1])  # frames
        measured = {
            "mel_distance": mel_distance(mel, real_mel, path),
            "mcd": mel_cepstral_distortion(mel, real_mel, path),
            "pitch_hertz": errors.hertz,
            "pitch_cents": errors.cents,
            "voicing": errors.voicing,
            "duration": longer / real_mel.shape[1],
            "duration_seconds": longer * hop_length / rate,
        }
        for metric, value in measured.items():
            if value is not None:
                self.values[who][metric].append(value)

    @torch.autocast("cpu", enabled=False)
    @torch.autocast("cuda", enabled=False)
    def listen(self, who: str, clip: str, sound: Sound, text: str) -> None:
        """The sound (samples,) of a clip, real or not, by whatever there is to listen with."""
        samples = librosa.resample(
            plain(sound), orig_sr=self.log_mel.sample_rate, target_sr=SAMPLE_RATE, res_type="soxr_hq"
        )
        if self.recognizer:
            self.heard[who].append((text, self._ready_recognizer.recognize([samples])[0].text))
        for name, encoder in self.encoders.items():
            self._vectors[name][who][clip] = encoder(samples)
        if self.dnsmos != "none":
            self.values[who]["dnsmos"].append(dnsmos(samples, self.dnsmos))

    def summary(self) -> dict[str, dict[str, float]]:
        means: dict[str, dict[str, float]] = defaultdict(dict)
        for who, metrics in self.values.items():
            means[who] |= {metric: float(np.mean(values)) for metric, values in metrics.items()}
        for who, pairs in self.heard.items():
            texts, heard = [text for text, _ in pairs], [other for _, other in pairs]
            means[who]["wer"] = word_error_rate(texts, heard, self.language)
            means[who]["cer"] = character_error_rate(texts, heard, self.language)
        for name, vectors in self._vectors.items():
            if len(vectors[REAL]) < 2:
                continue  # no other clip to be like
            among_real = similarity(vectors[REAL], vectors[REAL])
            for who, own in vectors.items():
                similar = similarity(own, vectors[REAL])
                means[who] |= {f"similarity_{name}": similar, f"likeness_{name}": similar / among_real}
        return dict(means)


def similarity(vectors: Mapping[str, np.ndarray], real: Mapping[str, np.ndarray]) -> float:
    """Mean cosine of clips' unit vectors to those of all real clips of another name.

    No clip is compared with the recording of its own words: words are no part of a voice, and so the
    real recordings can be compared among each other in the same way.
    """
    pairs = [(own, other) for clip, own in vectors.items() for name, other in real.items() if name != clip]
    return float(np.mean([own @ other for own, other in pairs]))


def plain(values: Sound) -> np.ndarray:
    """In float32, as sound and pictures are computed with."""
    array: np.ndarray = torch.as_tensor(values).detach().float().cpu().numpy()
    return array
