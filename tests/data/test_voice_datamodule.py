from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hums import EDGE, LETTER, RATE, write_hums

from understudy.data.manifest import read_manifest, write_manifest
from understudy.data.pronounce import Pronouncer
from understudy.data.speech_datamodule import SpeechDataModule
from understudy.data.voice_datamodule import Utterance, VoiceDataModule, collate
from understudy.errors import UserError

HOP = 256


@pytest.fixture(scope="module")
def hums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hums(tmp_path_factory.mktemp("hums"), 12)


def data_of(workspace: Path, **settings: Any) -> VoiceDataModule:
    data = VoiceDataModule(workspace=str(workspace), pronouncer=Pronouncer(characters="abc"), **settings)
    data.setup()
    return data


def agrees(found: Utterance) -> bool:
    frames = len(found.pitch)
    return len(found.samples) == frames * HOP and len(found.tokens) == len(found.ids) == len(found.expected)


def test_the_same_clips_are_held_out_as_of_the_recogniser(hums: Path) -> None:
    shares = {"val_share": 0.2, "test_share": 0.3}
    recogniser = SpeechDataModule(workspace=str(hums), **shares)
    recogniser.setup()
    for name, clips in data_of(hums, **shares).split.items():
        assert [clip.id for clip in clips] == [clip.id for clip in recogniser.split[name]]


def test_text_and_sound_and_pitch_belong_together(hums: Path) -> None:
    data = data_of(hums)
    clip = data.split["train"][0]
    found = data.utterance(clip)
    assert agrees(found)
    assert found.tokens == ("_", *clip["text"].split(), "_")
    assert len(found.samples) / RATE == pytest.approx(clip.duration, abs=0.5 * HOP / RATE)
    voiced = found.pitch[found.pitch > 0]
    assert len(voiced) > 0.6 * len(found.pitch)
    assert (voiced > 90).all()
    assert (voiced < 170).all()
    frame = HOP / RATE
    np.testing.assert_allclose(found.expected[1, :2] * frame, [EDGE, EDGE + LETTER], atol=1e-3)


def test_what_is_joined_is_one_after_the_other(hums: Path) -> None:
    data = data_of(hums)
    first, second = (data.utterance(clip) for clip in data.split["train"][:2])
    both = first.then(second)
    assert agrees(both)
    assert both.tokens == first.tokens + second.tokens[1:], "one silence between them"
    assert both.text == f"{first.text} {second.text}"
    assert np.array_equal(both.samples, np.concatenate([first.samples, second.samples]))
    assert (np.diff(both.expected[:, 0]) >= 0).all()
    assert float(both.expected[-1, 1]) == len(both.pitch)
    starts, ends = both.expected[1:, 0], both.expected[:-1, 1]
    np.testing.assert_allclose(starts, ends, atol=1e-3)


def test_what_is_drawn_is_of_the_seed_the_epoch_and_the_place(hums: Path) -> None:
    def drawn(epoch: int | None, **settings: Any) -> list[str]:
        data = data_of(hums, joined=0.5, **settings)
        clips = data.clips_with_sound(data.split["train"], epoch=epoch)
        return [clips[place].text for place in range(24)]

    assert drawn(0) == drawn(0)
    assert len({tuple(drawn(0)), tuple(drawn(1)), tuple(drawn(0, seed=1))}) == 3
    lengths = {len(text.split()) for text in drawn(0)}
    assert lengths == {3, 6}, "some alone, some with another"
    assert {len(text.split()) for text in drawn(None)} == {3}, "who is measured is never joined"


def test_a_batch_says_how_long_each_is(hums: Path) -> None:
    data = data_of(hums)
    first, second = (data.utterance(clip) for clip in data.split["train"][:2])
    batch = collate([first, first.then(second)])
    assert batch["id_lengths"].tolist() == [5, 9]
    assert batch["ids"].shape == (2, 9)
    frames = batch["frames"].tolist()
    assert batch["audio"].shape == (2, frames[1] * HOP)
    assert batch["pitch"].shape == (2, frames[1])
    assert batch["expected"].shape == (2, 9, 3)
    assert not batch["audio"][0, frames[0] * HOP :].any()
    assert not batch["ids"][0, 5:].any()


def test_what_cannot_be_learnt_from_is_named_with_its_line(
    hums: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "decode").symlink_to(hums / "decode")
    (tmp_path / "edits.jsonl").symlink_to(hums / "edits.jsonl")
    clips = read_manifest(hums / "manifests" / "transcribe.jsonl")
    clips[2].fields["text"] = "a b c " * 50
    clips[3].fields["text"] = "?!"
    clips[4].fields["text"] = "a x b"
    manifest = tmp_path / "manifests" / "transcribe.jsonl"
    write_manifest(manifest, clips)
    data = data_of(tmp_path)
    told = capsys.readouterr().out
    assert f"left out: is too short to say its text (152 phones in 0.8 s): {manifest}:3 (hum_2)" in told
    assert f"nothing in it to say; give words in letters that the voice knows: {manifest}:4 (hum_3)" in told
    assert f"left out: nobody knows how to say x; put it into lexicon.tsv: {manifest}:5 (hum_4)" in told
    assert not {"hum_2", "hum_3", "hum_4"} & {clip.id for part in data.split.values() for clip in part}


def test_a_share_is_a_share(hums: Path) -> None:
    with pytest.raises(UserError, match=r"data\.joined=2: is a share of the clips, from 0 to 1"):
        data_of(hums, joined=2)
