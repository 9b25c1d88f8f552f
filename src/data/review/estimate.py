"""How many words are wrong in what nobody has looked at, judged by what was corrected."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ENOUGH = 20  # corrected clips, for an estimate at all
ENOUGH_ALIKE = 5  # of one stratum, for that stratum to stand for itself
STRATA = 5


@dataclass(frozen=True)
class Estimate:
    """A word error rate with the ends of its 95% interval; None where too few clips are corrected."""

    rate: float | None
    low: float | None
    high: float | None
    missing: int  # corrected clips that an estimate still wants
    borrowed: float  # share of the words left that are judged by more suspicious clips


def error_rate_left(corrected: np.ndarray, left: np.ndarray) -> Estimate:
    """`corrected` holds suspicion, wrong words and words of each clip; `left` suspicion and words.

    Clips are looked at worst first, so what was corrected is worse than what is left. Both are parted
    into strata of like suspicion, and each stratum has its own rate, counted by the words left in it.
    One with too few corrections takes in the next more suspicious ones, which overstates its errors
    rather than understates them. The interval is a ratio estimator's, never narrower than that of
    one more error.
    """
    missing = max(ENOUGH - len(corrected), 0)
    words_left = left[:, 1].sum() if len(left) else 0.0
    if missing or not words_left or not corrected[:, 2].sum():
        return Estimate(None, None, None, missing, 0.0)
    edges = np.quantile(np.concatenate([corrected[:, 0], left[:, 0]]), np.linspace(0, 1, STRATA + 1)[1:-1])
    of_corrected, of_left = np.digitize(corrected[:, 0], edges), np.digitize(left[:, 0], edges)
    borrowed = 0.0
    shares: dict[bytes, float] = {}  # of the words left, by the corrected clips that speak for them
    for stratum in range(STRATA):
        share = float(left[of_left == stratum, 1].sum() / words_left)
        if share:
            alike, others = _like(corrected, of_corrected, stratum)
            shares[alike.tobytes()] = shares.get(alike.tobytes(), 0.0) + share
            borrowed += share * others
    rate = variance = 0.0
    for chosen, share in shares.items():
        alike = corrected[np.frombuffer(chosen, bool)]
        its_rate, its_variance = _ratio(alike[:, 1], alike[:, 2])
        rate += share * its_rate
        variance += share**2 * its_variance
    low, high = rate - 1.96 * variance**0.5, rate + 1.96 * variance**0.5
    return Estimate(round(rate, 4), round(max(low, 0.0), 4), round(min(high, 1.0), 4), 0, round(borrowed, 3))


def _like(corrected: np.ndarray, strata: np.ndarray, stratum: int) -> tuple[np.ndarray, bool]:
    """Which corrected clips speak for a stratum (clips,), and whether they are others than its own."""
    for upper in range(stratum, STRATA):
        chosen = (strata >= stratum) & (strata <= upper)
        if chosen.sum() >= ENOUGH_ALIKE and corrected[chosen, 2].sum():
            return chosen, upper > stratum
    return np.ones(len(corrected), bool), True


def _ratio(errors: np.ndarray, words: np.ndarray) -> tuple[float, float]:
    rate = errors.sum() / words.sum()
    n = len(errors)
    variance = n / (n - 1) * np.square(errors - rate * words).sum() / words.sum() ** 2
    return float(rate), float(max(variance, (errors.sum() + 1) / words.sum() ** 2))


def wrong_words(heard: Sequence[str], said: Sequence[str]) -> int:
    """Words put in, left out or changed on the shortest way from one text to the other."""
    row = list(range(len(said) + 1))
    for i, word in enumerate(heard, start=1):
        corner, row[0] = row[0], i
        for j, other in enumerate(said, start=1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (word != other))
    return row[-1]
