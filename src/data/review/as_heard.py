"""The manifest as it was before a person's edits, which were laid over it when it was written."""

from collections.abc import Iterable, Sequence
from typing import Any

from understudy.data.corrected_words import retimed
from understudy.data.manifest import Clip
from understudy.data.overlay import LINEAGE, Edit


def as_heard(clips: Iterable[Clip], edits: Sequence[Edit]) -> list[Clip]:
    """Clips with what they held before they were edited, where their edits say what that was.

    What a person dropped is not in the manifest any more: it stands at the end, from the line that
    dropped it. Clips made by a split or a merge stay.
    """
    by_clip: dict[str, list[Edit]] = {}
    for edit in edits:
        by_clip.setdefault(edit.clip, []).append(edit)
    found = [_unedited(clip, by_clip[clip.id]) if clip.id in by_clip else clip for clip in clips]
    here = {clip.id for clip in found}
    dropped = (e.was for e in edits if e.action == "drop" and e.value is not None and e.clip not in here)
    gone = {was["id"]: was for was in dropped if isinstance(was, dict)}
    return found + [Clip.from_json(was) for was in gone.values()]


def _unedited(clip: Clip, edits: Sequence[Edit]) -> Clip:
    born = clip.fields.get(LINEAGE, {}).get("born")
    since = [k for k, edit in enumerate(edits) if edit.id == born]
    first: dict[str, Any] = {}  # what each field held before anybody set it
    given: dict[str, list[Any]] = {}
    for edit in edits[since[-1] + 1 if since else 0 :]:
        if edit.action == "set" and isinstance(edit.was, dict):
            for name in edit.value.keys() & edit.was.keys():
                first.setdefault(name, edit.was[name])
                given.setdefault(name, []).append(edit.value[name])
    row = clip.to_json()
    restored = {name: first[name] for name in first if row.get(name) in given[name]}
    if not restored:
        return clip
    if "text" in restored and "words" in row:
        start, end = restored.get("start", clip.start), restored.get("end", clip.end)
        row["words"] = retimed(row["words"], restored["text"] or "", start, end)
    if {"start", "end"} & restored.keys():
        row[LINEAGE] = {"clip": clip.id, "born": born, "moved": born} if born else None
    row.update(restored)
    return Clip.from_json({name: value for name, value in row.items() if value is not None})
