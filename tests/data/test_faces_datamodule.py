from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch.utils.data import DataLoader

from understudy.data.alignment import MOUTH
from understudy.data.faces_datamodule import FaceDataModule, FaceWindows, Window, pairs_of
from understudy.data.manifest import Clip, read_manifest, write_manifest
from understudy.data.media import SAMPLE_RATE
from understudy.errors import UserError


@pytest.fixture(scope="module")
def clips(prepared: Path) -> list[Clip]:
    return read_manifest(prepared / "manifests" / "faces.jsonl")


def equal(a: Window, b: Window) -> bool:
    tensors = ("still", "frames", "mouth", "audio")
    return a["clip"] == b["clip"] and all(torch.equal(a[t], b[t]) for t in tensors)  # type: ignore[literal-required]


def test_shapes(prepared: Path, clips: list[Clip]) -> None:
    data = FaceWindows(clips, prepared, frames=20, margin=0.5, seed=0, length=4)
    batch = next(iter(DataLoader(data, batch_size=4)))
    assert (batch["still"].shape, batch["still"].dtype) == ((4, 3, 128, 96), torch.uint8)
    assert (batch["frames"].shape, batch["frames"].dtype) == ((4, 20, 3, 128, 96), torch.uint8)
    assert (batch["mouth"].shape, batch["mouth"].dtype) == ((4, 20, 20, 2), torch.float32)
    assert (batch["audio"].shape, batch["audio"].dtype) == ((4, 20 * 640 + 16000), torch.float32)
    assert len(batch["clip"]) == 4


def test_windows_follow_from_seed_epoch_and_index(prepared: Path, clips: list[Clip]) -> None:
    def draw(seed: int, epoch: int, index: int) -> Window:
        data = FaceWindows(clips, prepared, frames=20, margin=1.0, seed=seed, length=9)
        data.epoch = epoch
        return data[index]

    first = draw(0, 0, 0)
    assert equal(first, draw(0, 0, 0))
    others = [draw(1, 0, 0), draw(0, 1, 0), draw(0, 0, 1)]
    assert not any(equal(first, other) for other in others)


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_draw_the_same_windows(workers: int, prepared: Path, clips: list[Clip]) -> None:
    data = FaceWindows(clips, prepared, frames=20, margin=1.0, seed=3, length=6)
    loaded = DataLoader(data, batch_size=2, num_workers=workers)
    names = [name for batch in loaded for name in batch["clip"]]
    sounds = torch.cat([batch["audio"] for batch in loaded])
    assert names == [data[k]["clip"] for k in range(6)]
    assert torch.equal(sounds, torch.stack([data[k]["audio"] for k in range(6)]))


def test_without_a_seed_the_first_window_of_each_clip(prepared: Path, clips: list[Clip]) -> None:
    data = FaceWindows(clips, prepared, frames=20, margin=1.0)
    assert len(data) == 3
    for window, clip in zip((data[k] for k in range(3)), clips, strict=True):
        frames = np.load(prepared / clip["faces"] / "frames.npy")
        assert window["clip"] == clip.id
        assert np.array_equal(window["frames"].permute(0, 2, 3, 1), frames[:20])
        assert np.array_equal(window["still"].permute(1, 2, 0), frames[0])


def test_sound_belongs_to_the_frames_and_beyond_the_clip_is_silence(
    prepared: Path, clips: list[Clip]
) -> None:
    (source, *_) = clips
    clip = source.part(0.4, 1.6)  # the middle of a recording: its neighbours are not its own
    sound, _ = soundfile.read(prepared / clip["audio"], dtype="float32")
    data = FaceWindows([clip], prepared, frames=20, margin=0.5)
    found = data.window(clip, first=5, still=0)["audio"].numpy()
    start = round(0.4 * SAMPLE_RATE)
    begins = start + 5 * 640  # of the frames
    assert len(found) == 20 * 640 + 16000
    assert np.array_equal(found[8000:-8000], sound[begins : begins + 20 * 640])
    assert not found[: 8000 - 5 * 640].any(), "before the clip"
    assert np.array_equal(found[8000 - 5 * 640 : 8000], sound[start:begins])
    after = 8000 + 25 * 640  # the clip has 30 frames, 25 are left from the window's start
    assert np.array_equal(found[-8000:after], sound[begins + 20 * 640 : begins + 25 * 640])
    assert not found[after:].any(), "after the clip"


def test_mirrored_pictures_have_mirrored_lips(prepared: Path, clips: list[Clip]) -> None:
    data = FaceWindows(clips, prepared, frames=20, margin=0.5)
    plain, mirrored = (data.window(clips[0], 3, 7, mirrored=m) for m in (False, True))
    assert torch.equal(mirrored["frames"], plain["frames"].flip(-1))
    assert torch.equal(mirrored["still"], plain["still"].flip(-1))
    assert torch.equal(mirrored["audio"], plain["audio"])
    np.testing.assert_allclose(mirrored["mouth"][..., 0], 95 - plain["mouth"][..., 0])
    assert torch.equal(mirrored["mouth"][..., 1], plain["mouth"][..., 1])
    landmarks = np.load(prepared / clips[0]["faces"] / "landmarks.npy")
    assert np.array_equal(plain["mouth"], landmarks[3:23, MOUTH])


def test_random_windows_are_random(prepared: Path, clips: list[Clip]) -> None:
    data = FaceWindows(clips, prepared, frames=20, margin=0.0, seed=0, length=40)
    windows = [data[k] for k in range(40)]
    assert {window["clip"] for window in windows} == {clip.id for clip in clips}
    by_clip: dict[str, set[float]] = {}
    for window in windows:
        by_clip.setdefault(window["clip"], set()).add(float(window["mouth"].mean()))
    assert sum(map(len, by_clip.values())) > 30
    levels = [float(window["audio"].abs().mean()) for window in windows]
    assert max(levels) > 2 * min(levels)


def test_the_datamodule_holds_out_sources(prepared: Path) -> None:
    data = FaceDataModule(
        workspace=str(prepared), frames=10, val_frames=20, batch_size=2, batches_per_epoch=5
    )
    data.setup()
    assert len(data.train) == 10
    assert (len(data.val), len(data.test)) == (1, 1)
    sources = [{clip.source for clip in part.clips} for part in (data.train, data.val, data.test)]
    assert [len(s) for s in sources] == [1, 1, 1]
    assert len(set().union(*sources)) == 3


def test_clips_that_are_too_short_are_left_out_or_said(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no clip of 500 frames"):
        FaceDataModule(workspace=str(prepared), frames=500).setup()
    with pytest.raises(UserError, match="run `understudy prepare` first"):
        FaceDataModule(workspace=str(tmp_path)).setup()
    write_manifest(tmp_path / "manifests" / "faces.jsonl", [])
    with pytest.raises(UserError, match="no clip"):
        FaceDataModule(workspace=str(tmp_path)).setup()


def test_windows_are_heard_in_the_twins_voice_where_there_is_a_pair(
    prepared: Path, clips: list[Clip], tmp_path: Path
) -> None:
    """The pair begins half a second before the clip, and its sample values are its sample numbers."""
    clip = clips[0]
    pair = Clip("pair", clip.source, clip.start - 0.5, clip.end, {"pair": str(tmp_path / "pair.wav")})
    ramp = np.arange(round(pair.duration * SAMPLE_RATE), dtype=np.float32) / 2**20
    soundfile.write(tmp_path / "pair.wav", ramp, SAMPLE_RATE, subtype="FLOAT")
    data = FaceWindows(clips, prepared, frames=20, margin=0.0)
    heard = data._sound(clip, 3, pair)
    first = SAMPLE_RATE // 2 + 3 * 640
    assert torch.equal(heard, torch.from_numpy(ramp[first : first + 20 * 640]))
    assert pairs_of(clips, [pair]) == {clip.id: pair}
    assert pairs_of([clip.part(clip.start - 1, clip.end)], [pair]) == {}

    def sounds(synthetic: float) -> list[torch.Tensor]:
        drawn = FaceWindows(
            clips[:1],
            prepared,
            frames=20,
            margin=0.0,
            seed=1,
            length=6,
            pairs={clip.id: pair},
            synthetic=synthetic,
        )
        return [drawn[k]["audio"] for k in range(6)]

    # a ramp, louder or softer, has no second difference
    assert all(sound.diff(n=2).abs().max() < 1e-4 for sound in sounds(1.0))
    assert not any(sound.diff(n=2).abs().max() < 1e-4 for sound in sounds(0.0))


def test_without_pairs_it_says_how_to_make_them(workspace: Path) -> None:
    data = FaceDataModule(workspace=str(workspace), frames=20, synthetic=0.5)
    with pytest.raises(UserError, match="understudy pair"):
        data.setup("fit")
