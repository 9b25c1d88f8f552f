"""Which number of 3/5/24 is the day: found out from all the dates of one export."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import get_args

from understudy.data.chats.stamps import DateOrder, Stamp

_CLEARLY = 4  # times less is clearly less
_YEAR = 366 * 24 * 3600.0  # seconds


@dataclass
class _Reading:
    """How the dates look if they are read in one order."""

    impossible: int = 0
    back: float = 0.0  # seconds, of all steps back in time together
    first: datetime | None = None
    last: datetime | None = None
    before: datetime | None = None

    def add(self, stamp: Stamp, order: DateOrder) -> None:
        try:
            sent = stamp.at(order)
        except ValueError:
            self.impossible += 1
            return
        if self.before is not None and sent < self.before:
            self.back += (self.before - sent).total_seconds()
        self.before = sent
        self.first = sent if self.first is None else min(self.first, sent)
        self.last = sent if self.last is None else max(self.last, sent)

    @property
    def span(self) -> float:
        return (self.last - self.first).total_seconds() if self.first and self.last else 0.0


@dataclass
class DateOrders:
    """Takes the stamps of one way of writing, one after another, in little memory."""

    count: int = 0
    padded: bool = True  # 03/05 rather than 3/5, everywhere
    alike: bool = True  # 3/3/24: day and month are the same number, everywhere
    american_halves: bool = True  # PM, not pm or p. m., everywhere
    example: str = ""
    separators: set[object] = field(default_factory=set)
    readings: dict[DateOrder, _Reading] = field(
        default_factory=lambda: {order: _Reading() for order in get_args(DateOrder)}
    )

    def add(self, stamp: Stamp, line: str) -> None:
        self.count += 1
        self.example = self.example or line[: stamp.end]
        self.padded &= all(len(number) > 1 for number in stamp.numbers)
        self.alike &= stamp.numbers[0].lstrip("0") == stamp.numbers[1].lstrip("0")
        self.american_halves &= stamp.period in ("AM", "PM")
        self.separators.add(str(stamp.shape[1]).strip())
        possible = stamp.possible_orders()
        for order, reading in self.readings.items():
            if order in possible:
                reading.add(stamp, order)
            else:
                reading.impossible += 1

    def decide(self, wanted: DateOrder | None = None) -> DateOrder | None:
        """`wanted`, where these dates can be read so; else what is likeliest.

        None where it cannot be known: all orders give days that exist, one as plausible as the other.

        A day that does not exist rules an order out. Then time runs forward, and what was written within
        a week is more likely than once a month on the same day. Then habits: dots mean that the day comes
        first, and `3/5/24, 3:15 PM` is written in America.
        """
        if wanted and self.readings[wanted].impossible < self.count:
            return wanted
        usual = min((self.readings["dmy"], self.readings["mdy"]), key=lambda one: one.impossible)
        year_first = self.readings["ymd"]
        candidates = dict(self.readings)
        if usual.impossible <= max(1, self.count // 50) and _YEAR + usual.span < year_first.span:
            del candidates["ymd"]  # any two digits are a year: a line that is damaged must not speak for it
        fewest = min(one.impossible for one in candidates.values())
        left = {order: one for order, one in candidates.items() if one.impossible == fewest}
        for measure in ("back", "span"):
            least = min(float(getattr(one, measure)) for one in left.values())
            left = {
                order: one
                for order, one in left.items()
                if float(getattr(one, measure)) <= max(least * _CLEARLY, least + 120)
            }
        if len(left) > 1 and "ymd" in left:  # with two digits for the year hardly anybody does
            del left["ymd"]
        if len(left) == 1:
            return next(iter(left))
        if self.alike or self.separators <= {".", "-"}:
            return "dmy"
        if self.american_halves and not self.padded:
            return "mdy"
        return None
