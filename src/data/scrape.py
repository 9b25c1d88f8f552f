"""Step 1: bring the subject's recordings in, from URLs, files, folders and glob patterns.

What is on this machine stays where it is, what comes by URL lies in `sources/downloads/`;
`sources/ID.json` says where a recording is, where it came from, what it holds and its sha256.
The id is its title and a hash of its content, so a file that moves is still the same source.
"""

import glob
import hashlib
import json
import os
import re
import stat
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.request import url2pathname

from tqdm import tqdm

from understudy.data.archive import Recording
from understudy.data.download import Downloader, is_address
from understudy.data.download_session import Failure
from understudy.data.manifest import Clip, Drop, write_atomically
from understudy.data.media import Seconds, probe
from understudy.data.stage import Report
from understudy.errors import UserError, one_line

RECORDING = re.compile(
    r"\.(3gp|asf|avi|f4v|flv|m2ts|m4v|mkv|mov|mp4|mpe?g|mts|mxf|ogv|ts|vob|webm|wmv"
    r"|aac|aiff?|amr|caf|flac|m4[ab]|mka|mp[23]|og[ag]|opus|wav|weba|wma)$",
    re.IGNORECASE,
)
SAVE_EVERY: Seconds = 2.0  # of what is known of files, so that a stop loses little


def find_recordings(patterns: Iterable[str | Path]) -> list[Path]:
    """Files named by paths, folders (searched whole, media files only) and globs; sorted, each once.

    Also what only looks like a recording: links to nothing, folders that cannot be opened.
    """
    found: set[str] = set()
    for pattern in map(str, patterns):
        is_url = pattern.startswith("file://")
        path = url2pathname(pattern[len("file://") :]) if is_url else os.path.expanduser(pattern)
        if os.path.isdir(path):
            matches = list(_search(path, seen=set()))
        elif os.path.lexists(path):
            matches = [path]
        else:
            matches = [match for match in glob.glob(path, recursive=True) if not os.path.isdir(match)]
        if not matches:
            raise UserError(
                f"{one_line(pattern)}: no recording is there; give a file, a folder, a glob or a URL"
            )
        # a link to nothing is told by its own name
        found.update(os.path.realpath(m) if os.path.exists(m) else os.path.abspath(m) for m in matches)
    return sorted(map(Path, found))


def _search(folder: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    """What has a recording's name in `folder` and, also through links, below it."""
    here = os.stat(folder)
    if (here.st_dev, here.st_ino) in seen:  # a link that leads back up
        return
    seen.add((here.st_dev, here.st_ino))
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        yield folder
        return
    for entry in entries:
        within = list(_search(entry.path, seen)) if os.path.isdir(entry.path) else []
        yield from within or filter(RECORDING.search, [entry.path])


def scrape(
    sources: Iterable[str | Path], workspace: Path, downloader: Downloader | None = None
) -> tuple[list[Clip], Report]:
    """One clip per recording, the whole of it. What cannot be had or read is reported, the rest goes on."""
    began = time.monotonic()
    report = Report("scrape", 0)
    recordings, drops = _gather(sources, workspace, downloader or Downloader(), report)
    report.clips_in = len(recordings) + len(drops) + len(report.failed)
    index = _Index(workspace / "sources" / ".index.json")
    unread = sum((_stamp(path) or [0])[0] for path in recordings if not index.find(path))
    clips: dict[str, Clip] = {}  # by sha256
    with tqdm(total=unread, desc="scrape    ", unit="B", unit_scale=True) as bar:
        for path, recording in sorted(recordings.items()):
            name = one_line(recording.origin)
            try:
                if entry := index.find(path):
                    report.cached += 1
                else:
                    entry = index.read(path, bar.update)
            except UserError as error:
                report.failed[name] = one_line(error)
                continue
            except Exception:
                report.failed[name] = traceback.format_exc()
                continue
            duration = entry["info"]["duration"]
            report.seconds_in += duration
            if duration <= 0:
                drops.append(Drop(name, 0.0, 0.0, "nothing in it: it lasts 0 s"))
            elif entry["sha256"] in clips:
                drops.append(Drop(name, 0.0, duration, "the same recording under another name"))
            else:
                clips[entry["sha256"]] = _register(path, recording, entry, workspace)
    index.save()
    kept = list(clips.values())
    report.close(kept, drops, workspace, began)
    return kept, report


def _gather(
    sources: Iterable[str | Path], workspace: Path, downloader: Downloader, report: Report
) -> tuple[dict[Path, Recording], list[Drop]]:
    """What there is, here and on the web, by path, and what is not wanted. Failures go to `report`."""
    given = list(map(str, sources))
    addresses = list(filter(is_address, given))
    # first what is here: a wrong request is told before anything is fetched
    local = find_recordings(source for source in given if not is_address(source))
    recordings = {path: Recording(str(path), str(path), one_line(path.stem)) for path in local}
    drops = []
    downloads = workspace.resolve() / "sources" / "downloads"
    fetching = downloader.fetch(addresses, downloads)
    for found in tqdm(fetching, desc="fetch     ", unit="file", disable=not addresses):
        if isinstance(found, Drop):
            drops.append(found)
        elif isinstance(found, Failure):
            report.failed[one_line(found.address)] = found.reason
        elif found.path:
            recordings[downloads / found.path] = found
    return recordings, drops


def source_path(workspace: Path, source: str) -> Path:
    """Where a source's recording is. Raises `UserError` when it has been moved since the last scrape."""
    record = json.loads((workspace / "sources" / f"{source}.json").read_text("utf-8"))
    path: Path = workspace / record["path"]
    if not path.exists():
        raise UserError(f"{one_line(path)}: the recording of source {source} is gone; run prepare again")
    return path


def _name(title: str, sha256: str) -> str:
    slug = re.sub(r"[^0-9A-Za-z]+", "-", title).strip("-")[:32].strip("-") or "source"
    return f"{slug}-{sha256[:8]}"


def _known_as(sha256: str, workspace: Path) -> str | None:
    """The name under which the same content came before: a person's edits speak of it."""
    for path in sorted((workspace / "sources").glob(f"*-{sha256[:8]}.json")):
        if json.loads(path.read_text("utf-8"))["sha256"] == sha256:
            return path.stem
    return None


def _register(path: Path, recording: Recording, entry: dict[str, Any], workspace: Path) -> Clip:
    source = _known_as(entry["sha256"], workspace) or _name(recording.title, entry["sha256"])
    home = workspace.resolve()
    downloads = Path("sources", "downloads")
    record = asdict(recording) | {
        # relative where it is ours: a workspace can be moved
        "path": str(path.relative_to(home) if path.is_relative_to(home) else path),
        "sha256": entry["sha256"],
        **entry["info"],
        "subtitles": {k: (downloads / name).as_posix() for k, name in recording.subtitles.items()},
    }
    place, text = workspace / "sources" / f"{source}.json", json.dumps(record, indent=1)
    if not place.exists() or place.read_text("utf-8") != text:
        write_atomically(place, text)
    return Clip(source, source, 0.0, entry["info"]["duration"])


class _Index:
    """What files hold, by path, size and time of change: what is known is not read again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, Any] = {}
        if path.exists():
            with suppress(ValueError):  # cut short by a power failure: everything is read again
                self.entries = json.loads(path.read_text("utf-8"))
        self.saved = time.monotonic()

    def find(self, path: Path) -> dict[str, Any] | None:
        """What is known of a file, if it has not changed since."""
        entry: dict[str, Any] | None = self.entries.get(str(path))
        return entry if entry and entry["stamp"] == _stamp(path) else None

    def read(self, path: Path, progress: Callable[[int], object]) -> dict[str, Any]:
        """`progress` is told of bytes. Raises `UserError` for what is no recording."""
        try:
            _check(path)
            info = asdict(probe(path))
            entry = {"stamp": _stamp(path), "sha256": _sha256(path, progress), "info": info}
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from None
        if not info["width"] and not info["sample_rate"]:
            raise UserError(f"{path}: holds neither sound nor pictures")
        self.entries[str(path)] = entry
        if time.monotonic() - self.saved > SAVE_EVERY:
            self.save()
        return entry

    def save(self) -> None:
        write_atomically(self.path, json.dumps(self.entries, indent=1))
        self.saved = time.monotonic()


def _check(path: Path) -> None:
    """Raises for what must not be opened, such as a pipe that nobody writes to, and for what cannot be."""
    mode, size = path.stat().st_mode, path.stat().st_size
    if stat.S_ISDIR(mode):
        os.scandir(path).close()
        raise UserError(f"{path}: is a folder with no recording in it")
    if not stat.S_ISREG(mode):
        raise UserError(f"{path}: is a device or a pipe, not a file")
    if not size:
        raise UserError(f"{path}: is empty")


def _stamp(path: Path) -> list[int] | None:
    """What changes when a file does, None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _sha256(path: Path, progress: Callable[[int], object]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
            progress(len(block))
    return digest.hexdigest()
