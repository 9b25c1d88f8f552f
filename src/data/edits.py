"""A person's corrections: `edits.jsonl`, append-only, laid over what any stage puts out.

One JSON object a line, each about one clip; a later line wins over an earlier one:

    {"clip": ID, "set": {FIELD: VALUE}}   null takes the field away; `start` and `end` trim
    {"clip": ID, "drop": REASON}          null takes the clip back in
    {"clip": ID, "split": SECONDS}        two clips, named as `Clip.part` names them
    {"clip": ID, "merge": ID2}            one clip, from the start of the first to the end of the last
    {"clip": ID, "undo": [EDIT, ...]}     lines of these ids no longer count; undo an undo to redo

A line may also have an `id` (lines of one action share it), `at` (when) and `was` (what it replaced).
"""

import json
import logging
import math
from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from typing import Any

from understudy.data.manifest import Clip, Drop
from understudy.data.overlay import Edit, Overlay
from understudy.errors import UserError

EDITS = "edits.jsonl"
ACTIONS = ("set", "drop", "split", "merge", "undo")


def apply_edits(clips: Iterable[Clip], path: Path) -> tuple[list[Clip], list[Drop], set[str]]:
    """Clips with a person's edits laid over, those the person dropped, and the names that edits met."""
    overlay = Overlay(clips, standing(read_edits(path)))
    return *overlay.result(), overlay.met


def corrected(clips: Iterable[Clip], path: Path) -> list[Clip]:
    """Of clips with edits laid over, those whose text a person set or confirmed."""
    overlay = Overlay(clips, standing(read_edits(path)))
    kept, _ = overlay.result()
    return [c for c in kept if c.fields.get("reviewed") or "text" in overlay.by_person.get(c.id, ())]


def unmet(path: Path, met: Set[str]) -> list[str]:
    """Names of clips that a person corrected and that none of the stages had."""
    return list(dict.fromkeys(edit.clip for edit in standing(read_edits(path)) if edit.clip not in met))


def read_edits(path: Path) -> list[Edit]:
    """All lines in their order. Raises `UserError` that names file and line where one is none."""
    edits, torn = parse_edits(path.read_bytes() if path.exists() else b"", path)
    if torn:
        logging.getLogger(__name__).warning(
            f"{path}: the last line was cut short and is passed over: {torn[:200].decode(errors='replace')}"
        )
    return edits


def parse_edits(data: bytes, path: Path, *, lines_before: int = 0) -> tuple[list[Edit], bytes]:
    """The edits in `data`, and what is left of a last line whose writer was stopped in the middle."""
    *lines, last = data.split(b"\n")
    if last:
        try:
            json.loads(last)
        except ValueError:
            pass  # torn: it has no end
        else:
            lines, last = [*lines, last], b""  # whole: somebody's editor leaves out the last newline
    numbered = enumerate(lines, start=lines_before + 1)
    return [_parse(line, f"{path}:{number}", number) for number, line in numbered if line.strip()], last


def standing(edits: Sequence[Edit]) -> list[Edit]:
    """Those that count: neither undone nor an undo. An undo reaches only what stands before it."""
    undone: set[str] = set()
    result = []
    for edit in reversed(edits):
        if edit.id in undone:
            continue
        if edit.action == "undo":
            undone.update(edit.value)
        else:
            result.append(edit)
    return result[::-1]


def _parse(line: bytes, where: str, number: int) -> Edit:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UserError(f"{where}: not JSON ({error}); mend or remove the line") from None
    if not isinstance(row, dict):
        raise UserError(f"{where}: not a JSON object; mend or remove the line")
    actions = [action for action in ACTIONS if action in row]
    if not isinstance(row.get("clip"), str) or len(actions) != 1:
        raise UserError(f"{where}: needs `clip` and one of {', '.join(ACTIONS)}: {row}")
    (action,) = actions
    if wrong := complaint(action, row[action]):
        raise UserError(f"{where}: {wrong}: {row}")
    name = str(row.get("id", f"line {number}"))
    return Edit(name, row["clip"], action, row[action], row.get("was"), row.get("at", ""), where)


def complaint(action: str, value: Any) -> str:
    """What is wrong with an action's value; empty if nothing is."""
    if action == "set":
        return _complaint_of_fields(value) if isinstance(value, dict) else "`set` takes {FIELD: VALUE}"
    good, wanted = {
        "drop": (
            value is None or (isinstance(value, str) and value != ""),
            "`drop` takes a reason, or null to take the clip back in",
        ),
        "split": (_is_time(value), "`split` takes seconds"),
        "merge": (isinstance(value, str), "`merge` takes another clip's id"),
        "undo": (
            isinstance(value, list) and all(isinstance(name, str) for name in value),
            "`undo` takes a list of edits' ids",
        ),
    }[action]
    return "" if good else wanted


def _complaint_of_fields(fields: dict[str, Any]) -> str:
    if {"id", "source"} & fields.keys():
        return "`id` and `source` are what a clip is known by and cannot be set"
    if not all(_is_time(fields[name]) for name in ("start", "end") if name in fields):
        return "`start` and `end` are seconds"
    if not isinstance(fields.get("text"), str | None):
        return "`text` is a string or null"
    return ""


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
