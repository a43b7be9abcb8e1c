"""A period of a report: days of one time zone, in steps, with what it is compared to: pure.

Days begin at midnight in the zone, so a day on which clocks change has 23 or 25 hours. Steps are those
of the calendar: a period that begins on the 29th has a first month of three days, marked as cut short.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Literal, TypeVar, get_args
from zoneinfo import ZoneInfo

from service.zones import zone_named

Interval = Literal["day", "week", "month", "quarter", "year"]
Comparison = Literal["none", "before", "year"]
INTERVALS: tuple[Interval, ...] = get_args(Interval)
COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2099, 12, 31)
MOST_STEPS = 400
"""A year by days, and more months than anybody compares."""
LONGEST_DAYS = 3_660
_ONE_DAY = timedelta(days=1)
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_DAYS_BY_DAY, _DAYS_BY_WEEK = 62, 190
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_FEBRUARY, _LEAP_DAY = 2, 29


class NotAsked(ValueError):
    """Nothing can be answered to what is asked for; `field` names what to change."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Step:
    """The days from `first` to `last`, which are the instants from `since` on and before `until`."""

    first: date
    last: date
    since: datetime
    until: datetime
    is_whole: bool = True
    """Whether it is a whole step of the calendar, not cut short by the period."""


@dataclass(frozen=True)
class Period:
    """`first` to `last`, both included, in steps of `interval`."""

    first: date
    last: date
    interval: Interval
    zone: ZoneInfo
    compared: Comparison = "none"

    @cached_property
    def whole(self) -> Step:
        """All of it as one step."""
        return self._step(self.first, self.last)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Its steps in their order, without a gap and without an overlap."""
        return tuple(self._steps())

    def compared_with(self, today: date) -> "Period | None":
        """The period to compare with: as long, just before, or a year ago. None: nothing is asked.

        Whole months are compared with as many whole months, so March is compared with February. Of a period
        that goes on after today it is the same part: on 10 March the 1st to the 10th of February.
        """
        other = self._before()
        if other is None or not self.first <= today < self.last:
            return other
        so_far = other.first + (today - self.first)
        return self._moved(other.first, min(so_far, other.last))

    def _before(self) -> "Period | None":
        """Of all of it."""
        if self.compared == "none":
            return None
        after = self.last + _ONE_DAY
        if self.first.day == after.day == 1:
            months = (after.year - self.first.year) * 12 + after.month - self.first.month
            back = 12 if self.compared == "year" else months
            return self._moved(_months_on(self.first, -back), _months_on(after, -back) - _ONE_DAY)
        if self.compared == "year":
            return self._moved(_a_year_earlier(self.first), _a_year_earlier(self.last))
        return self._moved(self.first - (after - self.first), self.first - _ONE_DAY)

    def _moved(self, first: date, last: date) -> "Period":
        return Period(first, last, self.interval, self.zone)

    def _steps(self) -> Iterator[Step]:
        first = self.first
        while first <= self.last:
            following = step_after(first, self.interval)
            last = min(following - _ONE_DAY, self.last)
            is_whole = first == step_of(first, self.interval) and last == following - _ONE_DAY
            yield self._step(first, last, is_whole=is_whole)
            first = last + _ONE_DAY

    def _step(self, first: date, last: date, *, is_whole: bool = True) -> Step:
        since, until = midnight(first, self.zone), midnight(last + _ONE_DAY, self.zone)
        return Step(first, last, since, until, is_whole)


def parse_period(asked: Mapping[str, str], *, today: date, zone: ZoneInfo) -> Period:
    """The period of an address: `from`, `to`, `interval`, `zone`, `compare`. Empty: not asked for.

    Without `to` it ends today, without `from` it begins with the month eleven months earlier, and the
    interval suits its length. NotAsked names the field.
    """
    chosen_zone = _zone(asked.get("zone", ""), zone)
    last = _day("to", asked.get("to", ""), lambda: today)
    first = _day(
        "from", asked.get("from", ""), lambda: max(_months_on(last.replace(day=1), -11), FIRST_DAY)
    )
    if first > last:
        raise NotAsked("from", f"The period starts on {first} but ends before that, on {last}.")
    days = (last - first).days + 1
    if days > LONGEST_DAYS:
        raise NotAsked("from", f"{days} days are too many: the maximum is {LONGEST_DAYS}.")
    interval = _one_of("interval", asked.get("interval", ""), INTERVALS, _suiting(days))
    compared = _one_of("compare", asked.get("compare", ""), COMPARISONS, COMPARISONS[0])
    period = Period(first, last, interval, chosen_zone, compared)
    if sum(1 for _ in step_starts(first, last, interval)) > MOST_STEPS:
        raise NotAsked(
            "interval",
            f"Intervals of a {interval} are too short for {days} days: the maximum is {MOST_STEPS} intervals.",
        )
    other = period.compared_with(today)
    if other is not None and other.first < FIRST_DAY:
        raise NotAsked("compare", f"The comparison would include days before {FIRST_DAY}.")
    return period


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which the day begins in the zone."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def step_starts(first: date, last: date, interval: Interval) -> Iterator[date]:
    """The first days of all steps that have a day of the period."""
    start = step_of(first, interval)
    while start <= last:
        yield start
        start = step_after(start, interval)


def step_of(day: date, interval: Interval) -> date:
    """The first day of the calendar's step that the day is in; weeks begin on Monday."""
    if interval == "day":
        return day
    if interval == "week":
        return day - timedelta(days=day.weekday())
    length = _MONTHS[interval]
    return date(day.year, (day.month - 1) // length * length + 1, 1)


def cohort_month(text: str) -> date:
    """The first day of a month such as 2026-03. Raises NotAsked."""
    with suppress(ValueError):
        if (
            _MONTH.fullmatch(text)
            and FIRST_DAY <= (day := date.fromisoformat(f"{text}-01")) <= LAST_DAY
        ):
            return day
    raise NotAsked("cohort", "Write the month of the first payment as 2026-03.")


def step_after(day: date, interval: Interval) -> date:
    """The first day of the next step."""
    start = step_of(day, interval)
    if interval == "day":
        return start + _ONE_DAY
    if interval == "week":
        return start + timedelta(weeks=1)
    return _months_on(start, _MONTHS[interval])


def _months_on(first_of_month: date, months: int) -> date:
    years, month = divmod(first_of_month.month - 1 + months, 12)
    return date(first_of_month.year + years, month + 1, 1)


def _a_year_earlier(day: date) -> date:
    if (day.month, day.day) == (_FEBRUARY, _LEAP_DAY):
        return day.replace(year=day.year - 1, day=_LEAP_DAY - 1)
    return day.replace(year=day.year - 1)


def _suiting(days: int) -> Interval:
    if days <= _DAYS_BY_DAY:
        return "day"
    return "week" if days <= _DAYS_BY_WEEK else "month"


def _day(field: str, text: str, otherwise: Callable[[], date]) -> date:
    if not text:
        return otherwise()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    # fromisoformat reads 20260301 and 2026-W10-1 as well.
    if day is None or day.isoformat() != text:
        raise NotAsked(field, "Enter a date as 2026-03-01.")
    if not FIRST_DAY <= day <= LAST_DAY:
        raise NotAsked(field, f"The date must be between {FIRST_DAY} and {LAST_DAY}.")
    return day


def _zone(text: str, otherwise: ZoneInfo) -> ZoneInfo:
    if not text:
        return otherwise
    try:
        return zone_named(text)
    except ValueError:
        raise NotAsked("zone", "Enter an IANA time zone such as Europe/Lisbon.") from None


_C = TypeVar("_C", Interval, Comparison)


def _one_of(field: str, text: str, known: tuple[_C, ...], otherwise: _C) -> _C:
    if not text:
        return otherwise
    for each in known:
        if each == text:
            return each
    raise NotAsked(field, f"Must be one of {', '.join(known)}.")
