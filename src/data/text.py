"""Text as it is compared and as it is said: one normaliser, one word error rate, for every step.

Casing, punctuation, contractions and numbers are those of Whisper's published normaliser, so error
rates can be compared with those in papers. British and American spellings differ: the table that
maps them comes with a model, and a score must not depend on which model is at hand.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

# the normaliser and the metrics bring libraries that take seconds to load: only who scores pays

# written without spaces: "words" are characters, as in the Whisper paper
_UNSPACED = {"zh", "ja", "th", "lo", "my", "yue"}
_LONGEST_NUMBER = 6  # digits; a longer one is an account, a telephone: said digit by digit


def normalize(text: str, language: str = "en") -> str:
    """`text` as it is compared: small letters, no punctuation, one way of writing numbers.

    `language` is a code as Whisper has them ("en", "de", also "en-us"); all but English only lose
    casing and punctuation.
    """
    normal: str = _normalizer(_code(language))(text.replace("’", "'"))
    # of "..." it leaves a full stop, which is no word
    return " ".join(word for word in normal.split() if any(c.isalnum() for c in word))


def tokens(text: str, language: str = "en") -> list[str]:
    """The words that an error rate counts."""
    return normalize(text, language).split()


def spoken(text: str, language: str = "en") -> list[str]:
    """The words of `text` as a dictionary has them: "F2, don't" is f, two, don't.

    Numbers are spelled out in English alone; elsewhere digits stay.
    """
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'")  # "℠" becomes "sm"
    if _code(language) == "en":
        text = re.sub(r"(?<=\d),(?=\d)", "", text).replace("%", " percent ").replace("&", " and ")
        text = re.sub(r"\d+", lambda digits: f" {_spell(digits[0])} ", text)
    kept = (c if c == "'" or unicodedata.category(c)[0] in "LMN" else " " for c in text)
    return [word for part in "".join(kept).split() if (word := part.strip("'"))]


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str], language: str = "en") -> float:
    """Substituted, missing and added words over the words of all references; can exceed 1."""
    from torchmetrics.functional.text import word_error_rate as rate

    return _error_rate(rate, references, hypotheses, language)


def character_error_rate(references: Sequence[str], hypotheses: Sequence[str], language: str = "en") -> float:
    """As `word_error_rate`, of characters, a space being one."""
    from torchmetrics.functional.text import char_error_rate as rate

    return _error_rate(rate, references, hypotheses, language)


def _error_rate(
    rate: Callable[..., Any], references: Sequence[str], hypotheses: Sequence[str], language: str
) -> float:
    assert len(references) == len(hypotheses), f"{len(references)} references, {len(hypotheses)} hypotheses"
    truth = [normalize(text, language) for text in references]
    found = [normalize(text, language) for text in hypotheses]
    if not any(truth):  # nothing was said: right if nothing was heard, beyond measure if something was
        return math.inf if any(found) else 0.0
    return float(rate(found, truth))


def _code(language: str) -> str:
    return language.lower().split("-")[0]


@cache
def _normalizer(code: str) -> Callable[[str], str]:
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

    if code != "en":
        return BasicTextNormalizer(split_letters=code in _UNSPACED)
    english = EnglishTextNormalizer({})
    # "o" is a letter: upstream reads "o one" as 01 and "O 1" as 0 one, and o'clock as 0 clock
    numbers = english.standardize_numbers
    numbers.zeros, numbers.words = numbers.zeros - {"o"}, numbers.words - {"o"}
    numbers.decimals = numbers.decimals - {"o"}
    return english


@cache
def _number_speller() -> Any:
    from transformers.models.speecht5.number_normalizer import EnglishNumberNormalizer

    return EnglishNumberNormalizer()


def _spell(digits: str) -> str:
    speller = _number_speller()
    if digits.startswith("0") or len(digits) > _LONGEST_NUMBER:
        return " ".join(speller.spell_number(int(digit)) for digit in digits)
    return str(speller.convert(digits))
