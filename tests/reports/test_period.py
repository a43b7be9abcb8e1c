"""Periods of reports: what an address may ask for, and which instants are meant."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from service.reports.period import MOST_STEPS, NotAsked, Period, parse_period

LISBON, BERLIN, SANTIAGO = (
    ZoneInfo(name) for name in ("Europe/Lisbon", "Europe/Berlin", "America/Santiago")
)
TODAY = date(2026, 3, 10)


def asked(**fields: str) -> Period:
    named = {"from" if name == "first" else "to" if name == "last" else name: value
             for name, value in fields.items()}  # fmt: skip
    return parse_period(named, today=TODAY, zone=BERLIN)


def test_nothing_asked_for_is_the_twelve_months_up_to_today() -> None:
    period = asked()
    assert (period.first, period.last) == (date(2025, 4, 1), TODAY)
    assert (period.interval, period.zone, period.compared) == ("month", BERLIN, "none")
    assert len(period.steps) == 12


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"first": "2026-03-10", "last": "2026-03-09"}, "from"),
    ({"first": "2026-04-01"}, "from"),
    ({"first": "2010-01-01", "last": "2026-01-01"}, "from"),
    ({"first": "yesterday"}, "from"),
    ({"first": "2026-3-1"}, "from"),
    ({"first": "20260301"}, "from"),
    ({"first": "2026-W10-1"}, "from"),
    ({"first": "2026-03-01T00:00:00Z"}, "from"),
    ({"first": "2026-02-29"}, "from"),
    ({"first": "1999-12-31", "last": "2000-02-01"}, "from"),
    ({"first": "0000-01-01"}, "from"),
    ({"last": "2026-02-30"}, "to"),
    ({"last": "2100-01-01"}, "to"),
    ({"last": "10000-01-01"}, "to"),
    ({"last": "２０２６-03-01"}, "to"),
    ({"interval": "hour"}, "interval"),
    ({"interval": "Month"}, "interval"),
    ({"first": "2025-01-01", "last": "2026-03-01", "interval": "day"}, "interval"),
    ({"zone": "Mars/Olympus"}, "zone"),
    ({"zone": "localtime"}, "zone"),
    ({"zone": "../etc/passwd"}, "zone"),
    ({"zone": "\x00"}, "zone"),
    ({"compare": "yesteryear"}, "compare"),
    ({"first": "2000-01-01", "last": "2000-12-31", "compare": "before"}, "compare"),
    ({"first": "2000-01-01", "last": "2000-12-31", "compare": "year"}, "compare"),
]


@pytest.mark.parametrize(("fields", "field"), REFUSED, ids=str)
def test_what_is_no_period_is_refused_with_the_field(fields: dict[str, str], field: str) -> None:
    with pytest.raises(NotAsked) as refused:
        asked(**fields)
    assert refused.value.field == field
    assert str(refused.value)


SUITING = [("2026-03-10", "day"), ("2026-01-08", "day"), ("2026-01-07", "week"), ("2025-09-02", "week"),
           ("2025-09-01", "month"), ("2020-01-01", "month")]  # fmt: skip


@pytest.mark.parametrize(("first", "interval"), SUITING)
def test_the_interval_suits_the_length(first: str, interval: str) -> None:
    assert asked(first=first).interval == interval


def test_the_longest_period_by_days_is_the_most_steps() -> None:
    last = date(2024, 1, 1) + timedelta(days=MOST_STEPS - 1)
    assert len(asked(first="2024-01-01", last=str(last), interval="day").steps) == MOST_STEPS


STEPS: list[tuple[str, str, str, list[tuple[str, str, bool]]]] = [
    ("2026-01-29", "2026-03-31", "month",
     [("01-29", "01-31", False), ("02-01", "02-28", True), ("03-01", "03-31", True)]),
    ("2026-01-29", "2026-01-31", "month", [("01-29", "01-31", False)]),
    ("2026-01-29", "2026-01-31", "day",
     [("01-29", "01-29", True), ("01-30", "01-30", True), ("01-31", "01-31", True)]),
    ("2026-01-01", "2026-01-31", "month", [("01-01", "01-31", True)]),
    ("2026-03-08", "2026-03-17", "week",
     [("03-08", "03-08", False), ("03-09", "03-15", True), ("03-16", "03-17", False)]),
    ("2026-02-15", "2026-06-30", "quarter", [("02-15", "03-31", False), ("04-01", "06-30", True)]),
    ("2026-01-01", "2026-12-31", "year", [("01-01", "12-31", True)]),
]  # fmt: skip


@pytest.mark.parametrize(("first", "last", "interval", "expected"), STEPS)
def test_steps_are_the_calendars(
    first: str, last: str, interval: str, expected: list[tuple[str, str, bool]]
) -> None:
    period = asked(first=first, last=last, interval=interval)
    found = [(f"{each.first:%m-%d}", f"{each.last:%m-%d}", each.is_whole) for each in period.steps]
    assert found == expected
    edges = [(each.since, each.until) for each in period.steps]
    assert all(a[1] == b[0] for a, b in pairwise(edges))
    assert (edges[0][0], edges[-1][1]) == (period.whole.since, period.whole.until)


COMPARED: list[tuple[str, str, str, str, str]] = [
    ("2026-03-01", "2026-03-31", "before", "2026-02-01", "2026-02-28"),
    ("2026-01-01", "2026-03-31", "before", "2025-10-01", "2025-12-31"),
    ("2026-01-01", "2026-12-31", "before", "2025-01-01", "2025-12-31"),
    ("2026-01-29", "2026-01-31", "before", "2026-01-26", "2026-01-28"),
    ("2026-03-01", "2026-03-30", "before", "2026-01-30", "2026-02-28"),
    ("2026-01-29", "2026-01-31", "year", "2025-01-29", "2025-01-31"),
    ("2024-02-29", "2024-02-29", "year", "2023-02-28", "2023-02-28"),
    ("2024-02-01", "2024-02-29", "year", "2023-02-01", "2023-02-28"),
    ("2025-02-01", "2025-02-28", "year", "2024-02-01", "2024-02-29"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "last", "compare", "from_", "to"), COMPARED)
def test_what_it_is_compared_with(first: str, last: str, compare: str, from_: str, to: str) -> None:
    other = asked(first=first, last=last, compare=compare).compared_with(date(2027, 1, 1))
    assert other is not None
    assert (str(other.first), str(other.last), other.compared) == (from_, to, "none")


RUNNING: list[tuple[str, str, str, str, str, str]] = [
    ("2026-03-01", "2026-03-31", "before", "2026-03-10", "2026-02-01", "2026-02-10"),
    ("2026-03-01", "2026-03-31", "year", "2026-03-10", "2025-03-01", "2025-03-10"),
    # The month before is shorter.
    ("2026-03-01", "2026-03-31", "before", "2026-03-30", "2026-02-01", "2026-02-28"),
    ("2026-01-01", "2026-12-31", "before", "2026-03-10", "2025-01-01", "2025-03-10"),
    ("2026-03-08", "2026-03-14", "before", "2026-03-10", "2026-03-01", "2026-03-03"),
    # It ends today: as many days.
    ("2026-03-08", "2026-03-10", "before", "2026-03-10", "2026-03-05", "2026-03-07"),
    # It hasn't begun, or is over.
    ("2026-03-01", "2026-03-31", "before", "2026-02-28", "2026-02-01", "2026-02-28"),
    ("2026-03-01", "2026-03-31", "before", "2026-04-01", "2026-02-01", "2026-02-28"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "last", "compare", "today", "from_", "to"), RUNNING)
def test_what_runs_is_compared_with_the_same_part(
    first: str, last: str, compare: str, today: str, from_: str, to: str
) -> None:
    other = asked(first=first, last=last, compare=compare).compared_with(date.fromisoformat(today))
    assert other is not None
    assert (str(other.first), str(other.last)) == (from_, to)


def test_nothing_is_compared_unless_asked() -> None:
    assert asked().compared_with(TODAY) is None


HOURS: list[tuple[ZoneInfo, str, int, datetime]] = [
    (BERLIN, "2026-03-28", 24, datetime(2026, 3, 27, 23, tzinfo=UTC)),
    (BERLIN, "2026-03-29", 23, datetime(2026, 3, 28, 23, tzinfo=UTC)),
    (BERLIN, "2026-10-25", 25, datetime(2026, 10, 24, 22, tzinfo=UTC)),
    (LISBON, "2026-10-25", 25, datetime(2026, 10, 24, 23, tzinfo=UTC)),
    # Clocks go from midnight to one: the day begins at one, and the day before is whole.
    (SANTIAGO, "2026-09-06", 23, datetime(2026, 9, 6, 4, tzinfo=UTC)),
    # At midnight they go back to eleven: the day before has 25 hours.
    (SANTIAGO, "2026-04-04", 25, datetime(2026, 4, 4, 3, tzinfo=UTC)),
]


@pytest.mark.parametrize(("zone", "day", "hours", "since"), HOURS)
def test_a_day_on_which_clocks_change_is_shorter_or_longer(
    zone: ZoneInfo, day: str, hours: int, since: datetime
) -> None:
    (step,) = asked(first=day, last=day, zone=zone.key).steps
    assert step.since == since
    assert step.until - step.since == timedelta(hours=hours)
    inside = [step.since, step.until - timedelta(seconds=1)]
    assert {str(at.astimezone(zone).date()) for at in inside} == {day}
