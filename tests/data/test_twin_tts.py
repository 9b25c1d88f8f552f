"""The voice in its folder."""

import json
from pathlib import Path

import numpy as np
import pytest
from hums import NETWORK, RATE, write_voice

from understudy.data.pronounce import Pronouncer, UnsayableError
from understudy.data.twin_tts import ACOUSTIC, TOO_FAST, TOO_LONG, TwinVoice
from understudy.errors import UserError
from understudy.models.tts import FastSpeech
from understudy.models.tts.fastspeech import LONGEST
from understudy.train.tts_fastspeech import take_over

HOP = 256


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_voice(tmp_path / "tts")


def test_its_files_are_read_once_for_all_clips(folder: Path) -> None:
    voice = TwinVoice(pretrained=str(folder))
    before = voice.model_id
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"more": 1}))
    assert voice.model_id == before
    assert TwinVoice(pretrained=str(folder)).model_id != before


@pytest.mark.parametrize(
    ("frames", "text", "reason"),
    [
        (LONGEST + 1, "a", TOO_LONG),
        (20, "a b c " * 20, TOO_FAST),
        (20, "?!", "there is nothing in it to say"),
    ],
)
def test_why_a_recording_cannot_be_saying_a_text(folder: Path, frames: int, text: str, reason: str) -> None:
    voice = TwinVoice(pretrained=str(folder), device="cpu")
    voice.setup()
    assert voice.sample_rate == RATE
    with pytest.raises(UnsayableError) as caught:
        voice.along(text, np.zeros(frames * HOP, np.float32))
    assert caught.value.reason == reason
    assert not any(character.isdigit() for character in reason), "it is counted by"


def test_damaged_weights_are_told(folder: Path) -> None:
    (folder / ACOUSTIC).write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"tts: is not as it was written .*; export the voice again"):
        TwinVoice(pretrained=str(folder), device="cpu").setup()
    alphabet = Pronouncer(characters="abc").alphabet
    network = FastSpeech(alphabet_size=len(alphabet), **NETWORK)
    with pytest.raises(UserError, match=r"acoustic\.safetensors: not weights that can be read"):
        take_over(network, str(folder), alphabet)
