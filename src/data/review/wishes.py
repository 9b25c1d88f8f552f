"""What a page asks for, made into lines of `edits.jsonl`, or refused with the reason.

A page says what it saw (`was`). Where that is not what stands any more, somebody else has been
there in the meantime: nothing is written, and the page shows both.
"""

import re
from collections.abc import Callable, Container
from datetime import UTC, datetime
from typing import Any

from understudy.data.edits import ACTIONS, complaint
from understudy.data.manifest import Clip
from understudy.data.media import FPS, Seconds
from understudy.data.overlay import Edit, Overlay
from understudy.data.review.state import State

SHORTEST: Seconds = 0.2
LONGEST_TEXT = 5000  # characters
LONGEST_NAME = 80

Line = dict[str, Any]


class RefusedError(Exception):
    """Why nothing is written; `kind` is refused, conflict or gone."""

    def __init__(self, why: str, kind: str = "refused") -> None:
        super().__init__(why)
        self.kind = kind


class Wishes:
    """Judges wishes by what stands now; `length` gives the duration of a clip's source, if known."""

    def __init__(self, state: State, known: Container[str], length: Callable[[Clip], Seconds | None]) -> None:
        self.state = state
        self.known = known
        self.length = length

    def lines(self, wish: Line) -> list[Line]:
        """Lines to write; none where the wish is fulfilled already. Raises `RefusedError`."""
        name = wish.get("id")
        if not (isinstance(name, str) and re.fullmatch(r"[\w-]{1,64}", name)):
            raise RefusedError("an edit needs an id of letters and digits")
        if name in self.known:
            return []
        actions = [action for action in ACTIONS if action in wish]
        if len(actions) != 1 or not isinstance(wish.get("clip"), str):
            raise RefusedError(f"an edit needs a clip and one of {', '.join(ACTIONS)}")
        action, value = actions[0], wish[actions[0]]
        if wrong := complaint(action, value):
            raise RefusedError(wrong)
        head = {"id": name, "at": datetime.now(UTC).isoformat(timespec="seconds"), "clip": wish["clip"]}
        if action == "undo":
            if unknown := [one for one in value if one not in self.known]:
                raise RefusedError(f"there is no edit {unknown[0]} to undo")
            return [{**head, "undo": value}]
        clip = self.state.clips.get(wish["clip"])
        if clip is None:
            raise RefusedError("this clip is no more: it was split or joined elsewhere", "gone")
        _check_seen(clip, wish.get("was"), value if action == "set" else {})
        match action:
            case "set":
                return self._set(clip, value, head)
            case "drop":
                return self._drop(clip, value, head)
            case "split":
                return self._split(clip, value, head)
            case _:
                return self._merge(clip, value, head)

    def _set(self, clip: Clip, value: dict[str, Any], head: Line) -> list[Line]:
        fields = {name: _checked(name, content) for name, content in value.items()}
        row = clip.to_json()
        by_person = self.state.by_person.get(clip.id, frozenset())
        if {"start", "end"} & fields.keys():
            start, end = fields.get("start", clip.start), fields.get("end", clip.end)
            length = self.length(clip)
            if end - start < SHORTEST:
                raise RefusedError(f"a clip of {end - start:.2f} s would be too short")
            if length is not None and end > length + 1 / FPS:
                raise RefusedError(f"the recording ends at {length:.2f} s")
            if "text" in by_person and "text" not in fields:  # the person's words that are left
                fields["text"] = clip.part(start, end).fields.get("text")
        if fields.get("reviewed") and "text" in row:  # it is these words that are right
            fields.setdefault("text", row["text"])
        said = {"text"} - by_person if fields.get("reviewed") else set()
        if self.state.status(clip.id) == "doubted":  # who confirms it once more has heard the doubt
            said.add("reviewed")
        fields = {name: v for name, v in fields.items() if row.get(name) != v or name in said}
        was = {name: row.get(name) for name in fields}
        return [{**head, "set": fields, "was": was}] if fields else []

    def _drop(self, clip: Clip, reason: str | None, head: Line) -> list[Line]:
        if reason == self.state.reasons.get(clip.id):
            return []
        return [{**head, "drop": reason and _name(reason, "a reason"), "was": clip.to_json()}]

    def _split(self, clip: Clip, at: Seconds, head: Line) -> list[Line]:
        at = _on_frame(at)
        if at - clip.start < SHORTEST or clip.end - at < SHORTEST:
            raise RefusedError(f"a part would be shorter than {SHORTEST:g} s")
        line = {**head, "split": at, "was": clip.to_json()}
        return [line, *self._handed_on(Edit(head["id"], clip.id, "split", at), [clip], head)]

    def _merge(self, clip: Clip, other_name: str, head: Line) -> list[Line]:
        other = self.state.clips.get(other_name)
        if other is None:
            raise RefusedError("the other clip is no more: it was split or joined elsewhere", "gone")
        if clip.id in self.state.reasons or other not in self.state.neighbours(clip):
            raise RefusedError("only clips that follow on each other can be joined")
        line = {**head, "merge": other.id, "was": clip.to_json()}
        return [line, *self._handed_on(Edit(head["id"], clip.id, "merge", other.id), [clip, other], head)]

    def _handed_on(self, edit: Edit, parents: list[Clip], head: Line) -> list[Line]:
        """What a person said of clips, said of those made from them.

        The next prepare makes the new clips before it transcribes: it would not know otherwise.
        """
        said = {name for clip in parents for name in self.state.by_person.get(clip.id, ())}
        said -= {"start", "end", "reviewed"}
        trial = Overlay(parents)
        trial.do(edit)
        lines = []
        for clip in trial:
            values = {name: clip[name] for name in sorted(said) if name in clip.fields}
            if values and clip not in parents:
                lines.append({**head, "clip": clip.id, "set": values})
        return lines


def _check_seen(clip: Clip, seen: Any, wanted: Line) -> None:
    row = clip.to_json()
    for name, value in seen.items() if isinstance(seen, dict) else ():
        if row.get(name) not in (value, wanted.get(name, value)):
            raise RefusedError(f"{name} has been changed elsewhere in the meantime", "conflict")


def _checked(name: str, value: Any) -> Any:
    if name == "text":
        text = " ".join((value or "").split())
        if len(text) > LONGEST_TEXT:
            raise RefusedError(f"a text of {len(text)} characters is too long")
        return text
    if name in ("start", "end"):
        return _on_frame(value)
    if name == "speaker":
        return _name(value, "a speaker")
    if name == "reviewed" and value in (True, None):
        return value
    raise RefusedError(f"`{name}` is not for this page to set")


def _name(value: Any, what: str) -> str:
    name = " ".join(value.split()) if isinstance(value, str) else ""
    if not 0 < len(name) <= LONGEST_NAME:
        raise RefusedError(f"{what} is a name of up to {LONGEST_NAME} characters")
    return name


def _on_frame(time: Seconds) -> Seconds:
    """Clips begin and end with a picture."""
    return round(round(time * FPS) / FPS, 3)
