"""Step 1: bring the subject's recordings in, from files, folders and glob patterns.

A recording stays where it is; `sources/ID.json` says where that is, what it holds and its sha256.
The id is its name and a hash of its content, so a file that moves is still the same source.
"""

import glob
import hashlib
import json
import re
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from understudy.data.manifest import Clip, Drop, write_atomically
from understudy.data.media import probe
from understudy.data.stage import Report
from understudy.errors import UserError

VIDEO_SUFFIXES = (
    ".mp4",
    ".m4v",
    ".mov",
    ".mkv",
    ".webm",
    ".avi",
    ".mpg",
    ".mpeg",
    ".ts",
    ".mts",
    ".wmv",
    ".flv",
)
AUDIO_SUFFIXES = (".mp3", ".m4a", ".wav", ".flac", ".ogg", ".opus")


def find_recordings(patterns: Iterable[str | Path]) -> list[Path]:
    """Files named by paths, folders (searched whole, media files only) and globs; sorted, each once."""
    found: set[Path] = set()
    for pattern in map(str, patterns):
        if re.match(r"\w+://", pattern):
            raise UserError(f"{pattern}: only local files, folders and globs can be sources so far")
        path = Path(pattern).expanduser()
        if path.is_dir():
            matches = [p for p in path.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES + AUDIO_SUFFIXES]
        elif path.exists():
            matches = [path]
        else:
            matches = [Path(p) for p in glob.glob(str(path), recursive=True) if Path(p).is_file()]
        if not matches:
            raise UserError(f"{pattern}: no recording is there; give a file, a folder or a glob")
        found.update(p.resolve() for p in matches)
    return sorted(found)


def scrape(patterns: Iterable[str | Path], workspace: Path) -> tuple[list[Clip], Report]:
    """One clip per recording, the whole of it. What cannot be read is reported, the rest goes on."""
    began = time.monotonic()
    paths = find_recordings(patterns)
    report = Report("scrape", len(paths))
    known = _read_index(workspace)
    index: dict[str, Any] = {}
    clips: dict[str, Clip] = {}  # by sha256
    drops: list[Drop] = []
    for path in tqdm(paths, desc="scrape  ", unit="file"):
        stat = path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns]
        entry = known.get(str(path))
        if entry and entry["stamp"] == stamp:
            report.cached += 1
        else:
            try:
                info = probe(path)
            except UserError as error:
                report.failed[str(path)] = str(error)
                continue
            entry = {"stamp": stamp, "sha256": _sha256(path), "info": asdict(info)}
        index[str(path)] = entry
        duration = entry["info"]["duration"]
        report.seconds_in += duration
        if entry["sha256"] in clips:
            drops.append(Drop(str(path), 0.0, duration, "the same recording under another name"))
        else:
            clips[entry["sha256"]] = _register(path, entry, workspace)
    write_atomically(_index_path(workspace), json.dumps(index, indent=1))
    kept = list(clips.values())
    report.close(kept, drops, workspace, began)
    return kept, report


def source_path(workspace: Path, source: str) -> Path:
    """Where a source's recording is. Raises `UserError` when it has been moved since the last scrape."""
    path = Path(json.loads((workspace / "sources" / f"{source}.json").read_text("utf-8"))["origin"])
    if not path.exists():
        raise UserError(f"{path}: the recording of source {source} is gone; run prepare again")
    return path


def _register(path: Path, entry: dict[str, Any], workspace: Path) -> Clip:
    slug = re.sub(r"[^0-9A-Za-z]+", "-", path.stem).strip("-")[:32] or "source"
    source = f"{slug}-{entry['sha256'][:8]}"
    record = {"origin": str(path), "sha256": entry["sha256"], **entry["info"]}
    write_atomically(workspace / "sources" / f"{source}.json", json.dumps(record, indent=1))
    return Clip(source, source, 0.0, entry["info"]["duration"])


def _index_path(workspace: Path) -> Path:
    return workspace / "sources" / ".index.json"


def _read_index(workspace: Path) -> dict[str, Any]:
    path = _index_path(workspace)
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
