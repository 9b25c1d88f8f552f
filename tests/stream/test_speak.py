"""The verb `speak`, as a person calls it."""

import io
from pathlib import Path

import pytest
import soundfile
from conftest import run_verb
from hums import RATE, write_vocoder, write_voice

from understudy.errors import UserError
from understudy.stream.speak import COMMENT
from understudy.stream.voice import Voice

TEXT = "well, this is a text; it has clauses."


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twin")
    write_voice(folder / "tts")
    write_vocoder(folder / "vocoder")
    return folder


def say(twin: Path, text: str, out: Path, *settings: str) -> int:
    return run_verb("speak", f"twin={twin}", f'text="{text}"', f"out={out}", "device=cpu", *settings)


def test_a_text_becomes_a_file_that_says_what_it_is(
    twin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(twin, TEXT, tmp_path / "deep" / "said.wav", "threads=1") == 0
    expected = Voice(twin / "tts", twin / "vocoder", device="cpu").say(TEXT)
    with soundfile.SoundFile(tmp_path / "deep" / "said.wav") as file:
        assert (file.samplerate, file.channels, file.comment) == (RATE, 1, COMMENT)
        assert abs(file.read() - expected).max() < 1e-4
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["said.wav"]
    assert "first sound after" in capsys.readouterr().out


@pytest.mark.parametrize("extension", ["flac", "ogg", "WAV"])
def test_every_format_is_marked_as_generated(twin: Path, tmp_path: Path, extension: str) -> None:
    out = tmp_path / f"said.{extension}"
    assert say(twin, TEXT, out) == 0
    with soundfile.SoundFile(out) as file:
        assert file.comment == COMMENT
        assert file.frames > 0


def test_a_file_and_standard_input_are_said_alike(
    twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "letter.txt"
    text.write_text("\ufeff" + TEXT.replace("; ", ";\n"), encoding="utf-8")
    assert say(twin, TEXT, tmp_path / "itself.wav") == 0
    assert say(twin, str(text), tmp_path / "file.wav") == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(TEXT.replace("; ", ";\n")))
    assert say(twin, "-", tmp_path / "stdin.wav") == 0
    itself, *others = ((tmp_path / f"{name}.wav").read_bytes() for name in ("itself", "file", "stdin"))
    assert others == [itself, itself]


@pytest.mark.parametrize(
    ("text", "out", "said"),
    [
        (TEXT, "said.mp3", r"out=.*said\.mp3: what is written ends in \.wav, \.flac, \.ogg"),
        ("nowhere.txt", "said.wav", r"text=nowhere\.txt: cannot be read"),
        ("?!", "said.wav", "there is nothing in it to say"),
    ],
)
def test_what_cannot_be_said_is_told_and_nothing_is_written(
    twin: Path, tmp_path: Path, text: str, out: str, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        say(twin, text, tmp_path / out)
    assert [*tmp_path.iterdir()] == []


def test_a_twin_that_cannot_speak_says_what_to_do(twin: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no voice yet; train one"):
        say(tmp_path / "nobody", TEXT, tmp_path / "said.wav")
    (tmp_path / "mute").mkdir()
    (tmp_path / "mute" / "tts").symlink_to(twin / "tts")
    with pytest.raises(UserError, match=r"mute/vocoder: there is no vocoder yet"):
        say(tmp_path / "mute", TEXT, tmp_path / "said.wav")
