"""One run of the downloader: what addresses turn out to be, what is known of it, what is fetched."""

import errno
import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.data.archive import Archive, Info, Recording, describe, key_of, plain_url
from understudy.data.download_log import Bar, Messages
from understudy.data.manifest import Drop
from understudy.data.media import probe
from understudy.errors import UserError, one_line

if TYPE_CHECKING:
    from understudy.data.download import Downloader

log = logging.getLogger(__name__)

LINKS = ("url", "url_transparent")
# of a link's target: what the page around it cannot know better
INNER = ("_type", "url", "ie_key", "id", "extractor", "extractor_key")
NO_ROOM = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


@dataclass(frozen=True)
class Failure:
    """An address that gave nothing, and why in one line."""

    address: str
    reason: str


Found = Recording | Drop | Failure


class Session:
    """One run over addresses. yt-dlp is loaded when something has to be asked for."""

    def __init__(self, settings: "Downloader", folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.archive = Archive(folder / "archive.json")
        self.messages = Messages()
        self.bar = Bar()
        self.seen: dict[str, None] = {}  # keys and addresses of the present visit, in order
        self.earlier: list[str] = []  # keys of what the present listing held when it was last read
        self.is_cut_short = False  # it cannot be read to its end now
        self._yt_dlp: Any = None

    def close(self) -> None:
        if self._yt_dlp:
            self._yt_dlp.close()

    @property
    def yt_dlp(self) -> Any:
        if self._yt_dlp is None:
            self._yt_dlp = self._load()
        return self._yt_dlp

    def _load(self) -> Any:
        from imageio_ffmpeg import get_ffmpeg_exe
        from yt_dlp import YoutubeDL
        from yt_dlp.cookies import CookieLoadError
        from yt_dlp.postprocessor import FFmpegPostProcessor

        options = self.settings.yt_dlp_options(self.folder)
        options |= {"logger": self.messages, "progress_hooks": [self.bar]}
        try:
            options["ffmpeg_location"] = get_ffmpeg_exe()
            # what yt-dlp's own command does: its ffmpeg downloader does not see the option
            FFmpegPostProcessor._ffmpeg_location.set(options["ffmpeg_location"])
            yt_dlp = YoutubeDL(options)
            assert yt_dlp.cookiejar is not None  # read now, or every address would fail
            return yt_dlp
        except CookieLoadError:
            given = self.settings.cookies
            raise UserError(f"download.cookies={given}: is no cookies.txt (Netscape format)") from None
        except (RuntimeError, SyntaxError, ValueError) as error:  # no ffmpeg; a wrong format or option
            raise UserError(f"download: {one_line(error.args[0])}") from None

    def visit(self, address: str) -> Iterator[Found]:
        """Everything that `address` stands for: one recording or many, `limit` at most."""
        self.seen, self.is_cut_short = {address: None}, False
        self.earlier = self.archive.listings.get(address, [])
        if known := self._recall(self.archive.names.get(address)):
            yield known
            return
        found = None
        count = 0
        for found in chain(self._ask(address, names=[address]), self._missed()):
            yield found
            count += isinstance(found, Recording)
            if count == self.settings.limit:
                break
        if found is None:
            yield Failure(address, "holds no recording")
        keys = [name for name in self.seen if name in self.archive.recordings]
        if address not in self.archive.names and keys != self.earlier:
            self.archive.listings[address] = keys
            self.archive.save()

    def _missed(self) -> Iterator[Found]:
        """What a listing held before, when it cannot be read now."""
        if self.is_cut_short:
            yield from filter(None, (self._recall(key) for key in self.earlier if key not in self.seen))

    def _recall(self, key: str | None) -> Recording | Drop | None:
        """What is known already, None if it has to be fetched."""
        recording = self.archive.recordings.get(key or "")
        if key is None or recording is None:
            return None
        if reason := self.settings.refusal(recording):
            self.seen[key] = None
            return _drop(recording, reason)
        if recording.path and (self.folder / recording.path).exists():
            self.seen[key] = None
            return recording
        return None

    def _ask(self, address: str, names: list[str], link: Info | None = None) -> Iterator[Found]:
        """What `address` turns out to be. `link` is what the page that led here says of it."""
        about = link or {"url": address}
        # no `process`: it would fetch all of a playlist as one
        info = self._safely(
            "extract_info", about["url"], ie_key=about.get("ie_key"), download=False, process=False
        )
        if info is None:
            is_given = link is None
            yield self._cut_short(address) if is_given else Failure(address, self.messages.reason())
            return
        if about.get("_type") == "url_transparent":
            info |= {k: v for k, v in about.items() if v is not None and k not in INNER}
            if info.get("_type") == "url":
                info["_type"] = "url_transparent"
        yield from self._explore(info, names)

    def _explore(self, info: Info, names: list[str]) -> Iterator[Found]:
        """Recordings of a listing, one after the other, or the one that `info` describes.

        `names` are addresses that lead here and nowhere else.
        """
        if info.get("_type") in ("playlist", "multi_video"):
            yield from self._explore_listing(info)
            return
        link = info.get("_type") in LINKS
        address = plain_url(info["url"]) if link else ""
        key = key_of(info)
        if key in self.seen or address in self.seen:
            return  # listed twice, or a link that leads back here
        described = describe(info)
        if known := self._recall(key) or self._recall(self.archive.names.get(address)):
            yield known
        elif reason := self.settings.refusal(described):
            self.seen[key] = None
            self.archive.add(key, described, names)
            yield _drop(described, reason)
        elif link:
            self.seen[address] = None
            yield from self._ask(address, [*names, address], info)
        else:
            self.seen[key] = None
            yield self._fetch(info, key, names)

    def _explore_listing(self, info: Info) -> Iterator[Found]:
        from yt_dlp.utils import PlaylistEntries

        common = {name: info.get(name) for name in ("extractor", "extractor_key", "webpage_url")}
        self.messages.forget()
        for _, entry in PlaylistEntries(self.yt_dlp, info).get_requested_items():
            if entry is not None:
                if entry.get("_type") not in LINKS:
                    self.yt_dlp.add_extra_info(entry, common)
                yield from self._explore(entry, [])
                self.messages.forget()
            elif self.messages.errors:  # the next page of the listing
                yield self._cut_short(describe(info).origin)
                return

    def _cut_short(self, address: str) -> Failure:
        """Of what was asked for, or of a page of it: what it held before has to do."""
        self.is_cut_short = True
        note = "; going on with what it held before" if self.earlier else ""
        return Failure(address, self.messages.reason() + note)

    def _safely(self, method: str, *arguments: Any, **options: Any) -> Any:
        """What a method of yt-dlp returns, or None and what it says in `messages`."""
        from yt_dlp.utils import YoutubeDLError

        self.messages.forget()
        call = getattr(self.yt_dlp, method)
        try:
            return call(*arguments, **options)
        except YoutubeDLError as error:
            self.messages.error(str(error))
            return None
        except Exception as error:  # it reads what the web holds: whatever it trips over, the rest goes on
            self.messages.error(repr(error))
            log.debug("in yt-dlp", exc_info=True)
            return None
        finally:
            self.bar.close()

    def _fetch(self, info: Info, key: str, names: list[str]) -> Found:
        origin = describe(info).origin
        if info.get("is_live") or info.get("live_status") == "is_live":
            return Failure(origin, "is being broadcast; it can be fetched when that has ended")
        tag = hashlib.sha256(key.encode()).hexdigest()[:10]
        done = self._safely("process_ie_result", info, download=True, extra_info={"archive_tag": tag}) or {}
        files = [one["filepath"] for one in done.get("requested_downloads", ()) if "filepath" in one]
        if not files or not Path(files[0]).exists():
            reason = self.messages.reason()
            is_full = any(trouble in reason for trouble in NO_ROOM)
            if is_full or not list(self.folder.glob(f"*{tag}*.part")):  # else the next run goes on there
                self._discard(tag)
            return Failure(origin, reason)
        path = Path(files[0])
        subtitles = {
            language: Path(subtitle["filepath"]).name
            for language, subtitle in (done.get("requested_subtitles") or {}).items()
            if Path(subtitle.get("filepath", "")).is_file()
        }
        try:
            duration = probe(path).duration
            recording = replace(describe(done), path=path.name, duration=duration, subtitles=subtitles)
            self.archive.add(key, recording, names)
        except (UserError, OSError) as error:
            self._discard(tag)
            return Failure(origin, one_line(f"what came {error}".replace(f"{path}: ", "")))
        unwanted = self.settings.refusal(recording)
        return _drop(recording, unwanted) if unwanted else recording

    def _discard(self, tag: str) -> None:
        for path in self.folder.glob(f"*{tag}*"):
            path.unlink()


def _drop(recording: Recording, reason: str) -> Drop:
    return Drop(one_line(recording.origin), 0.0, recording.duration or 0.0, reason)
