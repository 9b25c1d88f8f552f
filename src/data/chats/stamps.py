"""The date and time that a line of a text export begins with, in whatever way a phone writes it.

`[date, time] ` (iOS, Signal) or `date, time - ` (Android); the date in numbers, in words or in
Japanese, Chinese and Korean, or behind the time. Which number is the day is not decided here.
"""

import re
import sys
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal

from understudy.data.chats.calendars import ERA, gregorian, hour_of_day, month_number

DateOrder = Literal["dmy", "mdy", "ymd"]

# what phones put between words of both directions: none of it is written by a person
DIRECTION_MARKS = "\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff"
_MARK = re.compile(f"[{DIRECTION_MARKS}]")
_SPACES = "\u00a0\u202f\u2007\u2009\u3000"
_LONGEST = 100  # characters of a date and time, with marks

_PLAIN: dict[int, str | None] = {
    code: str(unicodedata.digit(chr(code)))
    for code in range(128, sys.maxunicode + 1)
    if unicodedata.category(chr(code)) == "Nd"
}
_PLAIN |= {ord(mark): None for mark in map(chr, range(128, 0x10000)) if _MARK.match(mark)}
_PLAIN |= dict.fromkeys(map(ord, _SPACES), " ") | dict.fromkeys(map(ord, "،，、"), ",") | {ord("："): ":"}

# (a letter, then whatever belongs to a word of any script)
_WORD = r"[^\W\d_][^\s\d,:;\[\]()/<>]{0,15}"
_PERIOD = r"[^\W\d_][^\d\[\],:;/<>]{0,20}"
_YEAR = rf"(?:(?:{ERA}) ?)?(?:\d{{1,4}}|元)"
_AFTER_YEAR = r"(?: ?(?:BE|B\.E\.|AD|CE|พ\.ศ\.|ค\.ศ\.|г\.?|р\.?|m\.|AP))?"
_WEEKDAY = rf"(?:{_WORD}\.?,? )?"
_DATES = (
    rf"(?P<a>{_YEAR}) ?(?P<separator>[./-]) ?(?P<b>\d{{1,2}}) ?(?P=separator) ?"
    rf"(?P<c>{_YEAR})\.?{_AFTER_YEAR}",
    rf"(?P<year>{_YEAR}) ?[年년] ?(?P<month>\d{{1,2}}) ?[月월] ?(?P<day>\d{{1,2}}) ?[日일]?"
    r"(?: ?\(.\)| ?.(?:曜日|요일)| ?(?:星期|週|周).)?",
    rf"{_WEEKDAY}(?P<day1>\d{{1,2}})(?:\.|º|er)?(?: de| d[’']| of)?[ .-]+"
    rf"(?P<word1>tháng \d{{1,2}}|{_WORD}?)\.?,?"
    rf"(?: de| del)?[ .,-]+(?:năm |พ\.ศ\. |ค\.ศ\. )?(?P<year1>\d{{4}}|\d\d(?!\d|:)){_AFTER_YEAR}",
    rf"{_WEEKDAY}(?P<word2>{_WORD}?)\.? (?P<day2>\d{{1,2}}),? (?P<year2>\d{{4}})",
    rf"(?P<year3>\d{{4}})\.? (?:m\. )?(?P<word3>{_WORD}?)\.? (?P<day3>\d{{1,2}})\.?",
)
_DATE = f"(?:{'|'.join(_DATES)})"
_TIME = (
    rf"(?:(?P<before>{_PERIOD}?) ?)?(?P<hour>\d{{1,2}}) ?[:.h] ?(?P<minute>\d\d)(?: ?[:.] ?(?P<second>\d\d))?"
    rf"(?: ?(?P<after>{_PERIOD}?))?"
)
# KakaoTalk's way, which Korean exports have too: "2024년 3월 5일 오후 3:15, NAME : "
_END = r"(?(open) ?\](?: ?[-–—])?(?: |$)| ?(?:[-–—]|(?(month),|(?!)))(?: |$))"
_DATE_FIRST = re.compile(rf"(?P<open>\[)?{_DATE}(?:, ?| ){_TIME}{_END}")
_ISO = re.compile(rf"(?P<open>\[)?{_DATE}T{_TIME}{_END}")
_TIME_FIRST = re.compile(rf"(?P<open>\[)?{_TIME}(?:, ?| ){_DATE}{_END}")
_SOME_TIME = re.compile(r"\d ?[:.h] ?\d\d")
# what stands between a date and its time: "5.3.2024 klo 15.15"
_JOINING = {"", "at", "um", "kl", "kl.", "klo", "à", "às", "as", "alle", "ore", "om", "o", "u", "w", "в", "о"}
_JOINING |= {"a las", "a la", "στις", "lúc", "pukul", "pkl", "saat", "เวลา", "को", "de"}


@dataclass(frozen=True, slots=True)
class Stamp:
    """A date and time as written: three numbers whose order is known (`order`) or to be found out."""

    numbers: tuple[str, str, str]
    order: DateOrder | None
    word: str | None  # the month, where it is written in letters
    hour: int
    minute: int
    second: int
    period: str | None  # the half of the day
    shape: tuple[object, ...]  # one export has one way of writing: what differs was pasted in
    end: int  # where in the line the stamp ends

    def possible_orders(self) -> tuple[DateOrder, ...]:
        if self.order:
            return (self.order,)
        first, _, last = self.numbers
        if _is_year(first):
            return ("ymd",)
        return ("dmy", "mdy") if _is_year(last) else ("dmy", "mdy", "ymd")

    def at(self, order: DateOrder) -> datetime:
        """Raises ValueError where there is no such day or time."""
        year, month, day = _day(self.numbers, order, self.word)
        return datetime(year, month, day, self.hour, self.minute, self.second)


def read_stamp(line: str) -> Stamp | None:
    """None where `line` begins with nothing that looks like a date and a time."""
    head = line[:_LONGEST]
    plain = head if head.isascii() else head.translate(_PLAIN)
    space = len(plain) - len(plain.lstrip(" "))
    if not _SOME_TIME.search(plain):
        return None
    for pattern in (_DATE_FIRST, _TIME_FIRST, _ISO):
        if (match := pattern.match(plain, space)) and (stamp := _stamp(match, head, plain)):
            return stamp
    return None


def _stamp(match: re.Match[str], head: str, plain: str) -> Stamp | None:
    found = match.groupdict()
    before, after = (found[name].strip() if found[name] else "" for name in ("before", "after"))
    period = None if before.casefold() in _JOINING else before
    period = after or period
    hour = int(found["hour"])
    if period is not None:
        known = hour_of_day(hour, period)
        if known is None:
            return None
        hour = known
    numbers, order, word = _numbers(found)
    if word is not None and not word.startswith("tháng ") and month_number(word) is None:
        return None
    separator = found["separator"] or ("word" if word else "年")
    years = tuple(len(number) if _is_year(number) else 0 for number in numbers)
    shape = (bool(found["open"]), separator, years, bool(found["second"]), period is not None)
    return Stamp(
        numbers=numbers,
        order=order,
        word=word,
        hour=hour,
        minute=int(found["minute"]),
        second=int(found["second"] or 0),
        period=period,
        shape=shape,
        end=match.end() if head is plain else _place(head, plain, match.end()),
    )


def _numbers(found: dict[str, str | None]) -> tuple[tuple[str, str, str], DateOrder | None, str | None]:
    if found["a"]:
        return (found["a"], found["b"] or "", found["c"] or ""), None, None
    if found["month"]:
        return (found["year"] or "", found["month"], found["day"] or ""), "ymd", None
    for way in "123":
        if word := found[f"word{way}"]:
            return (found[f"year{way}"] or "", "", found[f"day{way}"] or ""), "ymd", word
    raise AssertionError("a date that matched has numbers")


def _place(head: str, plain: str, end: int) -> int:
    """Where in `head` the first `end` characters of what is left of it without marks end."""
    kept = 0
    for place, character in enumerate(head):
        if kept == end:
            return place
        kept += _PLAIN.get(ord(character), "") is not None
    assert len(plain) == end
    return len(head)


@lru_cache(8192)
def _day(numbers: tuple[str, str, str], order: DateOrder, word: str | None) -> tuple[int, int, int]:
    by_letter = dict(zip(order, numbers, strict=True))
    year = by_letter["y"]
    if word is not None:
        month = int(word.split()[1]) if word.startswith("tháng ") else month_number(word)
        assert month is not None
    else:
        month = int(by_letter["m"])
    day = gregorian(year, month, int(by_letter["d"]))
    if len(year) == 2 and day.year < 2009:
        raise ValueError(f"{day} is before there were messengers")
    return day.year, day.month, day.day


def _is_year(number: str) -> bool:
    return len(number) > 2 or not number.isdigit()
