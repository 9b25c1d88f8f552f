"""What is known of recordings from the web, kept beside their files."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from understudy.data.manifest import write_atomically
from understudy.data.media import Seconds
from understudy.errors import UserError, one_line

Info = dict[str, Any]  # what yt-dlp says of an address

# yt-dlp's extractors for sites it does not know take ids from file names: every `talk.mp4` would be the same
NAMELESS = (None, "Generic", "HTML5MediaEmbed")


@dataclass(frozen=True)
class Recording:
    """A file, relative to the folder of downloads or absolute, and what its origin says of it.

    `path` is None for one that is known but was not wanted.
    """

    path: str | None
    origin: str  # URL or path
    title: str
    uploader: str | None = None
    licence: str | None = None
    date: str | None = None  # of publication: 2024-01-31
    duration: Seconds | None = None
    subtitles: dict[str, str] = field(default_factory=dict)  # files by language


class Archive:
    """Recordings by key, keys by the addresses that name one recording, and what listings held."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            state = json.loads(path.read_text("utf-8")) if path.exists() else {}
        except ValueError:
            raise UserError(f"{path}: is damaged; delete it, the files beside it are found again") from None
        self.recordings = {key: Recording(**known) for key, known in state.get("recordings", {}).items()}
        self.names: dict[str, str] = state.get("names", {})
        self.listings: dict[str, list[str]] = state.get("listings", {})

    def add(self, key: str, recording: Recording, names: Iterable[str]) -> None:
        self.recordings[key] = recording
        self.names.update(dict.fromkeys(names, key))
        self.save()

    def save(self) -> None:
        recordings = {key: asdict(recording) for key, recording in self.recordings.items()}
        state = {"recordings": recordings, "names": self.names, "listings": self.listings}
        write_atomically(self.path, json.dumps(state, indent=1))


def key_of(info: Info) -> str:
    """What a recording is known by: its site's name for it, or the address of the file itself."""
    from yt_dlp.utils import make_archive_id

    extractor = info.get("extractor_key") or info.get("ie_key")
    if extractor not in NAMELESS and info.get("id"):
        return str(make_archive_id(extractor, info["id"]))
    formats = [one["url"] for one in info.get("formats") or () if one.get("url")]
    return "generic " + plain_url(info.get("url") or next(iter(formats), info.get("webpage_url", "")))


def describe(info: Info) -> Recording:
    """What yt-dlp says of a recording that is not fetched yet."""
    from yt_dlp.utils import strftime_or_none

    day = info.get("upload_date") or strftime_or_none(info.get("timestamp"))  # 20240131
    return Recording(
        path=None,
        origin=plain_url(info.get("webpage_url") or info["url"]),
        title=one_line(info.get("title") or info.get("id") or "recording"),
        uploader=info.get("uploader") or info.get("channel"),
        licence=info.get("license"),
        date=day and f"{day[:4]}-{day[4:6]}-{day[6:]}",
        duration=info.get("duration"),
    )


def plain_url(url: str) -> str:
    """Without what yt-dlp's extractors tell each other in it."""
    from yt_dlp.utils import unsmuggle_url

    return str(unsmuggle_url(url)[0])
