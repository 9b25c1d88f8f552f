"""`edits.jsonl` as a file that several writers share and that survives any of them."""

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from understudy.data.edits import parse_edits
from understudy.data.manifest import json_lines
from understudy.data.overlay import Edit

ENOUGH = 200  # bytes at the end of what was read, to know it by


class EditLog:
    """Reads what is new and appends; nothing that stands in the file is ever rewritten."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))
        self.rewind()

    def rewind(self) -> None:
        """Read from the beginning again."""
        self._file = 0  # inode
        self._size = 0  # bytes that have been read, whole lines only
        self._last = b""  # of these
        self._lines = 0

    def replaced(self) -> bool:
        """Has the file been written anew by someone else? Then what was read of it is worth nothing."""
        if not self._size:
            return False
        if not self.path.exists():
            return True
        state = self.path.stat()
        if state.st_ino != self._file or state.st_size < self._size:
            return True
        with self.path.open("rb") as file:
            file.seek(self._size - len(self._last))
            return file.read(len(self._last)) != self._last

    def news(self) -> list[Edit]:
        """Edits that have come since the last call."""
        if not self.path.exists() or self.path.stat().st_size == self._size:
            return []
        with self.path.open("rb") as file:
            self._file = os.fstat(file.fileno()).st_ino
            file.seek(self._size)
            data = file.read()
        # a last line without its end may be half of what another writer is writing: it waits
        data = data[: data.rfind(b"\n") + 1]
        edits, _ = parse_edits(data, self.path, lines_before=self._lines)
        self._size += len(data)
        self._last = data[-ENOUGH:] or self._last
        self._lines += data.count(b"\n")
        return edits

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Nobody else appends inside: what is decided on all that stands there stays right."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._mend()
            yield

    def append(self, rows: Iterable[dict[str, Any]]) -> None:
        """On the disk when this returns. Call it in one's turn."""
        data = json_lines(rows).encode()
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            before = os.fstat(file).st_size
            try:
                if os.write(file, data) < len(data):
                    raise OSError("the disk is full")
                os.fsync(file)
            except OSError:
                os.ftruncate(file, before)
                raise
        finally:
            os.close(file)

    def _mend(self) -> None:
        """End a last line that lacks its end; cut away one whose writer was stopped in the middle of it."""
        if not self.path.exists() or self.path.stat().st_size == 0:
            return
        with self.path.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            if file.read() == b"\n":
                return
            file.seek(0)
            data = file.read()
            start = data.rfind(b"\n") + 1
            edits, torn = parse_edits(data[start:], self.path)
            if edits:
                file.write(b"\n")
            else:
                file.truncate(start)
                text = torn[:500].decode(errors="replace")
                logging.getLogger(__name__).warning(f"{self.path}: cut away an unfinished last line: {text}")
