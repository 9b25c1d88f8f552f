"""A person's clips with their text as tokens, for training and measuring a voice."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from understudy.data.manifest import Clip
from understudy.data.media import Seconds
from understudy.data.pitch import pitch
from understudy.data.pronounce import SILENCE, FrontEnd
from understudy.data.sound import voice_sound
from understudy.data.speech_datamodule import SpeechDataModule
from understudy.data.token_times import expected, times_in
from understudy.errors import UserError
from understudy.models.tts.fastspeech import LONGEST

REMEMBERED: Seconds = 7200  # of sound that are kept in memory: 635 MB at 22.05 kHz, in each worker


class VoiceBatch(TypedDict):
    """Clips of like length; zeros after the shorter ones."""

    ids: Tensor  # (batch, tokens) int64
    id_lengths: Tensor  # (batch,)
    audio: Tensor  # (batch, frames * hop_length) float32
    frames: Tensor  # (batch,)
    pitch: Tensor  # (batch, frames) Hz, 0 where there is no voice
    expected: Tensor  # (batch, tokens, 3) start, end and tolerance of each token, in frames
    tokens: list[tuple[str, ...]]
    text: list[str]
    clip: list[str]


class Utterance(NamedTuple):
    """A text and the sound that says it."""

    clip: str
    text: str
    tokens: tuple[str, ...]
    ids: np.ndarray  # (tokens,) int64
    samples: np.ndarray  # (frames * hop_length,) float32
    pitch: np.ndarray  # (frames,) Hz
    expected: np.ndarray  # (tokens, 3) start, end and tolerance of each token, in frames

    def then(self, other: "Utterance") -> "Utterance":
        """This one and another after it; the silence at the one's end and at the other's beginning is one."""
        skip = int(self.tokens[-1] == other.tokens[0] == SILENCE)
        first, second = self.expected.copy(), other.expected.copy()
        second[:, :2] += len(self.pitch)
        if skip:
            first[-1, 1] = second[0, 1]
        return Utterance(
            self.clip,
            f"{self.text} {other.text}",
            self.tokens + other.tokens[skip:],
            np.concatenate([self.ids, other.ids[skip:]]),
            np.concatenate([self.samples, other.samples]),
            np.concatenate([self.pitch, other.pitch]),
            np.concatenate([first, second[skip:]]),
        )


class Utterances(Dataset[Utterance]):
    """Clips as often as is asked: place `len(clips) + 2` is the third clip once more.

    To some of those of an epoch another clip is joined, so that a voice learnt from short sentences
    does not fall to pieces in a long one.
    """

    def __init__(self, data: "VoiceDataModule", clips: Sequence[Clip], epoch: int | None) -> None:
        self.data, self.clips, self.epoch = data, list(clips), epoch

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, place: int) -> Utterance:
        found = self.data.utterance(self.clips[place % len(self.clips)])
        if self.epoch is None:
            return found
        chance = np.random.default_rng((self.data.seed, self.epoch, place))
        if chance.random() < self.data.joined:
            other = self.data.utterance(self.clips[chance.integers(len(self.clips))])
            if len(found.pitch) + len(other.pitch) <= LONGEST:
                found = found.then(other)
        return found


class VoiceDataModule(SpeechDataModule):
    """Clips whose text is known, with their sound at the voice's rate, split by source.

    The split is that of speech recognition. `joined` is the share of training clips that another one is
    put behind.
    """

    def __init__(
        self,
        *,
        workspace: str,
        pronouncer: FrontEnd,
        transcripts: Literal["reviewed", "all"] = "reviewed",
        train_clips: int | None = None,
        val_share: float = 0.1,
        test_share: float = 0.1,
        joined: float = 0.2,
        batch_size: int = 16,
        batches_per_epoch: int = 50,
        sample_rate: int = 22050,
        hop_length: int = 256,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            workspace=workspace,
            transcripts=transcripts,
            train_clips=train_clips,
            val_share=val_share,
            test_share=test_share,
            batch_size=batch_size,
            batches_per_epoch=batches_per_epoch,
            num_workers=num_workers,
            seed=seed,
        )
        if not 0 <= joined <= 1:
            raise UserError(f"data.joined={joined}: is a share of the clips, from 0 to 1")
        self.pronouncer, self.joined = pronouncer, joined
        self.sample_rate, self.hop_length = sample_rate, hop_length
        self.remembered: dict[str, Utterance] = {}

    def setup(self, stage: str | None = None) -> None:
        super().setup(stage)
        self.guessed: set[str] = set()
        self.leave_out(self.complaint)
        if self.guessed:
            some = ", ".join(sorted(self.guessed)[:10]) + (", ..." if len(self.guessed) > 10 else "")
            print(f"guessed how to say {some}: put into lexicon.tsv what is said otherwise")
        self.remember = sum(clip.duration for part in self.split.values() for clip in part) < REMEMBERED

    def complaint(self, clip: Clip) -> str | None:
        """Why nothing can be learnt from a clip, if so."""
        try:
            said = self.pronouncer.tokens(clip["text"])
        except UserError as error:
            return str(error)
        mute = [
            word
            for number, word in enumerate(said.words)
            if word in said.unknown and number not in said.word_of
        ]
        if mute:
            return f"nobody knows how to say {', '.join(mute)}; put it into lexicon.tsv"
        self.guessed.update(said.unknown)
        frames = clip.duration * self.sample_rate / self.hop_length
        if frames > LONGEST:
            return f"is longer than {LONGEST * self.hop_length / self.sample_rate:.0f} s"
        if len(said.ids) > frames:
            return f"is too short to say its text ({len(said.ids)} phones in {clip.duration:.1f} s)"
        return None

    def utterance(self, clip: Clip) -> Utterance:
        if clip.id in self.remembered:
            return self.remembered[clip.id]
        said = self.pronouncer.tokens(clip["text"])
        samples = voice_sound(clip, self.workspace, self.sample_rate, self.hop_length)
        hertz = pitch(samples, self.sample_rate, self.hop_length)
        places = expected(said, times_in(clip), len(hertz), self.sample_rate / self.hop_length)
        found = Utterance(clip.id, clip["text"], said.tokens, said.ids, samples, hertz, places)
        if self.remember:
            self.remembered[clip.id] = found
        return found

    def clips_with_sound(self, clips: Sequence[Clip], *, epoch: int | None) -> Dataset[Any]:
        return Utterances(self, clips, epoch)

    def collate(self, items: Sequence[Utterance]) -> VoiceBatch:
        return collate(items)


def collate(items: Sequence[Utterance]) -> VoiceBatch:
    def padded(rows: Sequence[np.ndarray]) -> Tensor:
        return pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True)

    return VoiceBatch(
        ids=padded([item.ids for item in items]),
        id_lengths=torch.tensor([len(item.ids) for item in items]),
        audio=padded([item.samples for item in items]),
        frames=torch.tensor([len(item.pitch) for item in items]),
        pitch=padded([item.pitch for item in items]),
        expected=padded([item.expected for item in items]),
        tokens=[item.tokens for item in items],
        text=[item.text for item in items],
        clip=[item.clip for item in items],
    )
