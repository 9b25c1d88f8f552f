"""Cross-fitting from end to end: a tiny recogniser of whistled letters, a wrong text among true ones."""

from pathlib import Path

import pytest
from conftest import run_verb
from review_workspace import desk_of
from songs import settings_for, write_songs

from understudy.data.held_out import read_held_out
from understudy.data.training_notes import write_training
from understudy.errors import UserError
from understudy.train.crossfit import begin

CLIPS, WRONG = 36, "song_5"


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_songs(tmp_path_factory.mktemp("songs"), CLIPS, wrong={WRONG})


def settings(workspace: Path) -> list[str]:
    return [*settings_for(workspace), "folds=2"]


def test_a_wrong_text_comes_up_and_what_is_done_is_not_done_again(
    songs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_verb("crossfit", *settings(songs)) == 0
    found = read_held_out(songs / "held_out.jsonl")
    assert found.keys() == {f"song_{k}" for k in range(CLIPS)}
    assert {judgement.model for judgement in found.values()} == {"crossfit/fold_0", "crossfit/fold_1"}
    assert found[WRONG].loss == max(judgement.loss for judgement in found.values())
    told = capsys.readouterr().out
    assert "judged         36 of 36 clips" in told
    assert told[told.index("most doubtful") :].splitlines()[1].split()[0] == WRONG
    desk = desk_of(songs)
    assert desk.state.status(WRONG) == "doubted", "though a person has confirmed it"
    assert len(desk.state.doubted) < CLIPS / 3

    before, folder = (songs / "held_out.jsonl").read_bytes(), songs / "runs" / "asr" / "crossfit"
    first = folder / "fold_0.jsonl"
    stamp = first.stat().st_mtime_ns
    (songs / "held_out.jsonl").unlink()
    (folder / "fold_1.jsonl").unlink()  # as if it had been stopped there
    assert run_verb("crossfit", *settings(songs)) == 0
    assert first.stat().st_mtime_ns == stamp
    assert (songs / "held_out.jsonl").read_bytes() == before
    assert "fold 1 of 2  is done" in capsys.readouterr().out


def test_a_text_that_cannot_be_what_is_said_is_judged_too(tmp_path: Path) -> None:
    workspace = write_songs(tmp_path, 8)
    with (workspace / "edits.jsonl").open("a") as file:
        file.write('{"clip": "song_3", "set": {"text": "' + "a b c " * 30 + '"}}\n')
        file.write('{"clip": "song_4", "set": {"text": "ß"}}\n')
    assert run_verb("crossfit", *settings(workspace), "trainer.max_steps=4") == 0
    found = read_held_out(workspace / "held_out.jsonl")
    assert len(found) == 8
    for name in ("song_3", "song_4"):
        others = [j.loss for j in found.values() if j.model == found[name].model]
        assert (found[name].error, found[name].loss) == (1.0, max(others))


def test_other_settings_or_texts_begin_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done, settings = tmp_path / "fold_0.jsonl", {"seed": 0, "clips": [["a", 0.0, 1.5, "bin blue"]]}
    for changed, kept in (({}, True), ({"seed": 1}, False), ({"clips": [["a", 0.0, 1.5, "bin"]]}, False)):
        begin(settings, tmp_path)
        done.touch()
        capsys.readouterr()
        begin(settings | changed, tmp_path)
        assert done.exists() is kept
        assert ("begun anew" in capsys.readouterr().out) is not kept


def test_a_model_that_has_learnt_from_the_clips_cannot_judge_them(songs: Path, tmp_path: Path) -> None:
    clips = {"train": ["song_1", "song_2", "gone"], "val": [], "test": []}
    write_training(tmp_path, base="nothing", language="en", clips=clips)
    with pytest.raises(UserError, match="has learnt from 2 of the clips that it shall judge"):
        run_verb("crossfit", *settings(songs), f"model.pretrained={tmp_path}")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("folds=37", "folds=37: there are only 36 clips with a text; give fewer folds"),
        ("folds=1", "folds=1: give 2 or more"),
        ("model=sda", "SDA hears nothing; take model=asr_ctc or model=asr_whisper"),
    ],
)
def test_mistakes_are_told_in_a_line(songs: Path, override: str, said: str) -> None:
    given = [f"workspace={songs}", "subject=folder", "subject.name=x", "subject.sources=[]", override]
    chosen = [] if override.startswith("model=") else ["model=asr_ctc"]
    with pytest.raises(UserError, match=said):
        run_verb("crossfit", *chosen, *given)
