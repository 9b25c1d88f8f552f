import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

from understudy.data.demo.voice import VOICES, speak
from understudy.data.media import SAMPLE_RATE, read_audio
from understudy.data.recognizers import SphinxRecognizer
from understudy.data.text import word_error_rate

SENTENCE = "Please call my brother and tell him that the children are at school."


@pytest.fixture(scope="module")
def recognizer() -> SphinxRecognizer:
    travelled: SphinxRecognizer = pickle.loads(pickle.dumps(SphinxRecognizer()))
    travelled.setup()
    return travelled


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return resample_poly(speak(SENTENCE, voice=VOICES["one"]).samples, 2, 3).astype(np.float32)


def test_it_hears_a_sentence(recognizer: SphinxRecognizer, voice: np.ndarray) -> None:
    (heard,) = recognizer.recognize([voice])
    assert word_error_rate([SENTENCE], [heard.text]) == 0.0
    assert 0.6 < heard.confidence <= 1.0
    assert heard.language == "en"
    assert [word.text for word in heard.words] == heard.text.split()
    times = [time for word in heard.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= len(voice) / SAMPLE_RATE


def test_what_a_clip_gives_does_not_depend_on_those_before(
    recognizer: SphinxRecognizer, voice: np.ndarray
) -> None:
    noise = np.random.default_rng(0).normal(scale=0.1, size=SAMPLE_RATE).astype(np.float32)
    first = recognizer.recognize([voice, noise, voice[: 2 * SAMPLE_RATE]])
    again = recognizer.recognize([voice[: 2 * SAMPLE_RATE], voice, noise])
    assert first == [again[1], again[2], again[0]]
    assert first[2].text


@pytest.mark.parametrize("length", [0, 1, 500, 1600, 3 * SAMPLE_RATE])
def test_silence_has_no_words(recognizer: SphinxRecognizer, length: int) -> None:
    (heard,) = recognizer.recognize([np.zeros(length, np.float32)])
    assert (heard.text, heard.words, heard.confidence) == ("", (), 0.0)


def test_its_settings_are_part_of_its_name() -> None:
    plain, other = SphinxRecognizer(), SphinxRecognizer(language_weight=9.0)
    assert plain.model_id != other.model_id
    assert plain.model_id == SphinxRecognizer().model_id
    loaded = SphinxRecognizer()
    loaded.setup()
    assert pickle.loads(pickle.dumps(loaded)) == plain, "what was loaded stays where it is"


def test_a_real_reader(recognizer: SphinxRecognizer, corpus: Path) -> None:
    heard = recognizer.recognize([read_audio(corpus / "speech" / "ljspeech" / "LJ001-0008.flac")])
    assert word_error_rate(["has never been surpassed"], [heard[0].text]) <= 0.5
