"""The vocoder in its folder, or one that came with SpeechT5."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hums import write_vocoder
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from understudy.data.twin_vocoder import TwinVocoder, read_weights, vocoder_of
from understudy.errors import UserError


def test_its_files_are_read_once_for_all_clips(tmp_path: Path) -> None:
    folder = write_vocoder(tmp_path / "vocoder")
    vocoder = TwinVocoder(pretrained=str(folder))
    before = vocoder.model_id
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()), indent=2))
    assert vocoder.model_id == before
    assert TwinVocoder(pretrained=str(folder)).model_id != before


def test_its_settings_alone_travel(tmp_path: Path) -> None:
    vocoder = TwinVocoder(pretrained=str(write_vocoder(tmp_path / "vocoder")), device="cpu")
    vocoder.setup()
    mel = np.zeros((80, 5), np.float32)
    assert vocoder(mel).shape == (5 * 256,)
    assert len(pickle.dumps(vocoder)) < 1000
    again = pickle.loads(pickle.dumps(vocoder))
    again.setup()
    assert np.array_equal(again(mel), vocoder(mel))


def test_that_of_speecht5_is_read_from_a_folder(tmp_path: Path) -> None:
    SpeechT5HifiGan(SpeechT5HifiGanConfig(upsample_initial_channel=32)).save_pretrained(tmp_path)
    vocoder = vocoder_of(str(tmp_path))
    assert vocoder(torch.zeros(1, 80, 7)).shape == (1, 7 * 256)


@pytest.mark.parametrize("missing", ["", "workspace/anna/twin/vocoder"])
def test_where_there_is_none_it_says_what_to_do(tmp_path: Path, missing: str) -> None:
    folder = str(tmp_path / missing)
    for ask in (vocoder_of, lambda name: TwinVocoder(pretrained=name).model_id):
        with pytest.raises(UserError, match=r"there is no vocoder yet; train one .* and export it"):
            ask(folder)


def test_a_hub_that_is_out_of_reach_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"nobody/sounds: no such folder.* give the folder of a vocoder, or"):
        vocoder_of("nobody/sounds")


def test_weights_as_the_authors_of_hifigan_publish_them(tmp_path: Path) -> None:
    weights = {"conv_pre.bias": torch.arange(3.0)}
    torch.save({"generator": weights}, tmp_path / "g_02500000")
    found = read_weights(tmp_path / "g_02500000")
    assert found.keys() == weights.keys()
    assert torch.equal(found["conv_pre.bias"], weights["conv_pre.bias"])
    (tmp_path / "g_broken").write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match="not weights that can be read"):
        read_weights(tmp_path / "g_broken")
