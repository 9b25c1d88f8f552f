"""Clips and the manifests that list them: JSON Lines, one clip a line, ordered, diffable.

A person's corrections live apart, in an append-only `edits.jsonl`, and are laid over what any
stage puts out; nothing a person wrote is ever overwritten.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from understudy.data.media import Seconds
from understudy.errors import UserError


@dataclass(frozen=True)
class Clip:
    """A stretch of one source; `fields` hold what the stages add (all of it plain JSON)."""

    id: str
    source: str
    start: Seconds
    end: Seconds
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def duration(self) -> Seconds:
        return self.end - self.start

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def add(self, **fields: Any) -> Self:
        """The same clip with more fields."""
        return replace(self, fields={**self.fields, **fields})

    def part(self, start: Seconds, end: Seconds) -> Self:
        """The stretch between `start` and `end`, both in the source's time, under a name of its own.

        It keeps the words that are spoken in it.
        """
        start, end = round(start, 3), round(end, 3)
        fields = dict(self.fields)
        if "words" in fields and (start, end) != (self.start, self.end):
            fields["words"] = [w for w in fields["words"] if start <= (w[0] + w[1]) / 2 < end]
            fields["text"] = " ".join(word[2] for word in fields["words"])
        name = f"{self.source}_{start:.2f}-{end:.2f}"
        return replace(self, id=name, start=start, end=end, fields=fields)

    def to_json(self) -> dict[str, Any]:
        place = {"id": self.id, "source": self.source, "start": self.start, "end": self.end}
        return {**place, **self.fields}

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> Self:
        fields = dict(line)
        place = {name: fields.pop(name) for name in ("id", "source", "start", "end")}
        return cls(**place, fields=fields)


@dataclass(frozen=True)
class Drop:
    """A stretch that goes no further, and why."""

    id: str
    start: Seconds
    end: Seconds
    reason: str


def write_atomically(path: Path, text: str) -> None:
    """`path` holds either what it held before or all of `text`, whenever the machine stops."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")  # names of files
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def json_lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects in a JSON Lines file; a line that is none is named by file and number."""
    rows = []
    # not splitlines(): a text may hold characters that it takes for the end of a line
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}:{number}: not JSON ({error.msg}); mend or remove the line") from None
        if not isinstance(row, dict):
            raise UserError(f"{path}:{number}: not a JSON object; mend or remove the line")
        rows.append(row)
    return rows


def read_manifest(path: Path) -> list[Clip]:
    """Raises `UserError` where the file is missing or a line lacks what every clip has."""
    if not path.exists():
        raise UserError(f"{path}: there is no such manifest; run `understudy prepare` first")
    clips = []
    for number, row in enumerate(read_json_lines(path), start=1):
        missing = {"id", "source", "start", "end"} - row.keys()
        if missing:
            raise UserError(f"{path}: clip {number} lacks {', '.join(sorted(missing))}")
        clips.append(Clip.from_json(row))
    return clips


def write_manifest(path: Path, clips: Iterable[Clip]) -> None:
    write_atomically(path, json_lines(clip.to_json() for clip in clips))
