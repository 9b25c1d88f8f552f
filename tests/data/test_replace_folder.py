from pathlib import Path

import pytest
from material import files_under

from understudy.data.replace_folder import replaced


def write(folder: Path, text: str, *, fails: bool = False) -> None:
    with replaced(folder) as partial:
        (partial / f"{text}.txt").write_text(text)
        if fails:
            raise ValueError("no more")


def test_a_new_folder_takes_the_place_of_the_old_one_and_nothing_else_is_left(tmp_path: Path) -> None:
    write(tmp_path / "twin" / "tts", "old")
    write(tmp_path / "twin" / "tts", "new")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()] == [
        "twin/tts/new.txt"
    ]
    assert [path.name for path in (tmp_path / "twin").iterdir()] == ["tts"]


def test_what_goes_wrong_leaves_the_old_one_alone(tmp_path: Path) -> None:
    write(tmp_path / "tts", "old")
    before = files_under(tmp_path)
    with pytest.raises(ValueError, match="no more"):
        write(tmp_path / "tts", "new", fails=True)
    assert files_under(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["tts"]


def test_after_a_run_that_was_killed_in_between_the_old_one_is_back(tmp_path: Path) -> None:
    write(tmp_path / "tts", "old")
    (tmp_path / "tts").rename(tmp_path / ".tts.former")
    (tmp_path / ".tts.partial").mkdir()
    with pytest.raises(ValueError, match="no more"):
        write(tmp_path / "tts", "new", fails=True)
    assert [path.name for path in tmp_path.iterdir()] == ["tts"]
    assert (tmp_path / "tts" / "old.txt").read_text() == "old"
