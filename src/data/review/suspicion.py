"""How likely it is that a clip wants correcting, and why, in words.

Every sign has a score from 0 (nothing unusual) to 1 and a weight from 0 to 1. Together they are

    suspicion = 1 - (1 - weight * score) * (1 - weight * score) * ...

so that one strong sign is enough and several weak ones add up; an unknown sign counts nothing.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from understudy.data.manifest import Clip
from understudy.errors import UserError


@dataclass(frozen=True)
class Sign:
    """One reason to look at a clip; `score` is None where the clip does not tell."""

    name: str
    label: str
    score: float | None = None
    words: str = "unknown"
    brief: str = ""


@dataclass(frozen=True)
class Spread:
    """The middle half of a number over the set, to tell what is unusual in it."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        numbers = np.array([*values] or [0.0])
        low, middle, high = np.quantile(numbers, [0.25, 0.5, 0.75])
        least = max(0.1 * abs(middle), 1e-6)  # where nearly all are the same
        return cls(float(low - least / 2), float(high + least / 2))

    def above(self, value: float) -> float:
        """0 inside the middle half, 0.5 at 1.5 and 1 at 3 times its width beyond: Tukey's fences."""
        return min(max(value - self.high, 0.0) / (self.high - self.low) / 3, 1.0)

    def below(self, value: float) -> float:
        return min(max(self.low - value, 0.0) / (self.high - self.low) / 3, 1.0)


@dataclass
class Suspicion:
    """The weight of each sign."""

    confidence: float = 0.8  # of the transcriber
    fit: float = 0.7  # of the text to the sound, against the rest of the set
    rate: float = 0.6  # characters a second, against the rest of the set
    disagreement: float = 0.8  # of two transcribers
    speaker_distance: float = 0.5  # from the subject's voice, against the rest of the set
    flags: float = 0.7
    held_out_error: float = 0.6  # of a model that learnt from the others, against the rest of the set
    held_out_loss: float = 0.9  # the same model's surprise at the text, against the rest of the set

    def __post_init__(self) -> None:
        for name, weight in vars(self).items():
            if not 0 <= weight <= 1:
                raise UserError(f"suspicion.{name}={weight}: a weight is a number from 0 to 1")
        self.learn([])

    def learn(self, clips: Sequence[Clip]) -> None:
        """See what is usual in this set."""
        self._rates = Spread.of(r for r in map(characters_per_second, clips) if r)
        self._distances, self._fits, self._errors = (
            Spread.of(v for clip in clips if (v := known(clip, name)) is not None)
            for name in ("speaker_distance", "fit", "held_out_error")
        )
        losses = (known(clip, "held_out_loss") for clip in clips)
        self._log_losses = Spread.of(_log(loss) for loss in losses if loss is not None)

    def signs(self, clip: Clip) -> list[Sign]:
        """All of them, known or not."""
        return [
            self._confidence(clip),
            self._fit(clip),
            self._rate(clip),
            self._disagreement(clip),
            self._distance(clip),
            self._flags(clip),
            self._held_out_error(clip),
            self._held_out_loss(clip),
        ]

    def weight(self, sign: Sign) -> float:
        """What a sign adds where it stands alone."""
        return float(getattr(self, sign.name)) * (sign.score or 0.0)

    def score(self, clip: Clip) -> float:
        return round(1 - math.prod(1 - self.weight(sign) for sign in self.signs(clip)), 4)

    def _confidence(self, clip: Clip) -> Sign:
        label, confidence = "confidence", known(clip, "confidence")
        if confidence is None:
            return Sign("confidence", label)
        brief = words = f"{confidence:.0%} sure"
        doubtful = [word for word in clip.fields.get("words", []) if len(word) > 3 and _is_number(word[3])]
        if doubtful:
            least = min(doubtful, key=lambda w: w[3])
            words += f", least of “{least[2]}” ({least[3]:.0%})"
        return Sign("confidence", label, _share(1 - confidence), words, brief)

    def _fit(self, clip: Clip) -> Sign:
        label, value = "text and sound", known(clip, "fit")
        if value is None:
            return Sign("fit", label)
        words = f"the sound bears it out by {value:.2f}, usual here from {self._fits.low:.2f}"
        return Sign("fit", label, self._fits.below(value), words, "sounds otherwise")

    def _rate(self, clip: Clip) -> Sign:
        label, rate = "speaking rate", characters_per_second(clip)
        if rate is None:
            return Sign("rate", label)
        if rate == 0:
            return Sign("rate", label, 1.0, "no text at all", "no text")
        fast, slow = self._rates.above(rate), self._rates.below(rate)
        words = f"{rate:.0f} characters/s, usual here {self._rates.low:.0f} to {self._rates.high:.0f}"
        brief = f"{'fast' if fast else 'slow'}, {rate:.0f} ch/s"
        return Sign("rate", label, max(fast, slow), words, brief)

    def _disagreement(self, clip: Clip) -> Sign:
        label, value = "second transcriber", known(clip, "disagreement")
        if value is None:
            return Sign("disagreement", label)
        words = f"{value:.0%} of the characters differ"
        return Sign("disagreement", label, _share(value), words, f"{value:.0%} disputed")

    def _distance(self, clip: Clip) -> Sign:
        label, value = "voice", known(clip, "speaker_distance")
        if value is None:
            return Sign("speaker_distance", label)
        words = f"{value:.2f} from the subject’s, usual here up to {self._distances.high:.2f}"
        return Sign("speaker_distance", label, self._distances.above(value), words, "voice unlike")

    def _flags(self, clip: Clip) -> Sign:
        label, flags = "flags", clip.fields.get("flags")
        if flags is None:
            return Sign("flags", label)
        words = ", ".join(map(str, flags))
        return Sign("flags", label, 1 - 0.5 ** len(flags), words or "none", words)

    def _held_out_error(self, clip: Clip) -> Sign:
        label, value = "held-out model", known(clip, "held_out_error")
        if value is None:
            return Sign("held_out_error", label)
        usual = min(self._errors.high, 0.99)  # a model that hears badly hears all badly
        words = f"the model that never saw it hears {value:.0%} of it otherwise, usual here up to {usual:.0%}"
        score = round(_share((value - usual) / (1 - usual)), 4)
        if (surprise := self._held_out_loss(clip).score) is not None:
            score = min(score, surprise)  # a model that finds the text likely has only heard it badly
        return Sign("held_out_error", label, score, words, f"{value:.0%} heard otherwise")

    def _held_out_loss(self, clip: Clip) -> Sign:
        label, value = "held-out loss", known(clip, "held_out_loss")
        if value is None:
            return Sign("held_out_loss", label)
        score = self._log_losses.above(_log(value))
        verdict = "unlikely" if score else "likely enough"
        usual = f"{value:.2g} against {math.exp(self._log_losses.high):.2g} usual here"
        words = f"the model that never saw it finds this text {verdict}: {usual}"
        if heard := clip.fields.get("held_out_heard"):
            words += f"; it hears: “{heard}”"
        return Sign("held_out_loss", label, score, words, "an unlikely text")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def known(clip: Clip, name: str) -> float | None:
    """A number in the manifest; None where there is none, or nothing that is one."""
    value: Any = clip.fields.get(name)
    return float(value) if _is_number(value) else None


def _log(loss: float) -> float:
    """Losses differ by factors: a model sure of nearly all is surprised ten times over by a wrong word."""
    return math.log(max(loss, 1e-3))


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def characters_per_second(clip: Clip) -> float | None:
    """None where there is no transcript, 0 where it is empty."""
    text = clip.fields.get("text")
    return None if text is None else len("".join(text.split())) / max(clip.duration, 0.01)
