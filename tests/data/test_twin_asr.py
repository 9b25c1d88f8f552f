from pathlib import Path

import pytest
from tiny_models import tiny_ctc, tiny_whisper

from understudy.data.ctc import CtcRecognizer
from understudy.data.training_notes import write_training
from understudy.data.twin_asr import pretrained_recognizer
from understudy.data.whisper import WhisperRecognizer
from understudy.errors import UserError


def test_it_is_what_lies_there(tmp_path: Path) -> None:
    folder = str(tmp_path / "twin" / "asr")
    tiny_whisper(Path(folder))
    whisper = pretrained_recognizer(pretrained=folder, lexicon="lexicon.tsv", device="cpu")
    assert whisper == WhisperRecognizer(pretrained=folder, lexicon="lexicon.tsv", device="cpu")
    whisper.setup()
    tiny_ctc(Path(folder))
    ctc = pretrained_recognizer(pretrained=folder, language="de")
    assert ctc == CtcRecognizer(pretrained=folder, language="de")
    assert pretrained_recognizer(pretrained=folder).language == "en"
    write_training(Path(folder), base="nothing", language="fr", clips={"train": [], "val": [], "test": []})
    assert pretrained_recognizer(pretrained=folder).language == "fr", "in which it was trained"
    ctc.setup()


def test_nothing_lies_there(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"no recogniser of the subject's own yet; train one .* and export it"
    ):
        pretrained_recognizer(pretrained=str(tmp_path / "twin" / "asr"))
    for written in ("{", "{}", "[]"):
        (tmp_path / "config.json").write_text(written)
        with pytest.raises(
            UserError, match=r"config\.json: does not say its model_type .*; export the model"
        ):
            pretrained_recognizer(pretrained=str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "whisper"}')
    (tmp_path / "training.json").write_text("{}")
    with pytest.raises(UserError, match=r"training\.json: is not as it was written .*; export the model"):
        pretrained_recognizer(pretrained=str(tmp_path))
