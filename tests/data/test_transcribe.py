import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly
from tiny_models import tiny_ctc, tiny_whisper

from understudy.data.demo.voice import VOICES, speak
from understudy.data.executors import LocalPool
from understudy.data.manifest import Clip
from understudy.data.media import SAMPLE_RATE
from understudy.data.recognizers import SphinxRecognizer, Transcript, Word
from understudy.data.stage import Stage, run_stage
from understudy.data.text import word_error_rate
from understudy.data.transcribe import Transcribe, compression_ratio, fit_of, repeats
from understudy.data.whisper import WhisperRecognizer
from understudy.data.word_times import CtcAligner

SENTENCE = "Please call my brother and tell him that the children are at school."
WHISPER = Transcript(SENTENCE, 0.9, "en", no_speech=0.01)


def flags(text: str, duration: float = 4.0, fit: float | None = None, **heard: object) -> list[str]:
    return Transcribe().flags(replace(WHISPER, text=text, **heard), duration, fit)


def test_a_usual_text_has_no_flag() -> None:
    assert flags(SENTENCE) == []
    assert flags("No, no, no.", 1.5) == []
    assert flags("Yes.", 1.0) == []
    assert flags(SENTENCE, 4.0, 0.1) == []
    assert flags("nine nine nine nine nine", 3.0) == [], "a number"


def test_repetition() -> None:
    assert flags("so it is it is it is it is", 4.0) == ["repetition"]
    assert flags("I am going to the park. " * 4, 10.0) == ["repetition"]
    assert flags("the same song and the same dance " * 12, 30.0) == ["repetition"]
    words = ["one", "potato", "and", "two", "potatoes", "are", "three"]
    assert flags(" ".join(a + " " + b for a in words for b in words), 60.0) == ["repetition"], "when packed"


def test_impossible_pace() -> None:
    assert flags(SENTENCE, 2.0) == ["too fast"]
    assert flags("Yes.", 4.0) == ["too slow"]


def test_long_words() -> None:
    assert flags("It was a Donaudampfschifffahrtsgesellschaftskapitän again") == ["long word"]
    drawn = (Word(0.1, 0.5, "It", 1.0), Word(0.5, 2.6, "was", 1.0))
    assert flags("It was", 2.7, words=drawn) == ["long word"]


def test_nobody_speaks() -> None:
    assert flags("Thank you.", 2.0, no_speech=0.8) == ["no speech"]
    assert flags("", no_speech=None) == ["nothing recognised"]
    assert flags(SENTENCE, 4.0, 0.01) == ["words do not fit"]


def test_thresholds_are_settings() -> None:
    lenient = Transcribe(
        max_characters_per_second=10_000,
        min_characters_per_second=0,
        max_compression_ratio=100,
        max_repeats=100,
        max_word_length=100,
        max_word_duration=100,
        max_no_speech=1,
        min_fit=0,
    )
    heard = Transcript("it is " * 40 + "x" * 50, 0.1, "en", (Word(0, 9, "it", 1),), no_speech=0.99)
    for duration in (0.1, 1000):
        assert len(Transcribe().flags(heard, duration, 0.0)) == 5
        assert lenient.flags(heard, duration, 0.0) == []


@pytest.mark.parametrize(
    ("text", "times"),
    [("", 0), ("a", 1), ("a b a b", 2), ("a b a b a", 2), ("x a b a b a b y", 3), ("a a b b b a", 3)],
)
def test_repeats(text: str, times: int) -> None:
    assert repeats(text.split()) == times


def test_compression_is_that_of_whispers_authors() -> None:
    assert compression_ratio("") == 0.0
    assert compression_ratio(SENTENCE) < 1.2
    assert compression_ratio(SENTENCE * 10) > 5


def test_fit_is_by_time_and_of_what_was_judged() -> None:
    words = [Word(0, 1, "a", 0.1), Word(1, 1, "—", 0.0), Word(1, 4, "b", 0.001), Word(4, 9, "日本", 0.0)]
    assert fit_of(words) == pytest.approx(10 ** (-(1 * 1 + 3 * 3) / 4))
    assert fit_of(words[1:2]) is None


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source of 9 s: a sentence from 2 s on, and nothing from 6 s on."""
    folder = tmp_path_factory.mktemp("workspace")
    voice = resample_poly(speak(SENTENCE, voice=VOICES["one"]).samples, 2, 3)
    source = np.zeros(9 * SAMPLE_RATE, np.float32)
    source[2 * SAMPLE_RATE : 2 * SAMPLE_RATE + len(voice)] = voice
    soundfile.write(folder / "audio.wav", source, SAMPLE_RATE)
    return folder


CLIP = Clip("talk", "talk", 0.0, 9.0, {"audio": "audio.wav", "gain": 3.0, "snr": 30.0})
CLIPS = [CLIP.part(1.75, 5.75), CLIP.part(6.0, 8.0)]
Run = Callable[[Stage], list[Clip]]


@pytest.fixture
def run(workspace: Path) -> Run:
    def run(stage: Stage) -> list[Clip]:
        kept, report = run_stage(stage, CLIPS, workspace, LocalPool(workers=1))
        assert not report.failed, report.failed
        return kept

    return run


def test_the_stage(run: Run) -> None:
    said, silent = run(Transcribe())
    assert word_error_rate([SENTENCE], [said["text"]]) == 0.0
    assert said["heard"] == said["text"]
    assert said["flags"] == []
    assert said["language"] == "en"
    assert said["transcriber"] == SphinxRecognizer().model_id
    assert said["snr"] == 30.0, "what it does not look at stays"
    assert said["fit"] > 0.05
    assert said["characters_per_second"] == pytest.approx(len("".join(said["text"].split())) / 4)
    assert [word[2] for word in said["words"]] == said["text"].split()
    assert said["words"][0][0] == pytest.approx(2.04, abs=0.08), "seconds of the source"
    assert said["words"][-1][1] == pytest.approx(5.1, abs=0.15)
    assert all(0 <= word[3] <= 1 for word in said["words"])
    assert (silent["text"], silent["words"], silent["flags"]) == ("", [], ["nothing recognised"])
    assert "disagreement" not in said.fields


def test_without_an_aligner_times_are_the_recognisers(run: Run) -> None:
    said, _ = run(Transcribe(aligner=None))
    assert "fit" not in said.fields
    assert [word[2] for word in said["words"]] == said["text"].split()
    assert CLIPS[0].start <= said["words"][0][0] < said["words"][-1][1] <= CLIPS[0].end


def test_two_recognisers_disagree(run: Run, tmp_path: Path) -> None:
    babbler = WhisperRecognizer(
        pretrained=str(tiny_whisper(tmp_path / "tiny")), language="en", max_tokens=20, device="cpu"
    )
    assert [clip["disagreement"] for clip in run(Transcribe(babbler, second=replace(babbler)))] == [0.0, 0.0]
    said, silent = run(Transcribe(second=babbler))
    assert said["text"].startswith("please call"), "the first one is believed"
    assert 0.5 < said["disagreement"] <= 1.0
    assert silent["disagreement"] == 1.0


def test_batches(run: Run, tmp_path: Path) -> None:
    whisper = WhisperRecognizer(
        pretrained=str(tiny_whisper(tmp_path / "tiny")), language="en", max_tokens=20, device="cpu"
    )
    together = Transcribe(recognizer=replace(whisper, clips_at_once=2))
    assert together.batch_size == 2
    assert together.key(CLIPS[0]) == Transcribe(recognizer=whisper).key(CLIPS[0])
    clips = run(together)
    assert [clip.id for clip in clips] == [clip.id for clip in CLIPS]
    assert all(clip["transcriber"] == whisper.model_id for clip in clips)
    assert all(0 < clip["no_speech"] < 1 and 0 < clip["confidence"] < 1 for clip in clips)


def test_an_aligner_is_asked_in_its_own_language(run: Run, tmp_path: Path) -> None:
    whisper = WhisperRecognizer(
        pretrained=str(tiny_whisper(tmp_path / "tiny")), language="de", max_tokens=20, device="cpu"
    )
    ctc = CtcAligner(pretrained=str(tiny_ctc(tmp_path / "ctc")), language="de", device="cpu")
    assert all("fit" not in clip.fields for clip in run(Transcribe(recognizer=whisper)))
    assert any("fit" in clip.fields for clip in run(Transcribe(recognizer=whisper, aligner=ctc)))


def test_what_decides_a_result() -> None:
    plain = Transcribe()
    key = plain.key(CLIP)
    assert key == Transcribe().key(CLIP.add(snr=1.0, text="as a person corrected it"))
    assert key != plain.key(CLIP.add(gain=0.0))
    assert key != plain.key(CLIP.part(0.0, 8.0))
    others = [Transcribe(aligner=None), Transcribe(second=SphinxRecognizer()), Transcribe(min_fit=0.1)]
    others += [Transcribe(recognizer=SphinxRecognizer(language_weight=9))]
    assert len({key, *(other.key(CLIP) for other in others)}) == 5


def test_whisper_on_the_demos_voice(run: Run) -> None:
    folder = Path(os.environ.get("UNDERSTUDY_WEIGHTS", "")) / "whisper-tiny.en"
    if not folder.is_dir():
        pytest.skip("set UNDERSTUDY_WEIGHTS to a folder with whisper-tiny.en")
    whisper = WhisperRecognizer(pretrained=str(folder), device="cpu")
    said, silent = run(Transcribe(recognizer=whisper, second=SphinxRecognizer()))
    assert word_error_rate([SENTENCE], [said["text"]]) == 0.0
    assert (said["flags"], said["disagreement"]) == ([], 0.0)
    assert said["confidence"] > 0.8
    assert said["words"][0][0] == pytest.approx(2.04, abs=0.08)
    assert "no speech" in silent["flags"]
