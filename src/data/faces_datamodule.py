"""Windows of aligned faces with their sound, for training the talking face."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
import pytorch_lightning as pl
import soundfile
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from understudy.data.alignment import MOUTH
from understudy.data.manifest import Clip, read_manifest
from understudy.data.media import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME, Seconds
from understudy.data.splits import split_clips
from understudy.errors import UserError


class Window(TypedDict):
    """Consecutive frames of one clip. In a batch every tensor has one more axis in front."""

    still: Tensor  # (3, height, width) uint8: the portrait the frames are made from
    frames: Tensor  # (time, 3, height, width) uint8
    mouth: Tensor  # (time, 20, 2) float32, in the crop's pixels
    audio: Tensor  # (samples,) float32, of the frames and the same margin before and after them
    clip: str


class FaceWindows(Dataset[Window]):
    """Windows of `frames` frames from the memory-mapped results of the stage `faces`.

    With a `seed` item `i` of epoch `e` is drawn from (seed, e, i), whatever worker draws it: a
    random window of a random clip, half the time mirrored, louder or softer by up to 6 dB. Without
    one, item `i` is the first window of clip `i`, and its still the clip's first frame.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        workspace: Path,
        *,
        frames: int,
        margin: Seconds,
        seed: int | None = None,
        length: int | None = None,
        pairs: Mapping[str, Clip] | None = None,
        synthetic: float = 0.0,
    ) -> None:
        self.clips = [c for c in clips if round(c.duration * FPS) >= frames]
        self.workspace = workspace
        self.frames = frames
        self.margin = round(margin * SAMPLE_RATE)
        self.seed = seed
        self.length = length or len(self.clips)
        self.pairs, self.synthetic = pairs or {}, synthetic
        self.epoch = 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Window:
        if self.seed is None:
            return self.window(self.clips[index], first=0, still=0)
        random = np.random.default_rng((self.seed, self.epoch, index))
        clip = self.clips[random.integers(len(self.clips))]
        length = round(clip.duration * FPS)
        first, still = random.integers(length - self.frames + 1), random.integers(length)
        window = self.window(clip, int(first), int(still), mirrored=bool(random.integers(2)))
        if clip.id in self.pairs and random.random() < self.synthetic:
            window["audio"] = self._sound(clip, int(first), self.pairs[clip.id])
        window["audio"] *= 10 ** (random.uniform(-6, 6) / 20)
        return window

    def window(self, clip: Clip, first: int, still: int, *, mirrored: bool = False) -> Window:
        """Frames `first` and on of `clip`, to be made from its frame `still`."""
        folder = self.workspace / clip["faces"]
        pictures = np.load(folder / "frames.npy", mmap_mode="r")
        last = first + self.frames
        mouth = np.load(folder / "landmarks.npy", mmap_mode="r")[first:last, MOUTH]
        frames, portrait = pictures[first:last], pictures[still]
        if mirrored:  # landmarks change sides, which no loss here minds
            frames, portrait = frames[:, :, ::-1], portrait[:, ::-1]
            mouth = np.stack([pictures.shape[2] - 1 - mouth[..., 0], mouth[..., 1]], -1)
        return Window(
            still=torch.from_numpy(portrait.transpose(2, 0, 1).copy()),
            frames=torch.from_numpy(frames.transpose(0, 3, 1, 2).copy()),
            mouth=torch.from_numpy(mouth.copy()),
            audio=self._sound(clip, first),
            clip=clip.id,
        )

    def _sound(self, clip: Clip, first: int, pair: Clip | None = None) -> Tensor:
        """Sound around the frames, the recording's or a pair's; what lies outside the clip is silence."""
        begin = round(clip.start * SAMPLE_RATE)
        start = begin + first * SAMPLES_PER_FRAME - self.margin
        stop = begin + (first + self.frames) * SAMPLES_PER_FRAME + self.margin
        low, high = max(start, begin), min(stop, round(clip.end * SAMPLE_RATE))
        path, origin = (pair["pair"], round(pair.start * SAMPLE_RATE)) if pair else (clip["audio"], 0)
        audio, _ = soundfile.read(
            self.workspace / path, start=low - origin, stop=high - origin, dtype="float32"
        )
        audio = np.pad(audio, (low - start, stop - low - len(audio)))
        return torch.from_numpy(audio)


def pairs_of(clips: Sequence[Clip], pairs: Sequence[Clip]) -> dict[str, Clip]:
    """Of each clip that lies within a pair, that pair."""
    by_source: dict[str, list[Clip]] = {}
    for pair in pairs:
        by_source.setdefault(pair.source, []).append(pair)
    return {
        clip.id: pair
        for clip in clips
        for pair in by_source.get(clip.source, ())
        if pair.start <= clip.start and clip.end <= pair.end
    }


class FaceDataModule(pl.LightningDataModule):
    """The subject's aligned clips, split by source.

    `synthetic` is the share of training windows that are heard in the twin's own voice, of clips that
    `understudy pair` has paired with it.

    An epoch is `batches_per_epoch` random batches; `margin` is how much sound comes before and after
    the frames, at least what the model looks back and ahead.
    """

    def __init__(
        self,
        *,
        workspace: str,
        frames: int = 25,
        batch_size: int = 4,
        batches_per_epoch: int = 100,
        val_frames: int = 50,
        val_clips: int = 16,
        val_share: float = 0.05,
        test_share: float = 0.1,
        num_workers: int = 0,
        seed: int = 0,
        margin: Seconds = 1.0,
        synthetic: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= synthetic <= 1:
            raise UserError(f"data.synthetic={synthetic}: is a share of the windows, from 0 to 1")
        self.workspace = Path(workspace)
        self.frames, self.val_frames = frames, val_frames
        self.batch_size, self.batches_per_epoch = batch_size, batches_per_epoch
        self.val_clips = val_clips
        self.val_share, self.test_share = val_share, test_share
        self.num_workers, self.seed = num_workers, seed
        self.margin, self.synthetic = margin, synthetic

    def setup(self, stage: str | None = None) -> None:
        path = self.workspace / "manifests" / "faces.jsonl"
        clips = [clip for clip in read_manifest(path) if "faces" in clip.fields]
        split = split_clips(clips, val_share=self.val_share, test_share=self.test_share)
        self.train = FaceWindows(
            split["train"],
            self.workspace,
            frames=self.frames,
            seed=self.seed,
            length=self.batch_size * self.batches_per_epoch,
            margin=self.margin,
            pairs=self._pairs(split["train"]) if self.synthetic else None,
            synthetic=self.synthetic,
        )
        if not self.train.clips:
            raise UserError(f"{path}: no clip of {self.frames} frames to train on; see the table of prepare")
        self.val, self.test = (
            FaceWindows(split[name], self.workspace, frames=self.val_frames, margin=self.margin)
            for name in ("val", "test")
        )
        self.val.length = min(self.val_clips, len(self.val.clips))
        for name, wanted in {"val": "fit", "test": "test"}.items():
            if stage == wanted and not getattr(self, name).clips:
                raise UserError(
                    f"{path}: of {len(split['val'] + split['test'])} held-out clips none for {name} has "
                    f"{self.val_frames} frames; give more recordings, or a smaller data.val_frames"
                )

    def _pairs(self, clips: Sequence[Clip]) -> dict[str, Clip]:
        path = self.workspace / "manifests" / "pairs.jsonl"
        if not path.exists():
            raise UserError(
                f"data.synthetic={self.synthetic}: {path} is not there; `understudy pair` makes it, once "
                "there is a voice"
            )
        found = pairs_of(clips, read_manifest(path))
        print(f"pairs        {len(found)} of {len(clips)} clips to train on can be heard in the twin's voice")
        return found

    def train_dataloader(self) -> DataLoader[Window]:
        # windows are drawn at random by the dataset itself; its epoch is all that has to be told
        assert self.trainer is not None
        self.train.epoch = self.trainer.current_epoch
        return DataLoader(self.train, self.batch_size, num_workers=self.num_workers)

    def val_dataloader(self) -> DataLoader[Window]:
        return DataLoader(self.val, batch_size=1)

    def test_dataloader(self) -> DataLoader[Window]:
        return DataLoader(self.test, batch_size=1)
