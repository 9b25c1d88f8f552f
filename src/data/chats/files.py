"""The files of exports: alone, in folders or as zipped by a phone, opened as often as needed."""

import codecs
import glob
import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from understudy.errors import UserError, one_line

SUFFIXES = (".txt", ".json", ".md", ".markdown")
_SAMPLE = 1 << 16  # bytes that tell what a file is
_DAMAGED = re.compile("[\udc80-\udcff]")  # bytes that are no UTF-8
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")


@dataclass(frozen=True)
class ExportFile:
    """One file, or one member of an archive. Its name is what messages give as their source."""

    path: Path
    member: str | None = None
    named: bool = True  # by the person, rather than found in a folder or an archive

    @property
    def name(self) -> str:
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @property
    def place(self) -> PurePosixPath:
        """Where it lies, inside of its archive too."""
        return PurePosixPath(self.path.as_posix(), self.member or "")

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        if self.member is None:
            with self.path.open("rb") as plain:
                yield plain
            return
        with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as packed:
            yield cast(BinaryIO, packed)

    def sample(self) -> bytes:
        try:
            with self.open() as stream:
                return stream.read(_SAMPLE)
        except (OSError, RuntimeError, zipfile.BadZipFile, NotImplementedError) as error:
            raise UserError(f"{self.name}: cannot be read ({one_line(error)})") from None

    def written(self) -> datetime:
        if self.member is None:
            return datetime.fromtimestamp(int(self.path.stat().st_mtime))
        with zipfile.ZipFile(self.path) as archive:
            return datetime(*archive.getinfo(self.member).date_time)

    def encoding(self) -> str:
        """Raises UserError where it is empty or no text."""
        sample = self.sample()
        if not sample.strip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"):
            raise UserError(f"{self.name}: is empty; export the chat again")
        if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
            return "utf-16"
        zeros = sample[1::2].count(0), sample[::2].count(0)
        if max(zeros) > len(sample) / 8 and min(zeros) < max(zeros) / 8:  # in every other place
            return "utf-16-le" if zeros[0] > zeros[1] else "utf-16-be"
        # only the sample's end may cut a letter in two
        decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        text = decode(sample, final=len(sample) < _SAMPLE)
        strange = len(_DAMAGED.findall(text)) + len(_CONTROL.findall(text))
        if "\x00" in text or strange > max(2, len(text) / 50):
            raise UserError(f"{self.name}: is no text; give an export: UTF-8 text, JSON or a zip file")
        return "utf-8-sig"

    def lines(self) -> Iterator[tuple[int, str]]:
        """Numbered from 1, without their ends. Bytes that are no UTF-8 are left to `is_damaged`."""
        errors = "surrogateescape" if "8" in (encoding := self.encoding()) else "replace"
        with self.open() as stream:
            for number, line in enumerate(io.TextIOWrapper(stream, encoding, errors), start=1):
                yield number, line.rstrip("\n")


def is_damaged(line: str) -> bool:
    return not line.isascii() and bool(_DAMAGED.search(line))


def beginning(line: str) -> str:
    """Enough of a line to find it again."""
    return one_line(line)[:120]


def find_files(given: str) -> list[ExportFile]:
    """The files that `given` names: a file, a folder, an archive, or a pattern of these.

    Raises UserError where there is none.
    """
    path = Path(given).expanduser()
    paths = (
        [path] if path.exists() else [Path(found) for found in sorted(glob.glob(str(path), recursive=True))]
    )
    if not paths:
        raise UserError(f"{given}: there is no such file or folder; give the export of a chat")
    return [file for one in paths for file in _files_of(one)]


def _files_of(path: Path) -> list[ExportFile]:
    if not path.is_dir():
        return _members(path) if zipfile.is_zipfile(path) else [ExportFile(path)]
    found: list[ExportFile] = []
    for inside in sorted(path.rglob("*")):
        if not inside.is_file() or _is_hidden(inside.relative_to(path)):
            continue
        if inside.suffix.lower() == ".zip":
            found += _members(inside)
        elif _may_hold_words(inside.name):
            found.append(ExportFile(inside, named=False))
    return found


def _members(path: Path) -> list[ExportFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [
                one for one in archive.infolist() if not one.is_dir() and _may_hold_words(one.filename)
            ]
    except zipfile.BadZipFile:
        raise UserError(f"{path}: is no whole zip file; export the chat again") from None
    if any(member.flag_bits & 1 for member in members):
        raise UserError(f"{path}: is locked with a password; unpack it and give the folder")
    inside = [one for one in members if not _is_hidden(PurePosixPath(one.filename))]
    return [ExportFile(path, member.filename, named=False) for member in inside]


def _may_hold_words(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _is_hidden(path: Path | PurePosixPath) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)
