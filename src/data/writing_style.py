"""How somebody writes, as distributions that can be compared."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import regex

from understudy.data.near_duplicates import words_of

EMOJI = regex.compile(r"\p{Extended_Pictographic}|\p{Regional_Indicator}{2}")
_MARK = regex.compile(r"\.{2,}|…|[.,!?;:()\-–—]")
_FAVOURITES = 30
_PRIOR = 10.0  # words of doubt about each word, as if seen in both


def _bin(number: int) -> str:
    """Powers of two: 0, 1, 2-3, 4-7, ..."""
    if number < 2:
        return str(number)
    low = 1 << (number.bit_length() - 1)
    return f"{low}-{2 * low - 1}"


def _ending(text: str) -> str:
    last = text.rstrip()[-1:]
    if EMOJI.search(text.rstrip()[-2:]):
        return "emoji"
    return last if _MARK.fullmatch(last) else "none"


def _capital(text: str) -> str:
    letters = [c for c in text if c.isalpha() and c.lower() != c.upper()]
    if not letters:
        return "no letters"
    if len(letters) > 2 and all(c.isupper() for c in letters):
        return "all capital"
    return "begins capital" if letters[0].isupper() else "begins small"


FEATURES: dict[str, Callable[[str], Iterable[str]]] = {
    "length": lambda text: [_bin(len(words_of(text)))],
    "lines": lambda text: [str(min(text.count("\n") + 1, 4))],
    "punctuation": lambda text: _MARK.findall(text) or ["none"],
    "ending": lambda text: [_ending(text)],
    "capitals": lambda text: [_capital(text)],
    "emoji": lambda text: EMOJI.findall(text) or ["none"],
    "words": words_of,
}
"""What each text has, by what is compared: of most a label, of words and marks all."""


def counts(texts: Iterable[str]) -> dict[str, Counter[str]]:
    """Of every feature how often each label occurs."""
    found: dict[str, Counter[str]] = {name: Counter() for name in FEATURES}
    for text in texts:
        for name, labels in FEATURES.items():
            found[name].update(labels(text))
    return found


def divergence(a: Counter[str], b: Counter[str]) -> float:
    """Jensen-Shannon, in bits: 0 for like distributions, 1 for those that share nothing."""
    totals = a.total(), b.total()
    if not all(totals):
        return float(totals[0] != totals[1])
    found = 0.0
    for label in a.keys() | b.keys():
        shares = a[label] / totals[0], b[label] / totals[1]
        middle = sum(shares) / 2
        found += sum(share * math.log2(share / middle) / 2 for share in shares if share)
    return max(found, 0.0)


def distances(texts: Sequence[str], others: Sequence[str]) -> dict[str, float]:
    """By feature the divergence between how both are written, and their mean as "style"."""
    one, two = counts(texts), counts(others)
    found = {name: divergence(one[name], two[name]) for name in FEATURES}
    return {"style": sum(found.values()) / len(found), **found}


def habits(texts: Sequence[str]) -> dict[str, float]:
    """Numbers that can be read: means and shares over texts."""
    number = max(len(texts), 1)
    capitals = Counter(map(_capital, texts))
    return {
        "words": sum(len(words_of(text)) for text in texts) / number,
        "lines": sum(text.count("\n") + 1 for text in texts) / number,
        "marks": sum(len(_MARK.findall(text)) for text in texts) / number,
        "full_stop": sum(_ending(text) == "." for text in texts) / number,
        "emoji": sum(len(EMOJI.findall(text)) for text in texts) / number,
        "small_letters": capitals["begins small"] / max(number - capitals["no letters"], 1),
    }


def favourite_words(texts: Iterable[str], others: Iterable[str], number: int = _FAVOURITES) -> list[str]:
    """What is said more often than by others, surest first.

    Log-odds with a prior, over their standard deviation (Monroe et al., "Fightin' Words", 2008).
    """
    own, their = (Counter(word for text in some for word in words_of(text)) for some in (texts, others))
    totals = own.total() + _PRIOR * len(own | their), their.total() + _PRIOR * len(own | their)

    def surprise(word: str) -> float:
        a, b = own[word] + _PRIOR, their[word] + _PRIOR
        odds = math.log(a / (totals[0] - a)) - math.log(b / (totals[1] - b))
        return odds / math.sqrt(1 / a + 1 / b)

    ranked = sorted(((surprise(word), word) for word in own), key=lambda pair: (-pair[0], pair[1]))
    return [word for score, word in ranked[:number] if score > 0]


def in_words(texts: Sequence[str]) -> str:
    """How somebody writes, for who shall write so: what stands in a persona card."""
    found = habits(texts)
    said = [f"about {max(round(found['words']), 1)} words a message"]
    if found["lines"] > 1.3:
        said.append("often several messages in a row")
    if found["small_letters"] > 0.6:
        said.append("in small letters")
    if found["full_stop"] < 0.1:
        said.append("without full stops")
    said.append("with emoji" if found["emoji"] > 0.15 else "hardly any emoji")
    return f"You write {', '.join(said)}"
