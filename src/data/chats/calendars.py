"""Years of other calendars, names of months and halves of the day, in the languages exports come in.

Names and day periods are the Unicode CLDR's, as phones have them, read through Babel.
"""

import re
from collections import defaultdict
from datetime import date
from functools import cache, lru_cache

from babel import Locale

# the most spoken first: where two languages have one word for two months, the earlier is meant
LANGUAGES = """en es pt fr de it ru id tr ar hi zh zh_Hant ja ko nl pl uk fa he vi th sv da nb fi cs hu ro el
bg sk ca hr sr sl lt lv et ms fil bn ur mr gu ta te kn ml pa sw af az kk uz sq mk gl eu is ga""".split()  # noqa: SIM905

_DAY = 24 * 3600
_ERAS = {
    "R": 2018,
    "令和": 2018,
    "H": 1988,
    "平成": 1988,
    "S": 1925,
    "昭和": 1925,
    "民國": 1911,
    "民国": 1911,
}
ERA = "令和|平成|昭和|民[國国]|[RHS]"
_BUDDHIST = 543

# halves of the day that older phones wrote, which today's CLDR has no more
_OLDER_HALVES = {
    "am": "am a.m. vorm. पूर्वाह्न पूर्वा॰ לפנה״צ ق.ظ قبل‌ازظهر ก่อนเที่ยง öö д.п. пр.об. pagi antes",
    "pm": "pm p.m. nachm. अपराह्न अप॰ אחה״צ ب.ظ بعدازظهر หลังเที่ยง ös п.п. сл.об. μ.μ. malam siang sore",
}


def gregorian(year: str, month: int, day: int) -> date:
    """The day of a year as an export writes it: 24, 2024, 2567 (Buddhist), R6, 令和6, 1402 (Persian).

    Raises ValueError where there is no such day, or a year of no calendar that is known.
    """
    if match := re.match(rf"({ERA})\s?(\d+|元)$", year):
        era_year = 1 if match[2] == "元" else int(match[2])
        return date(_ERAS[match[1]] + era_year, month, day)
    number, digits = int(year), len(year)
    if digits == 2:
        # there was no messenger before 2009: 52 and more are the last digits of Buddhist years
        return date(number + (2000 if number < 52 else 2500 - _BUDDHIST), month, day)
    if digits == 3:
        return date(number + _ERAS["民國"], month, day)
    if digits != 4 or 1420 <= number < 1900:
        raise ValueError(f"year {year} is of no calendar that is known")
    if number > 2400:
        return date(number - _BUDDHIST, month, day)
    return _persian(number, month, day) if number < 1420 else date(number, month, day)


def _persian(year: int, month: int, day: int) -> date:
    """Leap years by the cycle of 33, which is right from 1799 to 2129."""
    if not (1 <= month <= 12 and 1 <= day <= (31 if month < 7 else 30)):
        raise ValueError(f"no day {day} of month {month}")
    years = year + 1595
    days = 365 * years + years // 33 * 8 + (years % 33 + 3) // 4
    days += (month - 1) * 31 if month < 7 else (month - 7) * 30 + 186
    return date.fromordinal(days + day - 355_668 - 365)


@lru_cache(1024)
def month_number(word: str) -> int | None:
    """March is 3, in whatever language."""
    for months in _months().values():
        if number := months.get(_plain(word)):
            return number
    return None


@lru_cache(1024)
def hour_of_day(hour: int, period: str) -> int | None:
    """The hour of 24 that "3 p. m.", "下午3" or "रात 12" is; None where `period` is no time of day."""
    spans = _periods().get(_plain(period))
    if spans is None:
        return None
    if hour > 12:  # 15:15 p.m.
        return hour
    return min((hour % 12, hour % 12 + 12), key=lambda candidate: _distance(candidate * 3600, spans))


def _distance(second: int, spans: tuple[tuple[int, int], ...]) -> int:
    """How far outside of the nearest span, around the clock: 11 is an hour before noon."""
    return min(
        0 if start <= second + turn < end else min(abs(second + turn - start), abs(second + turn - end + 1))
        for start, end in spans
        for turn in (-_DAY, 0, _DAY)
    )


@cache
def _months() -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for language in LANGUAGES:
        names = found[language] = {}
        months = Locale.parse(language).months
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for number, name in months[context][width].items():
                    names.setdefault(_plain(name), number)
    found["en"]["sept"] = 9
    return found


@cache
def _periods() -> dict[str, tuple[tuple[int, int], ...]]:
    """Seconds of the day from and to, by what the period is called."""
    spans: dict[str, tuple[tuple[int, int], ...]] = {}
    halves = {"am": ((0, _DAY // 2),), "pm": ((_DAY // 2, _DAY),)}
    for half, words in _OLDER_HALVES.items():
        spans |= dict.fromkeys(map(_plain, words.split()), halves[half])
    flexible: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for language in LANGUAGES:
        locale = Locale.parse(language)
        rules = {
            period: tuple(_span(rule) for rule in rules)
            for period, rules in locale.day_period_rules.get(None, {}).items()
        }
        for widths in locale.day_periods.values():
            for width in ("wide", "abbreviated"):
                for period, name in widths.get(width, {}).items():
                    if period in halves:
                        spans.setdefault(_plain(name), halves[period])
                    else:
                        flexible[_plain(name)].update(rules.get(period, ()))
    return {word: tuple(sorted(span)) for word, span in flexible.items() if span} | spans


def _span(rule: dict[str, int]) -> tuple[int, int]:
    if "at" in rule:  # noon: the minutes after it are called so as well
        return rule["at"], rule["at"] + 3600
    start, end = rule["from"], rule["before"]
    return start, end if end > start else end + _DAY


def _plain(word: str) -> str:
    return re.sub(r"[\s.·״\"'’॰\u200c]", "", word.casefold())
