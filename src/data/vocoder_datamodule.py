"""A person's clips as mels with the sound that belongs to them, for training the vocoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from understudy.data.manifest import Clip, read_manifest
from understudy.data.sound import voice_sound
from understudy.data.speech_datamodule import SpeechDataModule
from understudy.data.splits import Split
from understudy.errors import UserError
from understudy.models.tts import LogMel

FULL_SCALE = 2**15 - 1
SHORTEST = 2048  # samples of a segment: the longest window of the losses


class VoiceSegment(TypedDict):
    """A stretch of a clip. In a batch both tensors have one more axis in front."""

    mel: Tensor  # (n_mels, frames) float32
    audio: Tensor  # (frames * hop_length,) float32
    clip: str


@dataclass(frozen=True)
class Utterance:
    """A whole clip in memory: resampling it for every segment would take longer than training on it."""

    clip: str
    mel: np.ndarray  # (n_mels, frames) float32
    audio: np.ndarray  # (frames * hop_length,) int16

    @property
    def frames(self) -> int:
        return self.mel.shape[1]

    def segment(self, first: int, frames: int) -> VoiceSegment:
        """`frames` mel frames from `first` on, with their sound."""
        hop_length = len(self.audio) // self.frames
        audio = self.audio[first * hop_length : (first + frames) * hop_length]
        return VoiceSegment(
            mel=torch.from_numpy(self.mel[:, first : first + frames].copy()),
            audio=torch.from_numpy(audio.astype(np.float32) / FULL_SCALE),
            clip=self.clip,
        )


class Segments(Dataset[VoiceSegment]):
    """Random segments: item `i` of epoch `e` is drawn from (seed, e, i), whatever worker draws it.

    Every frame of every clip is as likely, so long clips are drawn more often.
    """

    def __init__(self, utterances: Sequence[Utterance], *, frames: int, length: int, seed: int) -> None:
        self.utterances, self.frames, self.length, self.seed = utterances, frames, length, seed
        places = [utterance.frames - frames + 1 for utterance in utterances]
        self.ends = np.cumsum(places)
        self.epoch = 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> VoiceSegment:
        random = np.random.default_rng((self.seed, self.epoch, index))
        place = int(random.integers(self.ends[-1]))
        chosen = int(np.searchsorted(self.ends, place, side="right"))
        first = place - int(self.ends[chosen - 1]) if chosen else place
        return self.utterances[chosen].segment(first, self.frames)


class Wholes(Dataset[VoiceSegment]):
    """Each clip from end to end."""

    def __init__(self, utterances: Sequence[Utterance]) -> None:
        self.utterances = utterances

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> VoiceSegment:
        return self.utterances[index].segment(0, self.utterances[index].frames)


class VocoderDataModule(SpeechDataModule):
    """Clips with their mels, in random segments; held-out clips as a whole.

    The split is that of speech recognition and of the voice with the same `transcripts` and shares. With
    other `transcripts` it is the same but in small workspaces, where some recording has to be held out
    whatever its name (see `split_clips`).

    `mels` "real" are those of the recordings; "generated" are the acoustic model's for the same words at the
    same times, which the vocoder gets to hear when the twin speaks. The recordings are the target of both.
    An epoch is `batches_per_epoch` batches.
    """

    def __init__(
        self,
        *,
        workspace: str,
        mels: Literal["real", "generated"] = "real",
        transcripts: Literal["reviewed", "all"] = "all",
        sample_rate: int = 22050,
        hop_length: int = 256,
        n_mels: int = 80,
        segment_frames: int = 32,
        batch_size: int = 16,
        batches_per_epoch: int = 100,
        val_share: float = 0.1,
        test_share: float = 0.15,
        val_clips: int = 16,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            workspace=workspace,
            transcripts=transcripts,
            val_share=val_share,
            test_share=test_share,
            batch_size=batch_size,
            batches_per_epoch=batches_per_epoch,
            num_workers=num_workers,
            seed=seed,
        )
        if mels not in ("real", "generated"):
            raise UserError(f"data.mels={mels}: there are real and generated")
        if segment_frames * hop_length < SHORTEST:
            raise UserError(
                f"data.segment_frames={segment_frames}: too short for a spectrum; give at least "
                f"{-(-SHORTEST // hop_length)}"
            )
        self.mels = mels
        self.log_mel = LogMel(sample_rate=sample_rate, hop_length=hop_length, n_mels=n_mels)
        self.segment_frames, self.val_clips = segment_frames, val_clips

    @property
    def made(self) -> Path:
        """The manifest of generated mels."""
        return self.workspace / "manifests" / "generate.jsonl"

    def setup(self, stage: str | None = None) -> None:
        super().setup(stage)
        if self.mels == "generated":
            self.take_generated()
        wanted: tuple[Split, ...] = ("train", "val") if stage == "fit" else ()
        self.utterances = {name: self.read(name) for name in wanted}

    def take_generated(self) -> None:
        """Of the split, the clips that the acoustic model has spoken."""
        if not self.made.exists():
            raise UserError(
                f"{self.made}: there are no generated mels yet; `understudy pair` makes them, "
                "data.mels=real learns from the recordings' own"
            )
        listed = read_manifest(self.made)
        self._places = {clip.id: f"{self.made}:{line}" for line, clip in enumerate(listed, start=1)}
        spoken = {clip.id: clip for clip in listed}
        self.split = {
            name: [spoken[clip.id] for clip in clips if clip.id in spoken]
            for name, clips in self.split.items()
        }

    def read(self, name: Split) -> list[Utterance]:
        """Those that are long enough to draw a segment from; of those to validate on, `val_clips`."""
        found = []
        for clip in tqdm(self.split[name], f"reading {name}", unit="clip", delay=2, leave=False):
            utterance = self.utterance(clip)
            if utterance.frames >= self.segment_frames:
                found.append(utterance)
            if name == "val" and len(found) == self.val_clips:
                break
        if not found:
            listed = self.manifest if self.mels == "real" else self.made
            raise UserError(
                f"{listed}: no clip to {name} with is as long as data.segment_frames={self.segment_frames}; "
                "give more recordings, or shorter segments"
            )
        return found

    def utterance(self, clip: Clip) -> Utterance:
        """Raises `UserError` for a generated mel that is not its recording's."""
        rate, hop_length = self.log_mel.sample_rate, self.log_mel.hop_length
        audio = voice_sound(clip, self.workspace, rate, hop_length)
        if self.mels == "real":
            mel = self.log_mel(torch.from_numpy(audio).unsqueeze(0))[0].numpy()
        else:
            mel = self.generated(clip, (self.log_mel.n_mels, len(audio) // hop_length))
        return Utterance(clip.id, mel, (audio.clip(-1, 1) * FULL_SCALE).round().astype(np.int16))

    def generated(self, clip: Clip, shape: tuple[int, int]) -> np.ndarray:
        place = self._places[clip.id]
        try:
            mel: np.ndarray = np.load(self.workspace / clip["mel"])
        except KeyError:
            raise UserError(f"{place} ({clip.id}): has no mel; run `understudy pair` again") from None
        except (OSError, ValueError) as error:
            raise UserError(
                f"{self.workspace / clip['mel']}: no mel that can be read ({error}); "
                "run `understudy pair` again"
            ) from None
        if mel.shape != shape:
            raise UserError(
                f"{place} ({clip.id}): its mel has {mel.shape}, its sound makes {shape} (bands, frames); "
                "run `understudy pair` again"
            )
        return mel.astype(np.float32)

    def train_dataloader(self) -> DataLoader[VoiceSegment]:
        assert self.trainer is not None
        segments = Segments(
            self.utterances["train"],
            frames=self.segment_frames,
            length=self.batch_size * self.batches_per_epoch,
            seed=self.seed,
        )
        segments.epoch = self.trainer.current_epoch
        return DataLoader(segments, self.batch_size, num_workers=self.num_workers)

    def val_dataloader(self) -> DataLoader[VoiceSegment]:
        return DataLoader(Wholes(self.utterances["val"]), batch_size=1)

    def test_dataloader(self) -> DataLoader[VoiceSegment]:
        return DataLoader(Wholes(self.read("test")), batch_size=1)
