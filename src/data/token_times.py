"""Where in a recording each token of its text is to be looked for."""

from collections.abc import Sequence
from itertools import accumulate, groupby

import numpy as np

from understudy.data.manifest import Clip
from understudy.data.media import Seconds
from understudy.data.pronounce import Spoken

WORD_TOLERANCE = 3.0  # frames: what word times are worth
ANYWHERE = 8.0  # without word times, a token is looked for within an eighth of the recording


def expected(
    said: Spoken, words: Sequence[tuple[Seconds, Seconds, str]], frames: int, frames_a_second: float
) -> np.ndarray:
    """Start, end and tolerance in frames of each token: (tokens, 3) float32.

    `words` are start and end, in seconds from the recording's beginning, and spelling of each word; the
    tokens of a word, a pause within it included, share its time evenly, other pauses have what is between
    the words. Without `words`, or with those of another text, all tokens share the recording.
    """
    tokens = len(said.tokens)
    if [word[2] for word in words] != list(said.words):
        return spans([(0.0, float(frames), tokens)], frames / ANYWHERE)
    times = [[min(max(at * frames_a_second, 0.0), float(frames)) for at in (a, b)] for a, b, _ in words]
    groups = [(owner, len(list(group))) for owner, group in groupby(owners(said.word_of))]
    found = []
    for place, (owner, count) in enumerate(groups):
        if owner >= 0:
            start, end = times[owner]
        else:  # from the end of the word before to the beginning of the one after
            start = times[groups[place - 1][0]][1] if place else 0.0
            end = times[groups[place + 1][0]][0] if place + 1 < len(groups) else float(frames)
        found.append((start, max(start, end), count))
    return spans(found, WORD_TOLERANCE)


def owners(word_of: Sequence[int]) -> list[int]:
    """Of each token the word whose time it shares, or -1: the pause in "yes—no" is the word's own."""
    before = accumulate(word_of, max)
    after = [*accumulate((owner if owner >= 0 else len(word_of) for owner in reversed(word_of)), min)]
    return [one if one == other else -1 for one, other in zip(before, reversed(after), strict=True)]


def times_in(clip: Clip) -> list[tuple[Seconds, Seconds, str]]:
    """Start, end and spelling of a clip's words, from the clip's beginning; none where they are not known."""
    words = clip.fields.get("words") or []
    return [(start - clip.start, end - clip.start, name) for start, end, name, *_ in words]


def spans(groups: Sequence[tuple[float, float, int]], tolerance: float) -> np.ndarray:
    """Of groups of tokens with a start and an end each token's share."""
    rows = []
    for start, end, count in groups:
        borders = np.linspace(start, end, count + 1)
        rows.append(np.stack([borders[:-1], borders[1:], np.full(count, tolerance)], axis=1))
    return np.concatenate(rows).astype(np.float32)
