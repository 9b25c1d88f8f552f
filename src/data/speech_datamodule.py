"""A person's clips with their transcripts, for training and measuring speech recognition."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset
from transformers.trainer_pt_utils import get_length_grouped_indices

from understudy.data.edits import EDITS, apply_edits, corrected
from understudy.data.manifest import Clip, read_manifest
from understudy.data.sound import clip_audio
from understudy.data.speech_augment import SpeechAugment
from understudy.data.splits import Split, fold_of, some_of, split_clips
from understudy.errors import UserError


class SpeechBatch(TypedDict):
    """Clips of like length."""

    audio: Tensor  # (batch, samples) float32 at 16 kHz, silence after the shorter ones
    lengths: Tensor  # (batch,) samples
    text: list[str]
    heard: list[str | None]  # as the transcriber of `prepare` wrote it, where that is known
    clip: list[str]


class SpokenClips(Dataset[tuple[Clip, np.ndarray]]):
    """Clips with their sound, as often as is asked: place `len(clips) + 2` is the third clip once more.

    With `augment` it sounds otherwise each time, drawn from (seed, epoch, place), whatever worker draws it.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        workspace: Path,
        augment: SpeechAugment | None,
        seed: int,
        epoch: int | None = None,
    ) -> None:
        self.clips, self.workspace = list(clips), workspace
        self.augment, self.seed, self.epoch = augment, seed, epoch or 0

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, place: int) -> tuple[Clip, np.ndarray]:
        clip = self.clips[place % len(self.clips)]
        samples = clip_audio(clip, self.workspace)
        if self.augment:
            samples = self.augment(samples, np.random.default_rng((self.seed, self.epoch, place)))
        return clip, samples


class SpeechDataModule(pl.LightningDataModule):
    """Clips whose text is known, split by source, in batches of like length.

    `transcripts` "reviewed" takes what a person corrected or confirmed, "all" also what a transcriber
    wrote. With `folds`, one part of so many is the test split, and validation is held out of the others.
    An epoch is `batches_per_epoch` batches, as many times through all clips as that needs.
    """

    def __init__(
        self,
        *,
        workspace: str,
        transcripts: Literal["reviewed", "all"] = "reviewed",
        train_clips: int | None = None,
        val_share: float = 0.1,
        test_share: float = 0.1,
        folds: int = 0,
        fold: int = 0,
        batch_size: int = 8,
        batches_per_epoch: int = 50,
        augment: SpeechAugment | None = None,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if transcripts not in ("reviewed", "all"):
            raise UserError(f"data.transcripts={transcripts}: there are reviewed and all")
        if batch_size < 1 or batches_per_epoch < 1:
            raise UserError(
                f"data.batch_size={batch_size}, data.batches_per_epoch={batches_per_epoch}: give 1 or more"
            )
        if folds and not 0 <= fold < folds:
            raise UserError(f"data.fold={fold}: of {folds} folds there are 0 to {folds - 1}")
        self.workspace = Path(workspace)
        self.transcripts = transcripts
        self.train_clips, self.val_share, self.test_share = train_clips, val_share, test_share
        self.folds, self.fold = folds, fold
        self.batch_size, self.batches_per_epoch = batch_size, batches_per_epoch
        self.augment = augment
        self.num_workers, self.seed = num_workers, seed

    @property
    def manifest(self) -> Path:
        return self.workspace / "manifests" / "transcribe.jsonl"

    def setup(self, stage: str | None = None) -> None:
        self.split = self.divide(self.transcribed())
        self.check()

    def transcribed(self) -> list[Clip]:
        """All clips that have a text to learn from. Raises `UserError` where there is none."""
        edits = self.workspace / EDITS
        # a correction counts from the moment it is made, not from the next prepare
        listed = read_manifest(self.manifest)
        self._places = {clip.id: f"{self.manifest}:{line}" for line, clip in enumerate(listed, start=1)}
        everything, _, _ = apply_edits(listed, edits)
        clips = everything
        if self.transcripts == "reviewed":
            clips = corrected(everything, edits)
            if not clips:
                raise UserError(
                    f"{self.manifest}: nobody has corrected or confirmed a transcript; `understudy review` "
                    "does, and data.transcripts=all learns from those that nobody has looked at"
                )
        return self.without(clips, lambda clip: None if clip.fields.get("text") else "has no text")

    def divide(self, clips: list[Clip]) -> dict[Split, list[Clip]]:
        if not self.folds:
            split = split_clips(clips, val_share=self.val_share, test_share=self.test_share)
        else:
            held_out, rest = fold_of(clips, folds=self.folds, fold=self.fold)
            if self.val_share == 0:
                return {"train": rest, "val": [], "test": held_out}
            split = split_clips(rest, val_share=self.val_share, test_share=0.0)
            split["train"] += split["test"]
            split["test"] = held_out
        if self.train_clips is not None:
            split["train"] = some_of(split["train"], self.train_clips)
        return split

    def leave_out(self, complaint: Callable[[Clip], str | None]) -> None:
        """Take out the clips of which the model says why it cannot use them, and tell which."""
        tested = self.split["test"]
        self.split = {name: self.without(clips, complaint) for name, clips in self.split.items()}
        self.untested = [clip for clip in tested if clip not in self.split["test"]]
        self.check()

    def without(self, clips: Sequence[Clip], complaint: Callable[[Clip], str | None]) -> list[Clip]:
        """The clips there is nothing to say against; what there is to say is printed, with file and line."""
        reasons: dict[str, list[str]] = {}
        kept = []
        for clip in clips:
            if why := complaint(clip):
                place = self._places.get(clip.id, str(self.workspace / EDITS))  # an edit made it
                reasons.setdefault(why, []).append(f"{place} ({clip.id})")
            else:
                kept.append(clip)
        for why, places in reasons.items():
            more = f" and {len(places) - 3} more" if len(places) > 3 else ""
            print(f"left out: {why}: {', '.join(places[:3])}{more}")
        return kept

    def check(self) -> None:
        """Raises `UserError` where there is nothing to train or to validate on."""
        count = {name: len(clips) for name, clips in self.split.items()}
        validated = not (self.folds and self.val_share == 0)
        if not count["train"] or (validated and not count["val"]):
            raise UserError(
                f"{self.manifest}: too few clips with a text to learn from ({count['train']} to train on, "
                f"{count['val']} to validate on, {count['test']} to test on); correct more transcripts"
            )

    def clips_with_sound(self, clips: Sequence[Clip], *, epoch: int | None) -> Dataset[Any]:
        """What batches are made of: for training as an epoch has them, else as they are."""
        return SpokenClips(
            clips, self.workspace, self.augment if epoch is not None else None, self.seed, epoch
        )

    def collate(self, items: Sequence[Any]) -> Any:
        return collate(items)

    def train_dataloader(self) -> DataLoader[Any]:
        assert self.trainer is not None
        epoch, clips = self.trainer.current_epoch, self.split["train"]
        return DataLoader(
            self.clips_with_sound(clips, epoch=epoch),
            batch_sampler=self.batches(clips, epoch),
            collate_fn=self.collate,
            num_workers=self.num_workers,
        )

    def batches(self, clips: Sequence[Clip], epoch: int) -> list[list[int]]:
        """Places of the clips of each batch of an epoch, drawn anew for every pass through all of them;
        each pass has places of its own."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        size = min(self.batch_size, len(clips))
        durations = [clip.duration for clip in clips]
        found: list[list[int]] = []
        first = 0  # place of the first clip in this pass
        while len(found) < self.batches_per_epoch:
            places = get_length_grouped_indices(durations, size, generator=generator)
            whole = [places[k : k + size] for k in range(0, len(places) - size + 1, size)]
            order = torch.randperm(len(whole), generator=generator).tolist()  # not the longest first
            found += [[first + place for place in whole[k]] for k in order]
            first += len(clips)
        return found[: self.batches_per_epoch]

    def val_dataloader(self) -> DataLoader[Any]:
        return self._held_out("val")

    def test_dataloader(self) -> DataLoader[Any]:
        if not self.split["test"]:
            raise UserError(f"{self.manifest}: no clip is held out to test on; correct more transcripts")
        return self._held_out("test")

    def _held_out(self, name: Split) -> DataLoader[Any]:
        clips = sorted(self.split[name], key=lambda clip: clip.duration)
        dataset = self.clips_with_sound(clips, epoch=None)
        return DataLoader(dataset, self.batch_size, collate_fn=self.collate, num_workers=self.num_workers)


def collate(items: Sequence[tuple[Clip, np.ndarray]]) -> SpeechBatch:
    sounds = [torch.from_numpy(samples) for _, samples in items]
    return SpeechBatch(
        audio=pad_sequence(sounds, batch_first=True),
        lengths=torch.tensor([len(sound) for sound in sounds]),
        text=[clip["text"] for clip, _ in items],
        heard=[clip.fields.get("heard") for clip, _ in items],
        clip=[clip.id for clip, _ in items],
    )
