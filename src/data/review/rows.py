"""Clips as the page is told of them: a row of the list, and all there is to one clip."""

from dataclasses import asdict
from typing import Any

from understudy.data.manifest import Clip
from understudy.data.media import Seconds
from understudy.data.overlay import LINEAGE
from understudy.data.review.desk import Desk
from understudy.data.review.vocabulary import words_of

MARGIN: Seconds = 1.0  # of sound beyond the clip's ends, so that they can be moved outwards
TELLING = 0.15  # from which on a sign is named in the list
NUMBERS = ("language", "transcriber", "snr", "dnsmos", "loudness", "gain")


def row(desk: Desk, clip: Clip) -> dict[str, Any]:
    """What the list shows; what the manifest does not have is null."""
    suspicion = desk.suspicion
    signs = sorted(suspicion.signs(desk.judged[clip.id]), key=suspicion.weight, reverse=True)
    return {
        "id": clip.id,
        "source": clip.source,
        "start": clip.start,
        "end": clip.end,
        "text": clip.fields.get("text"),
        "speaker": clip.fields.get("speaker"),
        "status": desk.tally.statuses[clip.id],
        "reason": desk.state.reasons.get(clip.id),
        "suspicion": desk.scores[clip.id],
        "tags": [[s.name, s.brief] for s in signs[:2] if suspicion.weight(s) >= TELLING],
    }


def detail(desk: Desk, clip: Clip) -> dict[str, Any]:
    """Everything the page shows of the clip that is open."""
    signs = desk.suspicion.signs(desk.judged[clip.id])
    before, after = desk.state.neighbours(clip)
    length = desk.length(clip)
    window = [max(clip.start - MARGIN, 0.0), min(clip.end + MARGIN, length or clip.end)]
    return {
        **row(desk, clip),
        "words": clip.fields.get("words", []),
        "heard": desk.tally.heard_text(clip.id),
        "unknown": unknown_words(desk, clip, clip.fields.get("text") or ""),
        "signs": [asdict(s) | {"weight": desk.suspicion.weight(s)} for s in signs],
        "window": [round(time, 3) for time in window],
        "length": length,
        "before": before and before.id,
        "after": after and after.id,
        "numbers": {name: clip.fields[name] for name in NUMBERS if clip.fields.get(name) is not None},
        "made_by_hand": bool(clip.fields.get(LINEAGE, {}).get("born")),
        "history": [
            {"id": edit.id, "at": edit.at, "action": edit.action, "value": edit.value}
            for edit in desk.edits
            if edit.clip == clip.id
        ][-20:],
    }


def unknown_words(desk: Desk, clip: Clip, text: str) -> list[str]:
    """Words of `text` that are in no list and that nobody has confirmed in another clip."""
    elsewhere = desk.tally.confirmed_words.copy()
    if desk.tally.statuses[clip.id] == "confirmed":
        elsewhere.subtract(word.casefold() for word in words_of(clip.fields.get("text") or ""))
    return desk.vocabulary.unknown(text, +elsewhere)
