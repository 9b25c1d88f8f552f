"""Recordings by URL: a web site on this machine, through yt-dlp's own extractors and downloaders."""

import ctypes
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from conftest import config_of
from hydra.utils import instantiate
from material import babble, write
from website import Website, serve
from yt_dlp.utils import ExtractorError

from understudy.data.archive import Recording, key_of
from understudy.data.download import Downloader
from understudy.data.download_log import Messages
from understudy.data.download_session import Failure, Found
from understudy.data.executors import LocalPool
from understudy.data.manifest import Drop, read_json_lines
from understudy.data.media import probe
from understudy.data.prepare import prepare
from understudy.data.scrape import scrape, source_path
from understudy.data.subject import Subject
from understudy.errors import UserError

QUICK: dict[str, Any] = {"retries": 1, "timeout": 5.0}


@pytest.fixture
def website() -> Iterator[Website]:
    with serve() as site:
        yield site


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Three MP4s: two of 2 s and one of 1 s."""
    folder = tmp_path_factory.mktemp("talks")
    return [
        write(folder / f"{k}.mp4", *babble(frames, seed=k)).read_bytes()
        for k, frames in enumerate((50, 50, 25))
    ]


def fetch(folder: Path, *addresses: str, **settings: Any) -> list[Found]:
    return list(Downloader(**{**QUICK, **settings}).fetch(addresses, folder))


def only(found: list[Found]) -> Recording:
    (recording,) = found
    assert isinstance(recording, Recording)
    return recording


def contents(folder: Path, found: list[Found]) -> list[bytes]:
    return [(folder / one.path).read_bytes() for one in found if isinstance(one, Recording) and one.path]


def begin_of(span: str | None) -> int:
    assert span
    return int(span.removeprefix("bytes=").removesuffix("-"))


def reasons(found: list[Found]) -> list[str]:
    return [one.reason for one in found if not isinstance(one, Recording)]


def test_a_page_with_a_video(website: Website, talks: list[bytes], tmp_path: Path) -> None:
    website.put("talk.mp4", talks[0])
    website.put("talk.vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nGood morning\n")
    page = website.page("page.html", "talk.mp4", title="Über “Dies & das”: 50% 🎉", track="talk.vtt")
    recording = only(fetch(tmp_path, page))
    assert contents(tmp_path, [recording]) == [talks[0]]
    assert recording.origin == page
    assert "Über “Dies" in recording.title
    assert recording.duration == pytest.approx(2.0, abs=0.1)
    assert "Good morning" in (tmp_path / recording.subtitles["en"]).read_text()


def test_what_is_there_needs_no_network(website: Website, talks: list[bytes], tmp_path: Path) -> None:
    page = website.page("page.html", website.put("talk.mp4", talks[0]))
    file = website.put("other.mp4", talks[1])
    found = fetch(tmp_path, page, file)
    assert contents(tmp_path, found) == talks[:2]
    website.requests.clear()
    assert fetch(tmp_path, page, file) == found
    assert website.requests == []


def test_what_was_found_elsewhere_is_not_fetched_again(
    website: Website, talks: list[bytes], tmp_path: Path
) -> None:
    """A file is the same on its own, on a page and in a feed; another site's file of that name is not."""
    file = website.put("talk.mp4", talks[0])
    first = only(fetch(tmp_path, file))
    website.requests.clear()
    page, feed = website.page("page.html", "talk.mp4"), website.feed("feed.xml", "talk.mp4")
    assert fetch(tmp_path, page) == fetch(tmp_path, feed) == [first]
    assert website.asked("talk.mp4") == []
    with serve() as another:
        another.put("talk.mp4", talks[1])
        there = fetch(tmp_path, another.page("page.html", "talk.mp4"))
    assert contents(tmp_path, there) == [talks[1]]


def test_a_recording_keeps_its_name_when_its_site_moves_it(
    website: Website, talks: list[bytes], tmp_path: Path
) -> None:
    website.put("talk.mp4", talks[0])
    website.redirects["short"] = "talk.mp4"
    short = f"{website.address}/short"
    found = fetch(tmp_path, short)
    website.requests.clear()
    assert fetch(tmp_path, f"{website.address}/talk.mp4", short) == found * 2
    assert website.requests == []
    old = {"extractor_key": "Youtube", "id": "dQw4", "url": "https://youtu.be/dQw4"}
    new = {"ie_key": "Youtube", "id": "dQw4", "url": "https://www.youtube.com/watch?v=dQw4"}
    assert key_of(old) == key_of(new) != key_of({**old, "id": "x"})


def test_a_file_that_was_deleted_is_fetched_again(
    website: Website, talks: list[bytes], tmp_path: Path
) -> None:
    file = website.put("talk.mp4", talks[0])
    (tmp_path / str(only(fetch(tmp_path, file)).path)).unlink()
    assert contents(tmp_path, fetch(tmp_path, file)) == [talks[0]]


def test_an_archive_that_was_lost_costs_no_transfer(
    website: Website, talks: list[bytes], tmp_path: Path
) -> None:
    """As when the program is killed between a file's end and its entry."""
    page = website.page("page.html", website.put("talk.mp4", talks[0]))
    found = fetch(tmp_path, page)
    (tmp_path / "archive.json").unlink()
    website.requests.clear()
    assert fetch(tmp_path, page) == found
    assert website.asked("talk.mp4") == []


@pytest.mark.parametrize("trouble", ["breaks", "stalls"])
def test_a_transfer_goes_on_where_it_stopped(
    trouble: str, website: Website, talks: list[bytes], tmp_path: Path
) -> None:
    page = website.page("page.html", website.put("talk.mp4", talks[0]))
    half = len(talks[0]) // 2
    getattr(website, trouble)["talk.mp4"] = half
    assert contents(tmp_path, fetch(tmp_path, page, timeout=0.5)) == [talks[0]]
    first, second = website.asked("talk.mp4")
    assert first is None
    assert 0 < begin_of(second) <= half


def test_the_next_run_goes_on_where_the_last_one_stopped(
    website: Website, talks: list[bytes], tmp_path: Path
) -> None:
    page = website.page("page.html", website.put("talk.mp4", talks[0]))
    website.breaks["talk.mp4"] = 10000
    (failure,) = fetch(tmp_path, page, retries=0)
    assert isinstance(failure, Failure)
    website.requests.clear()
    assert contents(tmp_path, fetch(tmp_path, page)) == [talks[0]]
    (span,) = website.asked("talk.mp4")
    assert 0 < begin_of(span) <= 10000


def test_what_fails_is_told_in_one_line_and_the_rest_goes_on(
    website: Website, talks: list[bytes], tmp_path: Path
) -> None:
    website.put("private.mp4", 403)
    website.put("garbage.mp4", b"\0garbage" * 1000)
    website.put("empty.mp4", b"")
    website.put("text.html", "<p>no video here</p>")
    website.put("half.mp4", talks[0][:9000])
    website.page("dead.html", "dead.mp4")
    website.put("talk.mp4", talks[0])
    said = {
        "missing.mp4": "Unable to download webpage: HTTP Error 404: Not Found",
        "private.mp4": "Unable to download webpage: HTTP Error 403: Forbidden",
        "garbage.mp4": "what came cannot be read as sound or video",
        "empty.mp4": "",
        "text.html": "Unsupported URL",
        "half.mp4": "what came cannot be read as sound or video",
        "dead.html": "unable to download video data: HTTP Error 404: Not Found",
        "talk.mp4": None,
    }
    addresses = {f"{website.address}/{name}": reason for name, reason in said.items()}
    nowhere = {"http://127.0.0.1:9/talk.mp4": "Connection refused", "gopher://old.example/talk": "gopher"}
    found = fetch(tmp_path, *addresses, *nowhere)
    assert contents(tmp_path, found) == [talks[0]]
    failures = {one.address: one.reason for one in found if isinstance(one, Failure)}
    for address, reason in {**addresses, **nowhere}.items():
        if reason is not None:
            line = failures.pop(address)
            assert reason in line
            assert line
            assert line.isprintable()
            assert "report this issue" not in line
            assert "caused by" not in line
    assert not failures
    assert {path.suffix for path in tmp_path.iterdir()} == {".mp4", ".json"}, "nothing broken is left"

    website.put("garbage.mp4", talks[1])
    assert contents(tmp_path, fetch(tmp_path, f"{website.address}/garbage.mp4")) == [talks[1]]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            f"\x1b[0;31mERROR:\x1b[0m {ExtractorError('Unable to extract title', video_id='a', ie='vimeo')}",
            "Unable to extract title",
        ),
        (
            "ERROR: [youtube] abc: Private video. Sign in if you've been granted access to this video. "
            "Use --cookies-from-browser or --cookies for the authentication. See  https://github.com/",
            "Private video. Sign in if you've been granted access to this video. Give download.cookies=FILE",
        ),
        (
            "ERROR: [vimeo] 12: Not available here.\nThis video is available in Austria.",
            "Not available here. This video is available in Austria.",
        ),
    ],
)
def test_reasons_leave_out_what_yt_dlp_says_of_itself(said: str, reason: str) -> None:
    messages = Messages()
    messages.error("\n")
    messages.error(said)
    assert messages.reason() == reason


def test_playlists(website: Website, talks: list[bytes], tmp_path: Path) -> None:
    """A page with several videos or a feed; a recording that fails does not count towards the limit."""
    for k, talk in enumerate(talks):
        website.put(f"{k}.mp4", talk)
    page = website.page("page.html", "0.mp4", "1.mp4", "2.mp4")
    assert contents(tmp_path / "all", fetch(tmp_path / "all", page)) == talks
    feed = website.feed("feed.xml", "lost.mp4", "0.mp4", "1.mp4", "1.mp4", "2.mp4")
    website.requests.clear()
    found = fetch(tmp_path / "two", feed, limit=2)
    assert contents(tmp_path / "two", found) == talks[:2]
    assert [one.title for one in found if isinstance(one, Recording)] == ["Episode 2", "Episode 3"]
    assert [one.date for one in found if isinstance(one, Recording)] == ["2025-01-02", "2025-01-03"]
    assert reasons(found) == ["Unable to download webpage: HTTP Error 404: Not Found"]
    assert website.asked("2.mp4") == []
    assert contents(tmp_path / "two", fetch(tmp_path / "two", feed)) == talks


def test_a_playlist_that_is_gone_is_taken_as_it_was(
    website: Website, talks: list[bytes], tmp_path: Path
) -> None:
    for k, talk in enumerate(talks):
        website.put(f"{k}.mp4", talk)
    feed = website.feed("feed.xml", "0.mp4", "1.mp4", "2.mp4")
    found = fetch(tmp_path, feed)
    website.files.clear()
    failure, *rest = fetch(tmp_path, feed)
    assert rest == found
    assert isinstance(failure, Failure)
    assert failure.address == feed
    assert (
        failure.reason
        == "Unable to download webpage: HTTP Error 404: Not Found; going on with what it held before"
    )
    assert fetch(tmp_path, feed, limit=2)[1:] == found[:2]


def test_a_link_that_leads_back(website: Website, talks: list[bytes], tmp_path: Path) -> None:
    website.put("talk.mp4", talks[0])
    feed = website.feed("feed.xml", "feed.xml", "talk.mp4")
    assert contents(tmp_path, fetch(tmp_path, feed)) == [talks[0]]
    assert reasons(fetch(tmp_path, website.feed("self.xml", "self.xml"))) == ["holds no recording"]


def test_days_and_lengths(website: Website, talks: list[bytes], tmp_path: Path) -> None:
    """What is not wanted is dropped with the reason, before it is fetched where that is known."""
    for k, talk in enumerate(talks):
        website.put(f"{k}.mp4", talk)
    feed = website.feed("feed.xml", "0.mp4", "1.mp4", "2.mp4")
    found = fetch(tmp_path, feed, after="2025-01-02", before=20250102)
    assert contents(tmp_path, found) == [talks[1]]
    assert reasons(found) == ["published before 2025-01-02", "published after 2025-01-02"]
    assert all(isinstance(one, Drop) for one in found[::2])
    assert website.asked("0.mp4") == website.asked("2.mp4") == []
    found = fetch(tmp_path, feed, min_duration=1.5)
    assert contents(tmp_path, found) == talks[:2]
    assert reasons(found) == ["shorter than 1.5 s"]
    website.requests.clear()
    found = fetch(tmp_path, feed, max_duration=1.5)
    assert contents(tmp_path, found) == [talks[2]]
    assert reasons(found) == ["longer than 1.5 s"] * 2
    assert website.requests == [("feed.xml", None)]


def test_picture_and_sound_in_pieces_are_put_together(
    website: Website, talks: list[bytes], tmp_path: Path
) -> None:
    """DASH and HLS, with the ffmpeg of a wheel: there may be none on the machine."""
    (tmp_path / "talk.mp4").write_bytes(talks[0])
    for name in ("talk.mpd", "talk.m3u8"):
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", "talk.mp4", "-c", "copy"]
        subprocess.run([*command, name], cwd=tmp_path, check=True)
    for path in tmp_path.iterdir():
        website.put(path.name, path.read_bytes())
    assert any("stream1" in name for name in website.files), "sound apart from the picture"
    folder = tmp_path / "downloads"
    found = fetch(folder, f"{website.address}/talk.mpd", f"{website.address}/talk.m3u8")
    for recording in found:
        assert isinstance(recording, Recording)
        info = probe(folder / str(recording.path))
        assert (info.has_video, info.has_audio) == (True, True)
        assert info.duration == pytest.approx(2.0, abs=0.2)
    assert {path.suffix for path in folder.iterdir()} == {".mp4", ".json"}

    website.put(next(name for name in website.files if name.endswith(".ts")), 404)
    (failure,) = fetch(tmp_path / "holes", f"{website.address}/talk.m3u8")
    assert isinstance(failure, Failure), "no recording with a hole in it"


def test_cookies_are_sent_and_only_read(website: Website, talks: list[bytes], tmp_path: Path) -> None:
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tmember\tyes\n")
    before = cookies.read_bytes()
    found = fetch(tmp_path / "files", website.put("talk.mp4", talks[0]), cookies=str(cookies))
    assert contents(tmp_path / "files", found) == [talks[0]]
    assert website.cookies == {"member=yes"}
    assert cookies.read_bytes() == before


def test_settings_in_the_words_of_yt_dlp(tmp_path: Path) -> None:
    settings = Downloader(
        rate_limit=2.5, retries=4, timeout=7.0, max_height=480, options={"proxy": "http://p"}
    )
    options = settings.yt_dlp_options(tmp_path)
    assert options["ratelimit"] == 2_500_000
    assert (options["retries"], options["fragment_retries"], options["socket_timeout"]) == (4, 4, 7.0)
    assert options["format_sort"][0] == "res:480"
    assert options["proxy"] == "http://p"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"after": "soon"}, "download.after=soon: is no date; give one as 2024-01-31"),
        ({"limit": 0}, "download.limit=0"),
        ({"cookies": "/no/such.txt"}, "download.cookies=/no/such.txt: cannot be read"),
        ({"cookies": __file__}, "is no cookies.txt"),
        ({"format": "best[height"}, "download: "),
    ],
)
def test_wrong_settings_are_the_request_s_fault(
    settings: dict[str, Any], said: str, website: Website, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as raised:
        fetch(tmp_path, website.put("talk.mp4", b"never asked for"), **settings)
    assert said in str(raised.value)
    assert str(raised.value).isprintable()
    assert website.requests == []


CHILD = """
import resource, sys
from pathlib import Path
from understudy.data.download import Downloader
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
for found in Downloader(retries=0).fetch(sys.argv[2:], Path(sys.argv[1])):
    print(getattr(found, "reason", "fetched"))
"""


def test_no_room_for_a_file(website: Website, talks: list[bytes], tmp_path: Path) -> None:
    """What does not fit makes room again, and what fits is fetched."""
    large, small = website.put("large.mp4", talks[0]), website.put("small.mp4", talks[2])
    assert len(talks[2]) < 40_000 < len(talks[0])
    command = [sys.executable, "-c", CHILD, str(tmp_path), large, small]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    reason, fetched = done.stdout.splitlines()
    assert reason.endswith("[Errno 27] File too large")
    assert fetched == "fetched"
    assert [path.read_bytes() for path in tmp_path.glob("*.mp4*")] == [talks[2]]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 48 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, b"size=48k"):
        pytest.skip("mounting a small file system takes root")
    yield folder
    libc.umount(bytes(folder))


def test_a_full_disk(small_disk: Path, website: Website, talks: list[bytes]) -> None:
    large, small = website.put("large.mp4", talks[0]), website.put("small.mp4", talks[2])
    found = fetch(small_disk, large, small)
    (reason,) = reasons(found)
    assert reason.endswith("[Errno 28] No space left on device")
    assert contents(small_disk, found) == [talks[2]]


def test_prepare_from_the_web(
    website: Website, talks: list[bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The closing table and the exit code say what failed, and why; the rest goes on."""
    page = website.page("page.html", website.put("talk.mp4", talks[0]))
    dead = f"{website.address}/dead.mp4"
    for name, talk in (("local.mp4", talks[1]), ("the same talk.mp4", talks[0])):
        (tmp_path / name).write_bytes(talk)
    workspace = tmp_path / "workspace"
    download = instantiate(config_of("prepare", "subject=demo", "download.retries=0").download)
    assert isinstance(download, Downloader)

    def prepared() -> int:
        return prepare(
            subject=Subject("someone", [str(tmp_path / "*.mp4"), page, dead]),
            workspace=str(workspace),
            stages={},
            engine=LocalPool(workers=1),
            download=download,
        )

    assert prepared() == 1
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["scrape", "4", "2", "1", "1"] in [row[:5] for row in rows]
    assert ["scrape", dead, "Unable"] in [row[:3] for row in rows]
    (failed,) = read_json_lines(workspace / "manifests" / "scrape.failed.jsonl")
    assert failed == {"id": dead, "error": "Unable to download webpage: HTTP Error 404: Not Found"}
    (dropped,) = read_json_lines(workspace / "manifests" / "scrape.dropped.jsonl")
    assert dropped["reason"] == "the same recording under another name"

    website.put("dead.mp4", talks[2])
    assert prepared() == 0
    assert len(read_json_lines(workspace / "manifests" / "scrape.jsonl")) == 3


def test_a_source_s_record(website: Website, talks: list[bytes], tmp_path: Path) -> None:
    website.put("talk.mp4", talks[0])
    website.put("talk.vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nGood morning\n")
    page = website.page("page.html", "talk.mp4", title="My talk", track="talk.vtt")
    workspace = tmp_path / "workspace"
    (clip,), report = scrape([page], workspace, Downloader(**QUICK))
    assert not report.failed
    record = json.loads((workspace / "sources" / f"{clip.source}.json").read_text())
    assert clip.id.startswith("My-talk-1-")
    assert record["origin"] == page
    assert record["title"] == "My talk (1)"
    assert {"uploader", "licence", "date", "duration", "fps", "sample_rate"} < record.keys()
    assert (workspace / record["path"]).read_bytes() == talks[0]
    assert "Good morning" in (workspace / record["subtitles"]["en"]).read_text()
    moved = workspace.rename(tmp_path / "moved")
    assert source_path(moved, clip.source).read_bytes() == talks[0]
    again, report = scrape([page], moved, Downloader(**QUICK))
    assert again == [clip]
