"""All clips under review at one moment, and what follows from them."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from functools import cached_property

from understudy.data.manifest import Clip
from understudy.data.media import Seconds
from understudy.data.overlay import Edit, Overlay

LONGEST_GAP: Seconds = 2.0  # between two clips that can be joined
STATUSES = ("todo", "edited", "doubted", "confirmed", "dropped")


@dataclass(frozen=True)
class State:
    """Clips in the manifest's order, dropped ones too."""

    clips: Mapping[str, Clip]
    reasons: Mapping[str, str]  # of those that are dropped
    by_person: Mapping[str, frozenset[str]]  # fields that a person set
    doubted: Set[str] = frozenset()  # confirmed, and yet a model that never saw them contradicts

    @classmethod
    def of(cls, overlay: Overlay, doubted: Set[str] = frozenset()) -> "State":
        by_person = {name: frozenset(fields) for name, fields in overlay.by_person.items()}
        return cls({clip.id: clip for clip in overlay}, dict(overlay.reasons), by_person, doubted)

    def status(self, name: str) -> str:
        if name in self.reasons:
            return "dropped"
        if self.clips[name].fields.get("reviewed"):
            return "doubted" if name in self.doubted else "confirmed"
        return "edited" if "text" in self.by_person.get(name, ()) else "todo"

    @cached_property
    def by_source(self) -> dict[str, list[str]]:
        """The clips of each source by time."""
        found: dict[str, list[Clip]] = {}
        for clip in self.clips.values():
            found.setdefault(clip.source, []).append(clip)
        return {s: [c.id for c in sorted(of, key=lambda c: (c.start, c.end))] for s, of in found.items()}

    def neighbours(self, clip: Clip) -> tuple[Clip | None, Clip | None]:
        """The clips right before and after it, where they can be joined without taking in anything else."""
        names = self.by_source[clip.source]
        place = names.index(clip.id)
        before = self.clips[names[place - 1]] if place else None
        after = self.clips[names[place + 1]] if place + 1 < len(names) else None
        if before and (before.id in self.reasons or clip.start - before.end > LONGEST_GAP):
            before = None
        if after and (after.id in self.reasons or after.start - clip.end > LONGEST_GAP):
            after = None
        return before, after

    def changed_since(self, before: "State") -> set[str]:
        """Clips that are new or other than they were."""
        changed = self.doubted ^ before.doubted
        named = self.by_person.keys() | before.by_person.keys() | self.reasons.keys() | before.reasons.keys()
        return {
            name
            for name, clip in self.clips.items()
            if name in changed
            or (clip is not before.clips.get(name) and clip != before.clips.get(name))
            or (
                name in named
                and (self.reasons.get(name), self.by_person.get(name))
                != (before.reasons.get(name), before.by_person.get(name))
            )
        }

    def successors_since(self, before: "State") -> dict[str, list[str]]:
        """Clips that are no more, each with the new ones that lie in its stretch."""
        new = [clip for name, clip in self.clips.items() if name not in before.clips]
        gone = (clip for name, clip in before.clips.items() if name not in self.clips)
        return {clip.id: [n.id for n in new if _overlap(clip, n)] for clip in gone}


def confirmed_twice(edits: Iterable[Edit]) -> set[str]:
    """Clips whose text a person confirmed once more when it was doubted, and has not touched since."""
    found: set[str] = set()
    for edit in edits:
        if edit.action == "set" and {"reviewed", "text"} & edit.value.keys():
            again = edit.value.get("reviewed") and isinstance(edit.was, dict) and edit.was.get("reviewed")
            (found.add if again else found.discard)(edit.clip)
    return found


def _overlap(one: Clip, other: Clip) -> bool:
    return one.source == other.source and one.start < other.end and other.start < one.end
