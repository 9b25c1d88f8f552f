from pathlib import Path

import numpy as np
import pytest
from songs import write_songs

from understudy.data.manifest import Clip, read_manifest
from understudy.data.media import SAMPLE_RATE
from understudy.data.speech_augment import SpeechAugment
from understudy.data.speech_datamodule import SpeechDataModule, SpokenClips, collate
from understudy.errors import UserError


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_songs(tmp_path_factory.mktemp("songs"), 12)


def data_of(workspace: Path, **settings: object) -> SpeechDataModule:
    data = SpeechDataModule(workspace=str(workspace), **settings)  # type: ignore[arg-type]
    data.setup()
    return data


def test_batches_hold_clips_of_like_length_and_every_clip_comes_equally_often() -> None:
    clips = [Clip(f"{k}", f"{k}", 0.0, 1 + k / 10, {"text": "a"}) for k in range(64)]
    data = SpeechDataModule(workspace="nowhere", batch_size=4, batches_per_epoch=32)
    batches = data.batches(clips, epoch=0)
    assert len(batches) == 32
    assert sorted(place for batch in batches for place in batch) == [*range(128)], "two passes"
    spread = np.mean([np.ptp([clips[k % 64].duration for k in batch]) for batch in batches])
    random = np.mean([np.ptp(np.random.default_rng(k).permutation(64)[:4] / 10) for k in range(32)])
    assert spread < random / 2
    assert data.batches(clips, epoch=0) == batches
    assert data.batches(clips, epoch=1) != batches


def test_a_set_that_is_smaller_than_a_batch_still_makes_one() -> None:
    clips = [Clip(f"{k}", f"{k}", 0.0, 1.0, {"text": "a"}) for k in range(3)]
    data = SpeechDataModule(workspace="nowhere", batch_size=8, batches_per_epoch=2)
    assert [sorted(batch) for batch in data.batches(clips, epoch=0)] == [[0, 1, 2], [3, 4, 5]]


def test_a_batch_says_how_long_each_sound_is(songs: Path) -> None:
    clips = read_manifest(songs / "manifests" / "transcribe.jsonl")
    whole, cut = np.ones(300, np.float32), np.ones(200, np.float32)
    batch = collate([(clips[0], whole), (clips[1].add(heard=None), cut)])
    assert batch["audio"].shape == (2, 300)
    assert batch["lengths"].tolist() == [300, 200]
    assert not batch["audio"][1, 200:].any()
    assert batch["text"] == [clips[0]["text"], clips[1]["text"]]
    assert batch["heard"] == [clips[0]["heard"], None]


def test_chance_is_that_of_the_epoch_and_the_place(songs: Path) -> None:
    clips = read_manifest(songs / "manifests" / "transcribe.jsonl")
    data = SpokenClips(clips, songs, SpeechAugment(), seed=0)
    first, again = data[0][1], data[0][1]
    assert np.array_equal(first, again)
    assert data[len(clips)][0] == clips[0]
    assert not np.array_equal(first[:100], data[len(clips)][1][:100]), "once more is not the same again"
    data.epoch = 1
    assert not np.array_equal(first[:100], data[0][1][:100])


@pytest.mark.parametrize(
    ("speed", "longest", "length"), [(2.0, 30.0, 0.5), (0.5, 30.0, 2.0), (0.5, 1.5, 1.0)]
)
def test_speech_is_sped_up_and_slowed_down(speed: float, longest: float, length: float) -> None:
    sound = np.sin(np.arange(SAMPLE_RATE) / 10).astype(np.float32)
    augment = SpeechAugment(speeds=(speed,), noise_share=0, gain=0, longest=longest)
    found = augment(sound, np.random.default_rng(0))
    assert len(found) / SAMPLE_RATE == pytest.approx(length, abs=0.01)
    assert found.dtype == np.float32


def test_noise_is_as_loud_as_was_asked() -> None:
    sound = np.sin(np.arange(SAMPLE_RATE) / 10).astype(np.float32)
    augment = SpeechAugment(speeds=(1.0,), noise_share=1, min_snr=20, max_snr=20, gain=0)
    noise = augment(sound, np.random.default_rng(0)) - sound
    assert 10 * np.log10((sound**2).mean() / (noise**2).mean()) == pytest.approx(20, abs=0.1)
    louder = SpeechAugment(speeds=(1.0,), noise_share=0, gain=6)(sound, np.random.default_rng(1))
    assert np.allclose(louder, sound * (louder[1] / sound[1]))
    assert 0.5 < louder[1] / sound[1] < 2


def test_only_what_a_person_has_seen_is_learnt_from(songs: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "songs"
    (workspace / "manifests").mkdir(parents=True)
    manifest = workspace / "manifests" / "transcribe.jsonl"
    manifest.write_text((songs / "manifests" / "transcribe.jsonl").read_text())
    with pytest.raises(UserError, match=r"nobody has corrected .*understudy review.*data.transcripts=all"):
        data_of(workspace)
    assert sum(map(len, data_of(workspace, transcripts="all").split.values())) == 12
    lines = [f'{{"clip": "song_{k}", "set": {{"text": "a"}}}}\n' for k in range(4)]
    (workspace / "edits.jsonl").write_text("".join(lines))
    found = data_of(workspace)
    clips = [clip for part in found.split.values() for clip in part]
    assert {clip.id: clip["text"] for clip in clips} == {f"song_{k}": "a" for k in range(4)}
    (workspace / "edits.jsonl").write_text(lines[0])
    with pytest.raises(UserError, match=r"\(1 to train on, 0 to validate on, 0 to test on\)"):
        data_of(workspace)


def test_fewer_training_clips_leave_the_others_where_they_were(songs: Path) -> None:
    all_of_them, few = data_of(songs), data_of(songs, train_clips=3)
    assert len(few.split["train"]) == 3
    assert {c.id for c in few.split["train"]} < {c.id for c in all_of_them.split["train"]}
    assert (few.split["val"], few.split["test"]) == (all_of_them.split["val"], all_of_them.split["test"])


def test_every_clip_is_in_the_test_split_of_one_fold(songs: Path) -> None:
    folds = [data_of(songs, folds=3, fold=k).split for k in range(3)]
    assert sorted(clip.id for split in folds for clip in split["test"]) == sorted(
        f"song_{k}" for k in range(12)
    )
    for split in folds:
        assert not {c.id for c in split["test"]} & {c.id for c in split["train"] + split["val"]}
        assert sum(map(len, split.values())) == 12
