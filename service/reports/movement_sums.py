"""What one reader's movements add to the figures, by day: arithmetic on rows, without a database.

Sums over readers are sums of these, so a rollup takes a reader's former ones away and adds the present
ones: what came late, or joined another reader, changes days that are long over in the same way.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import combinations, groupby
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from service.db.tables import MovementRow
from service.reports.tallies import (
    CHANGED_IN,
    CHANGED_OUT,
    INVOLUNTARY,
    NEW,
    PAUSED,
    REACTIVATED,
    RESUMED,
    VOLUNTARY,
)

DIMENSIONS = ("plan", "interval_charged", "currency")
GRAINS = tuple(each for size in range(4) for each in combinations(DIMENSIONS, size))
"""What may be told apart at once: a reader is active for each value of a grain by itself."""
KINDS_OF = {
    INVOLUNTARY: "churn_involuntary",
    VOLUNTARY: "churn_voluntary",
    PAUSED: "pause",
    NEW: "new",
    REACTIVATED: "reactivation",
    RESUMED: "resume",
}
TENURES = {"day_1": 1, "day_7": 7, "day_30": 30, "day_100": 100}
LATER = "later"
PRICE_CLASSES = ("full", "half", "quarter", "less")
"""By what is charged of the listed price: all of it, at least a half, at least a quarter, less."""
TIMES_A_YEAR = {"day": 365, "week": 52, "month": 12, "year": 1}
DAYS_A_YEAR = 365
Values = tuple[str, ...]
"""Plan, interval charged and currency, and what else is told apart; empty where a grain doesn't."""


class Money(NamedTuple):
    """Where an amount belongs: the day and kind of the movement, and what is charged."""

    day: date
    kind: str
    plan: str
    interval: str
    every: int
    currency: str


class Edge(NamedTuple):
    """Where a reader who became active or ceased to be it belongs; `cause` and `tenure` are of an end."""

    grain: str
    day: date
    plan: str
    interval: str
    currency: str
    way: str
    cause: str = ""
    tenure: str = ""


class Right(NamedTuple):
    """Where a subscription that is sold at a price class belongs, which began or ceased on the day."""

    day: date
    plan: str
    currency: str
    price: str


class Overlap(NamedTuple):
    """Readers of the cohort of one month who have a paid subscription from another month on.

    Plan, interval charged and currency are what they first paid for.
    """

    cohort: date
    month: date
    plan: str
    interval: str
    currency: str


@dataclass
class Sums:
    """Amounts for the interval charged, in minor units; numbers of subscriptions and of readers."""

    recurring: Counter[Money] = field(default_factory=Counter)
    net: Counter[Money] = field(default_factory=Counter)
    rights: Counter[Right] = field(default_factory=Counter)
    readers: Counter[Edge] = field(default_factory=Counter)
    cohorts: Counter[Overlap] = field(default_factory=Counter)


class Side(NamedTuple):
    """What a movement takes away or adds; `gain` is -1 or 1."""

    at: datetime
    kind: str
    cause: str
    gain: int
    values: Values
    plan: str
    interval: str
    every: int
    listed: int
    recurring: int
    net: int


class Stayed(NamedTuple):
    since: datetime
    way_in: str
    until: datetime | None = None
    way_out: str = ""
    cause: str = ""


def change_of(rows: Iterable[MovementRow], zone: ZoneInfo) -> Sums:
    """What these readers add, less what they added when their rows were rolled up (`rolled_as`).

    All rows of each reader must be given.
    """
    now: defaultdict[str, list[MovementRow]] = defaultdict(list)
    before: defaultdict[str, list[MovementRow]] = defaultdict(list)
    for row in rows:
        now[row.customer].append(row)
        if row.rolled_as is not None:
            before[row.rolled_as].append(row)
    change = Sums()
    for theirs in now.values():
        _add(change, theirs, zone, 1)
    for theirs in before.values():
        _add(change, theirs, zone, -1)
    return change


def _add(to: Sums, rows: Iterable[MovementRow], zone: ZoneInfo, sign: int) -> None:
    """What the movements of one reader add, with days of the zone."""
    sides = []
    for row in rows:
        day = row.at.astimezone(zone).date()
        for side in sides_of(row):
            key = Money(day, row.kind, side.plan, side.interval, side.every, row.currency)
            to.recurring[key] += sign * side.gain * side.recurring
            to.net[key] += sign * side.gain * side.net
            price = price_class(side.listed, side.net, side.interval, side.every)
            if price is not None:
                to.rights[Right(day, side.plan, row.currency, price)] += sign * side.gain
            sides.append(side)
    sides.sort(key=attrgetter("at"))
    alike = len({each.values for each in sides}) == 1
    whole = list(stays_of(sides))
    for grain in GRAINS:
        theirs = [(_told_apart(sides[0].values, grain), whole)] if alike else by_grain(sides, grain)
        for values, stays in theirs:
            for day, *rest in edges_of(stays, zone):
                to.readers[Edge(",".join(grain), day, *values, *rest)] += sign
    if whole:
        begun = held_at(whole[0].since, sides)
        for (cohort, month), number in months_of(whole, zone).items():
            to.cohorts[Overlap(cohort, month, *begun)] += sign * number


def sides_of(row: MovementRow, led: Values = ()) -> Iterator[Side]:
    """What a movement takes away and what it adds; `led` goes with its values."""
    for gain, plan, interval, every, listed, recurring, net in (
        (-1, row.from_plan, row.from_interval, row.from_interval_count, row.from_listed,
         row.from_recurring, row.from_net),
        (1, row.to_plan, row.to_interval, row.to_interval_count, row.to_listed, row.to_recurring,
         row.to_net),
    ):  # fmt: skip
        if plan is not None and interval is not None and every is not None:
            values = (plan, interval, row.currency, *led)
            yield Side(
                row.at, row.kind, row.cause, gain, values, plan, interval, every, listed, recurring, net
            )  # fmt: skip


def held_at(at: datetime, sides: list[Side]) -> Values:
    """What they pay for when they begin; of several the first by name."""
    held = Counter[Values]()
    for side in sides:
        if side.at == at:
            held[side.values] += side.gain
    return min((each for each, number in held.items() if number > 0), default=sides[0].values)


def by_grain(
    sides: list[Side], grain: tuple[str, ...], names: tuple[str, ...] = DIMENSIONS
) -> Iterator[tuple[Values, list[Stayed]]]:
    """A reader's stays for each of the values that the grain tells apart; `names` are those of all values."""
    groups: defaultdict[Values, list[Side]] = defaultdict(list)
    for side in sides:
        groups[_told_apart(side.values, grain, names)].append(side)
    for values, theirs in groups.items():
        yield values, list(stays_of(theirs))


def _told_apart(
    values: Values, grain: tuple[str, ...], names: tuple[str, ...] = DIMENSIONS
) -> Values:
    return tuple(value if name in grain else "" for name, value in zip(names, values, strict=True))


def stays_of(sides: list[Side]) -> Iterator[Stayed]:
    """The times as an active subscriber. What begins and ends at one instant cancels out."""
    held, open_since = 0, None
    for at, together in groupby(sides, key=attrgetter("at")):
        theirs = list(together)
        after = held + sum(each.gain for each in theirs)
        kinds = {each.kind for each in theirs}
        if held == 0 and after != 0:
            open_since = Stayed(at, _way(kinds, (NEW, REACTIVATED, RESUMED), CHANGED_IN))
        elif held != 0 and after == 0 and open_since is not None:
            cause = min((each.cause for each in theirs if each.gain < 0), default="")
            way = _way(kinds, (INVOLUNTARY, VOLUNTARY, PAUSED), CHANGED_OUT)
            yield Stayed(open_since.since, open_since.way_in, at, way, cause)
            open_since = None
        held = after
    if open_since is not None:
        yield open_since


def _way(kinds: set[str], ways: tuple[str, ...], otherwise: str) -> str:
    return next((way for way in ways if KINDS_OF[way] in kinds), otherwise)


def edges_of(stays: list[Stayed], zone: ZoneInfo) -> Iterator[tuple[date, str, str, str]]:
    """The days on which a reader became active or ceased to be it, with the way, its cause and tenure."""
    for stay in stays:
        yield stay.since.astimezone(zone).date(), stay.way_in, "", ""
        if stay.until is not None:
            yield (
                stay.until.astimezone(zone).date(), stay.way_out, stay.cause,
                tenure_of(stay.until - stay.since),
            )  # fmt: skip


def price_class(listed: int, net: int, interval: str, every: int) -> str | None:
    """What is charged of the listed price; None: it brings less than a minor unit a day."""
    if net * TIMES_A_YEAR.get(interval, 0) < DAYS_A_YEAR * every:
        return None
    shares = zip(PRICE_CLASSES, (1, 2, 4), strict=False)
    return next((name for name, part in shares if net * part >= listed), PRICE_CLASSES[-1])


def tenure_of(lasted: timedelta) -> str:
    """Which of the tenures it is."""
    return next((name for name, days in TENURES.items() if lasted <= timedelta(days=days)), LATER)


def months_of(stays: list[Stayed], zone: ZoneInfo) -> Counter[tuple[date, date]]:
    """The months that a reader's stays overlap, with the first, as changes: 1 where they begin to, -1 after the last."""
    months: list[tuple[date, date | None]] = []
    for stay in stays:
        first, after = _month(stay.since, zone), None
        if stay.until is not None:
            # An end at a month's first midnight isn't in it any more.
            after = _next(_month(stay.until - timedelta(microseconds=1), zone))
        if months and (end := months[-1][1]) is not None and first <= end:
            months[-1] = (months[-1][0], max(end, after) if after is not None else None)
        else:
            months.append((first, after))
    found: Counter[tuple[date, date]] = Counter()
    for first, after in months:
        found[months[0][0], first] += 1
        if after is not None:
            found[months[0][0], after] -= 1
    return found


def _month(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date().replace(day=1)


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)
