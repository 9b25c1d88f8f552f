import json
import os
import shutil
from pathlib import Path

import pytest

from understudy.data.scrape import find_recordings, scrape, source_path
from understudy.errors import UserError


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_files_folders_and_globs(recordings: Path, tmp_path: Path) -> None:
    recordings = shutil.copytree(recordings, tmp_path / "a folder" / "recordings")
    (recordings / "notes.txt").write_text("no recording")
    everything = ["take 0.mp4", "take 1.mp4", "take 2.mp4"]
    assert names(find_recordings([recordings])) == everything
    assert names(find_recordings([recordings / "take 1.mp4"])) == ["take 1.mp4"]
    assert names(find_recordings([f"{recordings}/take [02].mp4"])) == everything[::2]
    assert names(find_recordings([f"{recordings.parent}/**/*.mp4"])) == everything
    assert names(find_recordings([recordings / "take 2.mp4", recordings])) == everything


def test_what_names_nothing_is_said(recordings: Path, tmp_path: Path) -> None:
    for pattern in (tmp_path / "nowhere", tmp_path, f"{recordings}/*.avi"):
        with pytest.raises(UserError, match="no recording is there"):
            find_recordings([recordings, pattern])
    with pytest.raises(UserError, match="only local files"):
        find_recordings(["https://example.org/talk.mp4"])


def test_one_clip_a_recording_with_its_origin(recordings: Path, tmp_path: Path) -> None:
    clips, report = scrape([recordings], tmp_path)
    assert [clip.id.rpartition("-")[0] for clip in clips] == ["take-0", "take-1", "take-2"]
    assert [clip.duration for clip in clips] == pytest.approx([2.0] * 3, abs=0.1)
    assert (report.clips_in, report.clips_out, report.cached) == (3, 3, 0)
    record = json.loads((tmp_path / "sources" / f"{clips[0].source}.json").read_text())
    assert record["origin"] == str(recordings / "take 0.mp4")
    assert record["sha256"].startswith(clips[0].id.rpartition("-")[2])
    assert source_path(tmp_path, clips[0].source) == recordings / "take 0.mp4"


def test_what_is_known_is_not_read_again(recordings: Path, tmp_path: Path) -> None:
    first, _ = scrape([recordings], tmp_path)
    again, report = scrape([recordings], tmp_path)
    assert again == first
    assert report.cached == 3


def test_a_source_is_its_content(recordings: Path, tmp_path: Path) -> None:
    """Moved, it is the same; another content under the old name is another one."""
    folder = shutil.copytree(recordings, tmp_path / "recordings")
    first, _ = scrape([folder], tmp_path)
    os.rename(folder, tmp_path / "moved")
    with pytest.raises(UserError, match="is gone; run prepare again"):
        source_path(tmp_path, first[0].source)
    moved, _ = scrape([tmp_path / "moved"], tmp_path)
    assert moved == first
    assert source_path(tmp_path, first[0].source).parent == tmp_path / "moved"
    shutil.copy(recordings / "take 1.mp4", tmp_path / "moved" / "take 0.mp4")
    (tmp_path / "moved" / "take 1.mp4").unlink()
    changed, _ = scrape([tmp_path / "moved"], tmp_path)
    assert [clip.source.rpartition("-")[2] for clip in changed] == [
        clip.source.rpartition("-")[2] for clip in first[1:]
    ]


def test_a_copy_counts_once(recordings: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(recordings, tmp_path / "recordings")
    shutil.copytree(recordings, folder / "backup")
    (folder / "backup" / "take 0.mp4").rename(folder / "backup" / "other name.mp4")
    clips, report = scrape([folder], tmp_path)
    assert len(clips) == 3
    assert report.clips_in == 6
    assert report.dropped == {"the same recording under another name": 3}


def test_what_cannot_be_read_is_set_aside(recordings: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(recordings, tmp_path / "recordings")
    (folder / "notes.mp4").write_text("my notes")
    (folder / "empty.wav").touch()
    clips, report = scrape([folder], tmp_path)
    assert len(clips) == 3
    assert names([Path(path) for path in report.failed]) == ["empty.wav", "notes.mp4"]
    assert all("cannot be read" in error for error in report.failed.values())
