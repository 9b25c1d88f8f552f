"""Personal data is not said: a placeholder stands for it, also while a text is still being written."""

import re
from collections.abc import Sequence
from typing import Any

import regex

from understudy.data import personal_data
from understudy.data.personal_data import find_personal_data, without_overlaps


def partly(pattern: re.Pattern[str]) -> Any:
    """The same pattern, which can also tell that a text may yet become a match."""
    return regex.compile(pattern.pattern, regex.IGNORECASE if pattern.flags & re.IGNORECASE else 0)


_SHAPES = [
    partly(pattern)
    for pattern in (
        personal_data.LINK,
        personal_data.EMAIL,
        personal_data.ACCOUNT,
        personal_data.CARD,
        personal_data.LOCAL_PHONE,
        personal_data.ADDRESS,
        personal_data.BIRTH,
        *(re.compile(rf"(?<![\w+]){shape}(?!\w)") for shape in personal_data.ID_NUMBERS.values()),
        # libphonenumber has no pattern to ask: digits, and what may be an extension
        re.compile(r"(?:[(\[+（［＋]\W{0,4})*\d[\W\d]*(?:[^\W\d_]{1,11}[\W\d]*)?"),
    )
]


def undecided(patterns: Sequence[Any], text: str, start: int) -> int:
    """Where in `text`, from `start`, the first stretch begins that may match, or match more, as it grows."""
    for place in range(start, len(text)):
        if any(pattern.fullmatch(text, pos=place, partial=True) for pattern in patterns):
            return place
    return len(text)


class Discretion:
    """A text that grows, in pieces that may be said as soon as no more can make them personal data.

    `region` ("DE") is the country whose telephone numbers are written without their code. The pieces joined
    are the text with placeholders.
    """

    def __init__(self, region: str | None = None) -> None:
        self.region = region
        self._done = 0  # characters of the text that were said, or replaced

    def more(self, text: str) -> str:
        """What may be said now, given all of the text so far; nothing of white space at its end."""
        return self._up_to(min(undecided(_SHAPES, text, self._done), len(text.rstrip())), text)

    def rest(self, text: str) -> str:
        """What was held back, given all of the text."""
        text = text.rstrip()
        return self._up_to(len(text), text)

    def _up_to(self, end: int, text: str) -> str:
        findings = list(find_personal_data(text, self.region))
        # which of those that overlap counts is only known where all of them are complete
        for finding in sorted(findings, key=lambda finding: finding.start, reverse=True):
            if finding.start < end < finding.end:
                end = finding.start
        parts = []
        for finding in without_overlaps(findings):
            if self._done < finding.end <= end:
                parts += [text[self._done : finding.start], finding.means]
                self._done = finding.end
        if end > self._done:
            parts.append(text[self._done : end])
            self._done = end
        return "".join(parts)
