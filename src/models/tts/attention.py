"""Whether attention went through a text from its beginning to its end, as speech does."""

import numpy as np
from torch import Tensor

from understudy.models.tts.speech import Trouble

PATIENCE = 1.0  # seconds at one token: no pause within a sentence is longer
BACK = 5  # tokens, for more than a glance: something is said twice
GLANCE = 0.25  # seconds
JUMP = 8  # tokens at once: something is left out
END = 3  # tokens: the last letter, a full stop and the mark of the end are looked at as one


def trouble_of(attention: Tensor, step: float, *, stopped: bool) -> tuple[int, int, Trouble | None]:
    """How many steps are worth hearing, how many tokens were said, and what went wrong first, if anything.

    `attention` (steps, tokens) sums to one over the tokens, `step` is in seconds; `stopped` tells whether
    the model itself found that all was said.
    """
    steps, tokens = attention.shape
    places = attention.argmax(1).cpu().numpy()
    reached = np.maximum.accumulate(places)
    last = int(reached[-1])
    advances = np.flatnonzero(np.diff(reached, prepend=-1))  # the steps at which it went on
    held = np.diff(advances, append=steps)  # how long it stayed then

    behind = places < reached - BACK
    waited = np.add.reduceat(~behind, advances)
    stuck = advances[(waited * step > PATIENCE) & (reached[advances] < tokens - END)]
    leaps = advances[np.diff(reached[advances], prepend=0) > JUMP]
    glance = round(GLANCE / step)
    longer = np.convolve(behind, np.ones(glance + 1))[glance:] > glance  # from here on
    wrong = [(int(k), "the attention stuck", int(reached[k])) for k in stuck]
    wrong += [(int(k), "the attention left something out", int(reached[k - 1]) if k else 0) for k in leaps]
    wrong += [(int(k), "the attention went back", int(places[k])) for k in np.flatnonzero(longer)]
    if last < tokens - END:
        wrong.append((steps, "the speech broke off", last))
    elif not stopped:
        wrong.append((steps, "the speech did not end", last))
    # where it never went on again is nothing to hear
    patience = round(PATIENCE / step)
    kept = int(advances[-1]) + patience if held[-1] > patience else steps
    if not wrong:
        return kept, last + 1, None
    first, what, token = min(wrong)
    return kept, last + 1, Trouble(what, token, first * step)
