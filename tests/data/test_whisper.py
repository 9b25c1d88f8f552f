import math
import os
import pickle
from pathlib import Path
from typing import Any

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


@pytest.fixture
def lexicon(tmp_path: Path) -> Path:
    path = tmp_path / "lexicon.tsv"
    path.write_text("woodcutters\nBlorb\t\t\t3\n")
    return path


@pytest.mark.parametrize("settings", [{}, {"num_beams": 2}, {"lexicon_prompt": False}, {"lexicon_bias": 0}])
def test_the_lexicon_is_no_part_of_what_is_said(
    folder: str, clips: list[np.ndarray], lexicon: Path, settings: dict[str, object]
) -> None:
    whisper = recognizer(folder, max_tokens=20, lexicon=str(lexicon), clips_at_once=3, **settings)
    found = whisper.recognize(clips)
    assert all(is_sound(heard, samples) for heard, samples in zip(found, clips, strict=True))
    assert not any("Blorb" in heard.text for heard in found)
    for heard, samples in zip(found, clips, strict=True):
        assert whisper.recognize([samples])[0].text == heard.text


def test_the_lexicon_changes_what_is_heard(folder: str, clips: list[np.ndarray], lexicon: Path) -> None:
    plain = recognizer(folder, max_tokens=20).recognize(clips)
    shown = recognizer(folder, max_tokens=20, lexicon=str(lexicon), lexicon_bias=0).recognize(clips)
    assert [heard.text for heard in shown] != [heard.text for heard in plain]


def test_a_word_once_begun_is_favoured(folder: str, lexicon: Path) -> None:
    lexicon.write_text("zq\t\t\t3\nz\n")
    biased = recognizer(folder, lexicon=str(lexicon), lexicon_bias=2.0)
    space, z, q = biased._processor.tokenizer(" zq", add_special_tokens=False).input_ids
    heavy = pytest.approx(2 + math.log(3))
    assert biased._biases == {(space, z): heavy, (space, z, q): heavy}, "the heavier word comes first"


def test_no_lexicon_is_as_if_there_were_none(folder: str, clips: list[np.ndarray], tmp_path: Path) -> None:
    plain = recognizer(folder, max_tokens=20)
    path = tmp_path / "lexicon.tsv"
    for written in (None, "", "word\tspoken\n"):
        if written is not None:
            path.write_text(written)
        other = recognizer(folder, max_tokens=20, lexicon=str(path), lexicon_bias=2.0)
        assert other.model_id == plain.model_id
        assert other.recognize(clips[:1]) == plain.recognize(clips[:1])
    path.write_text("grid")
    unused = WhisperRecognizer(
        pretrained=folder, max_tokens=20, lexicon=str(path), lexicon_prompt=False, lexicon_bias=0
    )
    assert unused.model_id == plain.model_id


def test_the_lexicon_is_part_of_the_name(folder: str, tmp_path: Path) -> None:
    path = tmp_path / "lexicon.tsv"
    names = {WhisperRecognizer(pretrained=folder).model_id}
    settings: list[dict[str, Any]] = [{}, {"lexicon_prompt": False}, {"lexicon_bias": 2.0}]
    for written in ("grid\nBlorb", "grid\n", "grid\t\t\t2"):
        path.write_text(written)
        names |= {WhisperRecognizer(pretrained=folder, lexicon=str(path), **s).model_id for s in settings}
    assert len(names) == 10
    path.write_text("grid\tgreed\tG R IY D\t2\treview")
    assert WhisperRecognizer(pretrained=folder, lexicon=str(path)).model_id in names, "it is written the same"


def test_a_long_lexicon_and_a_long_text(folder: str, clips: list[np.ndarray], lexicon: Path) -> None:
    """The model has 64 places for both."""
    lexicon.write_text("".join(f"w{number}\t\t\t{number + 1}\n" for number in range(50)))
    whisper = recognizer(folder, max_tokens=500, lexicon=str(lexicon))
    assert all(is_sound(h, samples) for h, samples in zip(whisper.recognize(clips), clips, strict=True))
    shown = whisper._processor.decode(whisper._prompt)
    assert shown == "<|startofprev|> w49, w48, w47, w46, w45, w44.", "the weightiest, as many as fit"
    lexicon.write_text("x" * 100)
    assert recognizer(folder, max_tokens=5, lexicon=str(lexicon))._prompt == []


def test_a_lexicon_that_cannot_be_used(folder: str, lexicon: Path) -> None:
    lexicon.write_text("fine\nGRID\tgrid\t\theavy\n")
    with pytest.raises(UserError, match=r"lexicon\.tsv:2: weight 'heavy' is no number"):
        WhisperRecognizer(pretrained=folder, lexicon=str(lexicon)).setup()
    lexicon.write_text("<|nospeech|>")
    with pytest.raises(UserError, match=r"lexicon\.tsv: '<\|nospeech\|>' cannot be shown to Whisper"):
        WhisperRecognizer(pretrained=folder, lexicon=str(lexicon)).setup()


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


def test_the_trained_model_takes_words_from_the_lexicon(trained: str, corpus: Path, lexicon: Path) -> None:
    samples = read_audio(corpus / "speech" / "ljspeech" / "LJ001-0003.flac")
    (plain,) = recognizer(trained).recognize([samples])
    assert "wood cutters of the Netherlands" in plain.text
    for settings in ({}, {"lexicon_bias": 0}, {"lexicon_prompt": False}):
        (found,) = recognizer(trained, lexicon=str(lexicon), **settings).recognize([samples])
        assert is_sound(found, samples)
        assert found.text == plain.text.replace("wood cutters", "woodcutters")
        assert found.confidence > 0.8
        others = [word for word in found.words if word.text != "woodcutters"]
        k = [word.text for word in plain.words].index("cutters")
        before = plain.words[: k - 1] + plain.words[k + 1 :]
        for now, then in zip(others, before, strict=True):  # they stay where they were
            assert (now.text, now.start) == (then.text, pytest.approx(then.start, abs=0.3))
