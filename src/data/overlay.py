"""Clips with a person's edits laid over, one edit after the other.

The same edits are laid over every stage's output, and what they did to the times of a clip is in
the next stage's input already. So a clip says in its field `lineage` which edit made it and which
moved it last: those and what came before are not done to it again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from understudy.data.corrected_words import retimed
from understudy.data.manifest import Clip, Drop
from understudy.data.media import Seconds
from understudy.errors import UserError

LINEAGE = "lineage"


@dataclass(frozen=True)
class Edit:
    """One line of `edits.jsonl`: what `action` (set, drop, split, merge or undo) does to `clip`."""

    id: str  # lines of one action share it
    clip: str
    action: str
    value: Any
    was: Any = None  # what a person saw in its place
    at: str = ""
    where: str = ""  # file and line


class Overlay:
    """Clips in their order, changed edit by edit; what no edit names stays the same object."""

    def __init__(self, clips: Iterable[Clip], edits: Sequence[Edit] = ()) -> None:
        self._slots = [[clip] for clip in clips]  # each clip, or what has become of it
        self._slot_of = {slot[0].id: number for number, slot in enumerate(self._slots)}
        self._line = 0
        self._line_of: dict[str, int] = {}  # the first of an edit's id
        self.reasons: dict[str, str] = {}  # of clips that are dropped
        self.met: set[str] = set()  # names of clips that edits spoke of and that were here
        self.by_person: dict[str, set[str]] = {}  # fields that a person set, by clip
        for line, edit in enumerate(edits, start=1):
            self._line_of.setdefault(edit.id, line)
        for edit in edits:
            self.do(edit)

    def __iter__(self) -> Iterator[Clip]:
        for slot in self._slots:
            yield from slot

    def get(self, name: str) -> Clip | None:
        slot = self._slots[self._slot_of[name]] if name in self._slot_of else []
        return next((clip for clip in slot if clip.id == name), None)

    def result(self) -> tuple[list[Clip], list[Drop]]:
        """Clips that are kept, and those that a person dropped."""
        kept, dropped = [], []
        for clip in self:
            if clip.id in self.reasons:
                dropped.append(Drop(clip.id, clip.start, clip.end, f"a person: {self.reasons[clip.id]}"))
            else:
                kept.append(clip)
        return kept, dropped

    def do(self, edit: Edit) -> None:
        """Lay one edit over; it does nothing to a clip that is not here."""
        self._line += 1
        self._line_of.setdefault(edit.id, self._line)
        clip = self.get(edit.clip)
        if clip is None:
            return
        self.met.add(clip.id)
        if not self._is_news(clip, "born"):
            return
        if edit.action == "set":
            self._set(clip, edit)
        elif edit.action == "drop":
            self.reasons.pop(clip.id, None)
            if edit.value is not None:
                self.reasons[clip.id] = edit.value
        elif self._is_news(clip, "moved"):
            done = self._split(clip, edit) if edit.action == "split" else self._merge(clip, edit)
            if not done:  # nor is it at the next stage, where others may be in the way or not
                self._change(clip, _moved(clip, edit))

    def _is_news(self, clip: Clip, event: str) -> bool:
        """Does the line come after the one that made (`born`) or `moved` this clip?"""
        return self._line > self._line_of.get(_lineage(clip).get(event) or "", 0)

    def _set(self, clip: Clip, edit: Edit) -> None:
        fields = dict(edit.value)
        by_person = self.by_person.setdefault(clip.id, set())
        start, end = fields.pop("start", clip.start), fields.pop("end", clip.end)
        changed = clip
        if {"start", "end"} & edit.value.keys() and self._is_news(clip, "moved"):
            if not start < end:
                raise UserError(f"{edit.where}: clip {clip.id} would end before it starts ({start} to {end})")
            part = _without(clip.part(start, end), "heard")
            changed = _moved(replace(part, id=clip.id), edit)
            if "text" in by_person or "text" not in clip.fields:  # times change no person's text
                fields.setdefault("text", clip.fields.get("text"))
        if "text" in fields:
            text = fields["text"]
            timed = text is not None and "words" in changed.fields
            fields["words"] = retimed(changed["words"], text, changed.start, changed.end) if timed else None
        changed = changed.add(**fields)
        removed = {name for name, value in fields.items() if value is None}
        self._change(clip, _without(changed, *removed) if removed else changed)
        by_person.update(edit.value)
        by_person.difference_update(removed)

    def _split(self, clip: Clip, edit: Edit) -> bool:
        if not clip.start < edit.value < clip.end:
            return False
        whole = _with_words(clip)
        parts = [whole.part(clip.start, edit.value), whole.part(edit.value, clip.end)]
        if "words" not in clip.fields:
            parts = [_without(part, "words") for part in parts]
        if parts[0].id == parts[1].id or any(p.id != clip.id and self.get(p.id) for p in parts):
            return False
        reason = self.reasons.get(clip.id)
        self._succeed(clip, *(_born(part, edit) for part in parts))
        if reason is not None:
            self.reasons.update({part.id: reason for part in parts})
        return True

    def _merge(self, clip: Clip, edit: Edit) -> bool:
        other = self.get(edit.value)
        if other is None or other.id == clip.id or other.source != clip.source:
            return False
        if not (self._is_news(other, "born") and self._is_news(other, "moved")):
            return False
        first, last = sorted((clip, other), key=lambda c: (c.start, c.end))
        joined = _joined(first, last)
        if joined.id not in (first.id, last.id) and self.get(joined.id):
            return False
        reasons = [self.reasons[part.id] for part in (first, last) if part.id in self.reasons]
        self._succeed(last)
        self._succeed(first, _born(joined, edit))
        if len(reasons) == 2:
            self.reasons[joined.id] = reasons[0]
        return True

    def _change(self, old: Clip, new: Clip) -> None:
        slot = self._slots[self._slot_of[old.id]]
        slot[slot.index(old)] = new

    def _succeed(self, old: Clip, *new: Clip) -> None:
        """`new` instead of `old`; what was said of it does not hold for them."""
        number = self._slot_of.pop(old.id)
        place = self._slots[number].index(old)
        self._slots[number][place : place + 1] = new
        self._slot_of.update({clip.id: number for clip in new})
        self.reasons.pop(old.id, None)
        self.by_person.pop(old.id, None)


def _lineage(clip: Clip) -> dict[str, Any]:
    lineage = clip.fields.get(LINEAGE, {})
    return lineage if lineage.get("clip") == clip.id else {}


def _moved(clip: Clip, edit: Edit) -> Clip:
    return clip.add(**{LINEAGE: {"clip": clip.id, "born": _lineage(clip).get("born"), "moved": edit.id}})


def _born(clip: Clip, edit: Edit) -> Clip:
    clip = _without(clip, "reviewed", "heard")  # nobody has looked at this one yet, nor transcribed it
    return clip.add(**{LINEAGE: {"clip": clip.id, "born": edit.id, "moved": edit.id}})


def _without(clip: Clip, *names: str) -> Clip:
    return replace(clip, fields={k: v for k, v in clip.fields.items() if k not in names})


def _with_words(clip: Clip) -> Clip:
    """A text whose words have no times is thought of as spoken evenly."""
    if "words" in clip.fields or "text" not in clip.fields:
        return clip
    return clip.add(words=retimed([], clip["text"], clip.start, clip.end))


def _joined(first: Clip, last: Clip) -> Clip:
    """Both, and what is between; what was measured on the first stands until it is measured anew."""
    end: Seconds = max(first.end, last.end)
    fields: dict[str, Any] = {}
    if "text" in first.fields or "text" in last.fields:
        fields["text"] = " ".join(c["text"] for c in (first, last) if c.fields.get("text"))
    if "words" in first.fields or "words" in last.fields:
        words = (_with_words(c).fields.get("words", []) for c in (first, last))
        fields["words"] = [word for part in words for word in part]
    if flags := [flag for c in (first, last) for flag in c.fields.get("flags", [])]:
        fields["flags"] = [*dict.fromkeys(flags)]
    return _without(first, "words").part(first.start, end).add(**fields)
