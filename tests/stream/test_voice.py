"""The voice speaks clause by clause, and the same however its text arrives."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hums import RATE, write_vocoder, write_voice

from understudy.errors import UserError
from understudy.stream.voice import Voice

TEXT = "well, this is a longer text; it has clauses. and sentences!"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twin")
    write_voice(folder / "tts")
    write_vocoder(folder / "vocoder")
    return folder


def voice_of(twin: Path, vocoder: str = "vocoder", **settings: float) -> Voice:
    return Voice(twin / "tts", twin / vocoder, device="cpu", **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def voice(twin: Path) -> Voice:
    return voice_of(twin)


@pytest.mark.parametrize("length", [1, 4, 1000])
def test_a_text_sounds_the_same_in_pieces_of_any_length(voice: Voice, length: int) -> None:
    pieces = [TEXT[k : k + length] for k in range(0, len(TEXT), length)]
    sounds = [*voice.stream(pieces)]
    assert np.array_equal(np.concatenate([sound.samples for sound in sounds]), voice.say(TEXT))
    assert " ".join(sound.clause for sound in sounds if sound.begins) == TEXT
    assert all(len(sound.samples) for sound in sounds)


def test_without_a_vocoder_phases_are_found_for_a_clause_at_once(twin: Path) -> None:
    voice = Voice(twin / "tts", "griffin_lim", device="cpu")
    sounds = [*voice.stream(TEXT)]
    assert [sound.clause for sound in sounds if sound.begins] == [sound.clause for sound in sounds]
    assert np.array_equal(np.concatenate([sound.samples for sound in sounds]), voice.say(TEXT))
    assert all(np.abs(sound.samples).max() > 0 for sound in sounds)


def test_the_first_sound_comes_before_the_text_is_complete(voice: Voice) -> None:
    read = []

    def arriving() -> Iterator[str]:
        for letter in TEXT:
            read.append(letter)
            yield letter

    first = next(iter(voice.stream(arriving())))
    assert first.clause == "well,"
    assert len(read) <= len("well, t")


def test_twice_as_fast_is_half_as_long(voice: Voice, twin: Path) -> None:
    fast = voice_of(twin, speed=2.0, pause=0.0)
    plain = voice_of(twin, pause=0.0)
    assert len(fast.say(TEXT)) / len(plain.say(TEXT)) == pytest.approx(0.5, abs=0.03)


def test_pauses_are_behind_sentences_and_half_as_long_behind_clauses(twin: Path) -> None:
    text = "one two; three four. Five six!"
    paused, plain = (voice_of(twin, pause=pause).say(text) for pause in (0.2, 0.0))
    assert len(paused) - len(plain) == round(0.1 * RATE) + 2 * round(0.2 * RATE)
    assert not paused[-round(0.2 * RATE) :].any()


def test_nothing_to_say_is_no_sound(voice: Voice, capsys: pytest.CaptureFixture[str]) -> None:
    assert [*voice.stream([])] == [*voice.stream(["", " \n"])] == []
    assert [*voice.stream(["?! 123"])] == []
    assert "there is nothing in it to say" in capsys.readouterr().out
    with pytest.raises(UserError, match="there is nothing in it to say"):
        voice.say(" ")


def test_what_is_guessed_is_told(voice: Voice, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(voice.say("a Ωb c"))
    assert "guessed how to say Ωb; lexicon.tsv can tell" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"sample_rate": 16000},
            "makes 16000 Hz of 80 mel bands in steps of 256 samples, the voice .* 22050",
        ),
        ({"n_mels": 40}, "makes 22050 Hz of 40 mel bands"),
        ({"hop_length": 128}, "in steps of 128 samples"),
    ],
)
def test_a_vocoder_of_another_kind_is_refused(
    twin: Path, tmp_path: Path, changes: dict[str, int], said: str
) -> None:
    other = write_vocoder(tmp_path / "other", **changes)
    with pytest.raises(UserError, match=said):
        voice_of(twin, str(other))


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"speed": 0.0}, "speed=0.0: is a factor"), ({"pause": -1.0}, "pause=-1.0: is in seconds")],
)
def test_settings_that_make_no_sense_are_refused(twin: Path, settings: dict[str, float], said: str) -> None:
    with pytest.raises(UserError, match=said):
        voice_of(twin, **settings)
