"""Which clips the list shows, and in which order."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from understudy.data.manifest import Clip
from understudy.data.review.desk import Desk
from understudy.data.review.suspicion import characters_per_second, known
from understudy.errors import UserError

Order = Callable[[Desk, Clip], Any]

ORDERS: dict[str, Order] = {
    "suspicion": lambda desk, clip: -desk.scores[clip.id],
    "time": lambda desk, clip: 0,  # as they come
    "confidence": lambda desk, clip: _or(known(clip, "confidence"), 2.0),
    "rate": lambda desk, clip: -(characters_per_second(clip) or 0.0),
    "voice": lambda desk, clip: -_or(known(clip, "speaker_distance"), -1.0),
    "shortest": lambda desk, clip: clip.duration,
    "longest": lambda desk, clip: -clip.duration,
    "random": lambda desk, clip: hashlib.sha256(clip.id.encode()).digest(),
}


def select(desk: Desk, wanted: Mapping[str, str]) -> list[str]:
    """Ids of clips that fit `status`, `speaker`, `flag`, `source` and `text`, by `order`.

    Clips that are alike in it come as they were spoken. `random` is the same on every day and page.
    """
    order = wanted.get("order", "suspicion")
    if order not in ORDERS:
        raise UserError(f"order={order}: choose one of {', '.join(ORDERS)}")
    state = desk.state
    clips = [state.clips[name] for names in state.by_source.values() for name in names]
    for field, fits in FILTERS.items():
        if value := wanted.get(field):
            clips = [clip for clip in clips if fits(desk, clip, value)]
    return [clip.id for clip in sorted(clips, key=lambda clip: ORDERS[order](desk, clip))]


def _or(value: float | None, unknown: float) -> float:
    return unknown if value is None else value


def _holds(desk: Desk, clip: Clip, value: str) -> bool:
    text = f"{clip.fields.get('text') or ''}\n{clip.id}".casefold()
    return all(part in text for part in value.casefold().split())


FILTERS: dict[str, Callable[[Desk, Clip, str], bool]] = {
    "status": lambda desk, clip, value: desk.tally.statuses[clip.id] in value.split(","),
    "speaker": lambda desk, clip, value: str(clip.fields.get("speaker", "")) == value,
    "flag": lambda desk, clip, value: value in clip.fields.get("flags", []),
    "source": lambda desk, clip, value: clip.source == value,
    "text": _holds,
}
