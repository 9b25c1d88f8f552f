import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from tiny_models import LANGUAGES, tiny_whisper

from understudy.data.media import SAMPLE_RATE, read_audio
from understudy.data.recognizers import Transcript
from understudy.data.text import word_error_rate
from understudy.data.whisper import WhisperRecognizer
from understudy.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_whisper(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="module")
def clips() -> list[np.ndarray]:
    """Three noises, each of another length and colour."""
    rng = np.random.default_rng(0)
    return [
        np.convolve(rng.normal(scale=0.1, size=k * SAMPLE_RATE), np.ones(k) / k, "same").astype(np.float32)
        for k in (1, 2, 3)
    ]


def recognizer(pretrained: str, **settings: object) -> WhisperRecognizer:
    made = WhisperRecognizer(pretrained=pretrained, device="cpu", **settings)  # type: ignore[arg-type]
    travelled: WhisperRecognizer = pickle.loads(pickle.dumps(made))
    assert travelled.model_id == made.model_id
    travelled.setup()
    return travelled


def is_sound(heard: Transcript, samples: np.ndarray) -> bool:
    """Whether all of it hangs together, right or wrong."""
    times = [time for word in heard.words for time in (word.start, word.end)]
    return (
        [word.text for word in heard.words] == heard.text.split()
        and times == sorted(times)
        and all(0 <= time <= len(samples) / SAMPLE_RATE for time in times)
        and all(0 <= word.confidence <= 1 for word in heard.words)
        and 0 < heard.confidence <= 1
        and 0 <= (heard.no_speech or 0) <= 1
    )


@pytest.mark.parametrize("settings", [{}, {"num_beams": 2}, {"language": "de"}])
def test_the_way_of_a_clip(folder: str, clips: list[np.ndarray], settings: dict[str, object]) -> None:
    found = recognizer(folder, max_tokens=20, **settings).recognize(clips)
    assert all(is_sound(heard, samples) for heard, samples in zip(found, clips, strict=True))
    assert any(heard.text for heard in found)
    for heard in found:
        if "language" in settings:
            assert (heard.language, heard.language_probability) == ("de", None)
        else:
            assert heard.language in LANGUAGES
            assert heard.language_probability >= 1 / len(LANGUAGES)


def test_a_clip_gives_the_same_in_any_company(folder: str, clips: list[np.ndarray]) -> None:
    four = recognizer(folder, max_tokens=20, clips_at_once=4)
    assert four.batch_size == 4
    together = four.recognize([*clips, *clips[::-1]])
    alone = [four.recognize([samples])[0] for samples in clips]
    for one, other in zip(together, [*alone, *alone[::-1]], strict=True):
        assert (one.text, one.language) == (other.text, other.language)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-6)
        assert one.no_speech == pytest.approx(other.no_speech, abs=1e-6)
        assert [w.start for w in one.words] == pytest.approx([w.start for w in other.words])


def test_the_table_of_languages_is_the_models_own(folder: str) -> None:
    with pytest.raises(UserError, match=f"^language=xx: {folder} knows de, en, ja$"):
        recognizer(folder, language="xx")


def test_longer_than_it_hears(folder: str) -> None:
    with pytest.raises(UserError, match=r"^30\.1 s at once: Whisper hears 30; cut into shorter clips$"):
        recognizer(folder).recognize([np.zeros(round(30.1 * SAMPLE_RATE), np.float32)])


def test_settings_are_part_of_the_name(folder: str, tmp_path: Path) -> None:
    other = tiny_whisper(tmp_path / "tiny", seed=1)
    plain = WhisperRecognizer(pretrained=folder)
    names = {
        plain.model_id,
        WhisperRecognizer(pretrained=str(other)).model_id,
        WhisperRecognizer().model_id,
        WhisperRecognizer(pretrained=folder, language="en").model_id,
        WhisperRecognizer(pretrained=folder, num_beams=5).model_id,
        WhisperRecognizer(pretrained=folder, max_tokens=5).model_id,
    }
    assert len(names) == 6
    here = WhisperRecognizer(pretrained=folder, device="cpu", clips_at_once=3)
    assert here.model_id == plain.model_id, "where it runs does not decide what it hears"


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"give its folder, asr\.pretrained=FOLDER, or take asr=sphinx"):
        recognizer(str(tmp_path))


@pytest.fixture(scope="module")
def trained() -> str:
    weights = os.environ.get("UNDERSTUDY_WEIGHTS")
    folder = Path(weights or "") / "whisper-tiny.en"
    if not weights or not folder.is_dir():
        pytest.skip("set UNDERSTUDY_WEIGHTS to a folder with whisper-tiny.en")
    return str(folder)


def test_the_trained_model(trained: str, corpus: Path) -> None:
    whisper = recognizer(trained)
    folder = corpus / "speech" / "ljspeech"
    rows = [line.split("|") for line in (folder / "metadata.csv").read_text().splitlines()]
    truth = {name: text for name, _, text in rows if name in ("LJ001-0002", "LJ001-0008")}
    sounds = [read_audio(folder / f"{name}.flac") for name in truth]
    silence = np.random.default_rng(0).normal(scale=0.001, size=2 * SAMPLE_RATE).astype(np.float32)
    *found, nothing = whisper.recognize([*sounds, silence])
    assert word_error_rate(list(truth.values()), [heard.text for heard in found]) == 0.0
    for heard, samples in zip(found, sounds, strict=True):
        assert is_sound(heard, samples)
        assert heard.confidence > 0.8
        assert heard.no_speech < 0.1
        # words follow each other at the pace of speech
        assert max(word.end - word.start for word in heard.words) < 1.2
    assert (heard.language, heard.language_probability) == ("en", None)
    assert nothing.no_speech > 0.6
    with pytest.raises(UserError, match=r"knows en$"):
        recognizer(trained, language="de")
