import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from understudy.data.download import is_address
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
    assert names(find_recordings([(recordings / "take 1.mp4").as_uri()])) == ["take 1.mp4"]


def test_what_names_nothing_is_said(recordings: Path, tmp_path: Path) -> None:
    for pattern in (tmp_path / "nowhere", tmp_path, f"{recordings}/*.avi", "example.org/talk.mp4"):
        with pytest.raises(UserError, match="no recording is there; give a file, a folder, a glob or a URL"):
            find_recordings([recordings, pattern])


def test_a_folder_is_searched_whole(recordings: Path, tmp_path: Path) -> None:
    """Through links, even in circles; whatever a suffix is written like; not what is no recording."""
    folder = tmp_path / "recordings"
    (folder / "deep" / "deeper.mp4").mkdir(parents=True)
    shutil.copy(recordings / "take 0.mp4", folder / "deep" / "deeper.mp4" / "Take.MP4")
    (folder / "elsewhere").symlink_to(recordings)
    (folder / "deep" / "up").symlink_to(folder)
    (folder / "notes.txt").write_text("no recording")
    expected = {"Take.MP4", "take 0.mp4", "take 1.mp4", "take 2.mp4"}
    assert set(names(find_recordings([folder]))) == expected


def test_addresses_and_files_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for address in ("https://example.org/a.mp4", "ytsearch5:how to talk", "scsearchall:x", "rtmp://a/b"):
        assert is_address(address)
    for file in ("talk.mp4", "C:/talk.mp4", "./https/a.mp4", "~/research.mp4", "*.mp4", "file:///a.mp4"):
        assert not is_address(file)
    Path("research: a talk.mp4").touch()
    assert not is_address("research: a talk.mp4")


def test_one_clip_a_recording_with_its_origin(recordings: Path, tmp_path: Path) -> None:
    clips, report = scrape([recordings], tmp_path)
    assert [clip.id.rpartition("-")[0] for clip in clips] == ["take-0", "take-1", "take-2"]
    assert [clip.duration for clip in clips] == pytest.approx([2.0] * 3, abs=0.1)
    assert (report.clips_in, report.clips_out, report.cached) == (3, 3, 0)
    record = json.loads((tmp_path / "sources" / f"{clips[0].source}.json").read_text())
    assert record["origin"] == str(recordings / "take 0.mp4")
    assert record["title"] == "take 0"
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
    (empty, notes) = report.failed.items()
    assert empty == (str(folder / "empty.wav"), f"{folder / 'empty.wav'}: is empty")
    assert notes[0] == str(folder / "notes.mp4")
    assert "cannot be read" in notes[1]


def test_a_file_that_is_named_and_bad_is_set_aside(recordings: Path, tmp_path: Path) -> None:
    """Only what is not there at all is a wrong request."""
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.mp4")
    bad = [tmp_path / "dangling.mp4", tmp_path / "pipe.mp4"]
    clips, report = scrape([recordings / "take 0.mp4", *bad], tmp_path / "workspace")
    assert len(clips) == 1
    assert report.failed.keys() == {str(path) for path in bad}


CHILD = """
import sys
from pathlib import Path
from understudy.data import scrape
scrape.SAVE_EVERY = 0.0
scrape.scrape([sys.argv[1]], Path(sys.argv[2]))
"""


def test_what_was_read_before_a_kill_is_kept(recordings: Path, tmp_path: Path) -> None:
    """Killed while it reads a recording that takes long."""
    folder, workspace = shutil.copytree(recordings, tmp_path / "recordings"), tmp_path / "workspace"
    shutil.copy(folder / "take 0.mp4", folder / "take 9.mp4")
    os.truncate(folder / "take 9.mp4", 1 << 40)
    index = workspace / "sources" / ".index.json"
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(folder), str(workspace)])
    while not index.exists() or len(json.loads(index.read_text())) < 3:
        assert process.poll() is None, "ended before it was to be killed"
        time.sleep(0.01)
    process.kill()
    process.wait()
    (folder / "take 9.mp4").unlink()
    clips, report = scrape([folder], workspace)
    assert (len(clips), report.cached) == (3, 3)


def test_an_index_that_was_cut_short_is_made_anew(recordings: Path, tmp_path: Path) -> None:
    first, _ = scrape([recordings], tmp_path)
    (tmp_path / "sources" / ".index.json").write_text('{"/cut/sh')
    again, report = scrape([recordings], tmp_path)
    assert (again, report.cached) == (first, 0)
    assert scrape([recordings], tmp_path)[1].cached == 3


def test_a_file_that_is_renamed_keeps_its_name_here(recordings: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(recordings, tmp_path / "recordings")
    before, _ = scrape([folder], tmp_path / "workspace")
    (folder / "take 1.mp4").rename(folder / "another name.mp4")
    after, _ = scrape([folder], tmp_path / "workspace")
    assert {clip.id for clip in after} == {clip.id for clip in before}
