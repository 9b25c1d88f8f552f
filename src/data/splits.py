"""Which clips are trained on, validated on and tested on: always whole recordings."""

import hashlib
from collections.abc import Sequence
from typing import Literal

from understudy.data.manifest import Clip

Split = Literal["train", "val", "test"]


def split_clips(clips: Sequence[Clip], *, val_share: float, test_share: float) -> dict[Split, list[Clip]]:
    """Held out by source, never by clip; by the hash of its name, so that it stays when others come.

    Small sets still get one source each to train, to validate and to test on, if they have three. Of
    one or two recordings the last clips are held out.
    """
    place = {clip.source: _place(clip.source) for clip in clips}
    ordered = sorted(place, key=lambda source: place[source])
    n_test = sum(p < test_share for p in place.values())
    n_val = sum(p < test_share + val_share for p in place.values()) - n_test
    n_test = min(max(n_test, 1), len(ordered) - 2)
    n_val = min(max(n_val, 1), len(ordered) - n_test - 1)
    test, val = set(ordered[:n_test]), set(ordered[n_test : n_test + n_val])
    split: dict[Split, list[Clip]] = {"train": [], "val": [], "test": []}
    if len(ordered) < 3:
        n_test, n_val = (max(round(len(clips) * share), 1) for share in (test_share, val_share))
        last_train = max(len(clips) - n_test - n_val, 1)
        split["train"], held_out = list(clips[:last_train]), list(clips[last_train:])
        split["val"], split["test"] = held_out[:n_val], held_out[n_val:]
        return split
    for clip in clips:
        split["test" if clip.source in test else "val" if clip.source in val else "train"].append(clip)
    return split


def fold_of(clips: Sequence[Clip], *, folds: int, fold: int) -> tuple[list[Clip], list[Clip]]:
    """The clips of one of `folds` parts of equally many sources, and all others.

    Of fewer sources than folds, every clip counts as a source.
    """
    names = {clip.source for clip in clips}
    by_source = len(names) >= folds
    ordered = sorted(names if by_source else {clip.id for clip in clips}, key=_place)
    inside = set(ordered[fold::folds])
    held_out = [clip for clip in clips if (clip.source if by_source else clip.id) in inside]
    chosen = {clip.id for clip in held_out}
    return held_out, [clip for clip in clips if clip.id not in chosen]


def some_of(clips: Sequence[Clip], number: int) -> list[Clip]:
    """As many, the same ones whenever and wherever they are drawn, a larger number holding the smaller."""
    chosen = {clip.id for clip in sorted(clips, key=lambda clip: _place(f"some {clip.id}"))[:number]}
    return [clip for clip in clips if clip.id in chosen]


def _place(name: str) -> float:
    """A number in [0, 1) that is the name's own."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 16**8
