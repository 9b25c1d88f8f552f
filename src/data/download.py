"""Recordings by URL, through yt-dlp as a library.

`archive.json` beside the files remembers what was fetched, by the name its site knows it by, wherever
it was found. So nothing is fetched twice, what is there needs no network, and a playlist that cannot
be listed is taken as it was. What fails is tried again in the next run, and goes on where it stopped.
"""

import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from understudy.data.archive import Info, Recording
from understudy.data.download_session import Found, Session
from understudy.data.media import Seconds
from understudy.errors import UserError


def is_address(source: str) -> bool:
    """A URL, or a search such as `ytsearch5:WORDS`, and nothing that is on this machine."""
    return not os.path.lexists(source) and bool(re.match(r"(?!file:)\w+://|\w*search\w*:", source))


@dataclass(frozen=True, kw_only=True)
class Downloader:
    """What is fetched and how; conf/download/yt_dlp.yaml says what each setting does."""

    limit: int | None = None
    after: str | None = None
    before: str | None = None
    min_duration: Seconds | None = None
    max_duration: Seconds | None = None
    max_height: int = 1080
    format: str | None = None
    subtitles: Sequence[str] = ("all", "-live_chat")
    automatic_subtitles: bool = False
    cookies: str | None = None
    rate_limit: float | None = None
    retries: int = 10
    timeout: Seconds = 20.0
    pause: Seconds = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("after", "before"):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, _iso_date(f"download.{name}={given}", given))
        if self.limit is not None and self.limit < 1:
            raise UserError(f"download.limit={self.limit}: give a number from 1 on, or null for all")

    def fetch(self, addresses: Iterable[str], folder: Path) -> Iterator[Found]:
        """What is found at each of `addresses`, its files in `folder`. Only wrong settings raise."""
        session = Session(self, folder)
        try:
            for address in dict.fromkeys(addresses):
                yield from session.visit(address)
        finally:
            session.close()

    def refusal(self, recording: Recording) -> str | None:
        """Why a recording is not wanted; what is not known of it is no reason."""
        length, published = recording.duration, recording.date
        if length is not None and self.min_duration is not None and length < self.min_duration:
            return f"shorter than {self.min_duration:g} s"
        if length is not None and self.max_duration is not None and length > self.max_duration:
            return f"longer than {self.max_duration:g} s"
        if published is not None and self.after is not None and published < self.after:
            return f"published before {self.after}"
        if published is not None and self.before is not None and published > self.before:
            return f"published after {self.before}"
        return None

    def yt_dlp_options(self, folder: Path) -> Info:
        """The settings in yt-dlp's words."""
        # H.264 where there is a choice: it is decoded fastest
        order = [f"res:{self.max_height}", "vcodec:h264"]
        wait = dict.fromkeys(("http", "fragment", "extractor"), _seconds_before_retry)
        return {
            "paths": {"home": str(folder)},
            "outtmpl": {"default": "%(title).60B %(archive_tag)s.%(ext)s"},
            "format": self.format,
            "format_sort": order,
            "noplaylist": True,  # a video that is watched in a playlist is that video
            "writesubtitles": bool(self.subtitles),
            "writeautomaticsub": bool(self.subtitles) and self.automatic_subtitles,
            "subtitleslangs": list(self.subtitles),
            "cookiefile": self._cookies(),
            "ratelimit": self.rate_limit and self.rate_limit * 1e6,
            "retries": self.retries,
            "fragment_retries": self.retries,
            "extractor_retries": min(self.retries, 3),  # who is offline hears of it soon
            "retry_sleep_functions": wait,
            "skip_unavailable_fragments": False,  # no holes that nobody knows of
            "socket_timeout": self.timeout,
            "sleep_interval": self.pause,
            "sleep_interval_requests": self.pause,
            "sleep_interval_subtitles": self.pause,
            "ignoreerrors": True,  # they come to the logger
            "noprogress": True,
            "quiet": True,
            "color": "never",
            **self.options,
        }

    def _cookies(self) -> io.StringIO | None:
        """A copy, because yt-dlp writes to what it is given."""
        if self.cookies is None:
            return None
        try:
            return io.StringIO(Path(self.cookies).expanduser().read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"download.cookies={self.cookies}: cannot be read ({error}); give a cookies.txt"
            ) from None


def _iso_date(setting: str, given: object) -> str:
    try:
        return date.fromisoformat(str(given)).isoformat()
    except ValueError:
        raise UserError(f"{setting}: is no date; give one as 2024-01-31") from None


def _seconds_before_retry(n: int) -> Seconds:
    """At once, then after 1, 3, 7, 10, 10, ... seconds."""
    return min(2.0**n - 1, 10.0)
