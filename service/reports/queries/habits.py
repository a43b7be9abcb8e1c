"""Figures of those who read: how many days subscribers come, and the way from a read to a payment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import (
    CTE,
    ColumnElement,
    Date,
    ScalarSelect,
    Subquery,
    and_,
    case,
    column,
    func,
    literal,
    select,
    union_all,
    values,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.db.base import UtcDateTime
from service.db.tables import (
    AccessEntry,
    HabitDay,
    HolderDay,
    MovementRow,
    Reader,
    ReaderDevice,
    RolledDay,
)
from service.metering.store import DEVICE, READER
from service.reports.asked import Asked
from service.reports.cells import Cell, Line, line_of, none, ratio, share
from service.reports.followed import is_first
from service.reports.period import LAST_DAY, Step, midnight
from service.reports.queries.counting import Counts
from service.reports.queries.distinct import distinct
from service.reports.queries.ledger import by_holder
from service.reports.returns import ANY, BEGAN, COMPLETED, GIVING, WALL

WINDOW = 30
"""Days."""
FEWER = 10
"""Days are counted together where they span no more days for each of them than this: parameters are limited."""
_NO_CHANGE = [0, 0, 0, 0, 0]
_ONE, _ACTIVE = "active subscriber", "active subscribers"
_SETTLED = f"subscribers who were active {WINDOW} days before"
_NOT_TOLD_APART = "New subscribers weren't told apart when this day was counted."
NOT_KEPT = "Who read on each of the 60 days before isn't kept any more."
_NOT_COUNTED = f"{NOT_KEPT[:-1]}, and it wasn't counted in time."
_NOT_OVER = "It is counted when its first day is over."


@dataclass(frozen=True)
class Habits:
    """Active subscribers at the end of a day, and on how many days of the last 30 they read together.

    `settled` were active subscribers 30 days before, too, and of those `asleep` read on no day since. None: it was
    counted by an earlier release, which counted new ones as asleep. `at_risk` read on fewer than half of the
    days of the 30 before.
    """

    readers: int
    days: int
    asleep: int
    at_risk: int
    settled: int | None


async def active_days(session: AsyncSession, asked: Asked) -> list[Line]:
    """On how many of the last 30 days active subscribers read; who slept, and who comes less."""
    steps: dict[int | None, Step] = dict(enumerate(asked.period.steps))
    steps[None] = asked.period.whole
    last = {at: min(step.last, asked.today - timedelta(days=1)) for at, step in steps.items()}
    wanted = {day for at, day in last.items() if day >= steps[at].first}
    found = {
        row.day: Habits(row.readers, row.days, row.asleep, row.at_risk, row.settled)
        for row in await session.scalars(select(HabitDay).where(HabitDay.day.in_(wanted)))
    }
    missing = wanted - found.keys()
    first = await first_known(session) if missing else None
    known = [day for day in sorted(missing) if first is None or day >= first]
    found |= await habits_of(session, asked, known)

    def cell(make: Callable[[Habits], Cell]) -> Callable[[int | None], Cell]:
        def made(at: int | None) -> Cell:
            if last[at] in found:
                return make(found[last[at]])
            return none(_NOT_COUNTED if last[at] in wanted else _NOT_OVER)

        return made

    return [
        line_of(cell(lambda of: ratio(of.days, of.readers, of=_ONE)), asked.steps, "days"),
        line_of(cell(_asleep), asked.steps, "asleep"),
        line_of(cell(lambda of: share(of.at_risk, of.readers, of=_ACTIVE)), asked.steps, "at_risk"),
    ]


async def first_known(session: AsyncSession) -> date | None:
    """The first day of which it is kept who read on each of the 60 days up to it; None: no day's holders were deleted."""
    had = select(func.min(RolledDay.day)).where(RolledDay.rows > 0).scalar_subquery()
    since, first = (await session.execute(select(func.min(HolderDay.day), had))).one()
    if first is None or (since is not None and since <= first):
        return None
    kept: date = since or LAST_DAY
    return kept + timedelta(days=2 * WINDOW - 1)


def _asleep(of: Habits) -> Cell:
    if of.settled is None:
        return none(_NOT_TOLD_APART)
    return share(of.asleep, of.settled, of=_SETTLED)


async def habits_of(
    session: AsyncSession, asked: Asked, days: Sequence[date]
) -> dict[date, Habits]:
    """Of each of these days, which are in order; counted together where they are close to each other."""
    if days and len(_span(days)) <= FEWER * len(days):
        return await _habits_together(session, asked, days)
    return {day: await habits_on(session, asked, day) for day in days}


async def habits_on(session: AsyncSession, asked: Asked, day: date) -> Habits:
    """Counted from the days of holders and the movements; `asked` says which zone's day it is."""
    read = await read_lately(session, asked, day)
    whose = _active_readers(
        midnight(day + timedelta(days=1), asked.home),
        midnight(day + timedelta(days=1 - WINDOW), asked.home),
    )
    lately, before = func.coalesce(read.c.lately, 0), func.coalesce(read.c.before, 0)
    row = (
        await session.execute(
            select(
                func.count(), func.sum(lately),
                func.sum(case((lately == 0, whose.c.settled), else_=0)),
                func.sum(case((lately * 2 < before, 1), else_=0)), func.sum(whose.c.settled),
            )
            .select_from(whose)
            .outerjoin(read, read.c.whose == literal(READER) + whose.c.id)
        )
    ).one()  # fmt: skip
    return Habits(*(int(each or 0) for each in row))


async def _habits_together(
    session: AsyncSession, asked: Asked, days: Sequence[date]
) -> dict[date, Habits]:
    """The same of many days close together: what each reader's reads and movements change from day to day."""
    changes = await _changes_by_day(session, asked, _span(days))
    found, now = {}, _NO_CHANGE
    for day in _span(days):
        now = [had + more for had, more in zip(now, changes.get(day, _NO_CHANGE), strict=True)]
        found[day] = Habits(*now)
    return {day: found[day] for day in days}


async def _changes_by_day(
    session: AsyncSession, asked: Asked, each_day: Sequence[date]
) -> dict[date, list[int]]:
    """How the sums of `Habits` change from the day before."""
    span = _span_rows(each_day, asked.home)
    read = (await _days_read(session, asked, each_day[0], each_day[-1])).select().cte("read_on")
    moved = select(literal(READER) + Reader.id).join(
        MovementRow, MovementRow.customer == Reader.pseudonym
    )
    nothing, one, change = literal(0), literal(1), change_of_paid()
    events = union_all(
        select(
            read.c.whose, read.c.day, one.label("lately"), nothing.label("before"),
            nothing.label("held"), nothing.label("had"),
        ),
        select(read.c.whose, span.c.day, -one, one, nothing, nothing)
        .join(span, span.c.lately_until == read.c.day),
        select(read.c.whose, span.c.day, nothing, -one, nothing, nothing)
        .join(span, span.c.before_until == read.c.day),
        moved.add_columns(_first_after(span, span.c.until), nothing, nothing, change, nothing)
        .where(MovementRow.at < select(func.max(span.c.until)).scalar_subquery()),
        moved.add_columns(_first_after(span, span.c.earlier), nothing, nothing, nothing, change)
        .where(MovementRow.at < select(func.max(span.c.earlier)).scalar_subquery()),
    ).subquery("events")  # fmt: skip
    names = ("lately", "before", "held", "had")
    sums = [func.sum(events.c[name]).label(name) for name in names]
    once = select(events.c.whose, events.c.day, *sums).group_by(events.c.whose, events.c.day)
    daily = once.subquery("daily")
    running = [
        func.sum(daily.c[name]).over(partition_by=daily.c.whose, order_by=daily.c.day).label(name)
        for name in names
    ]
    of = select(daily.c.whose, daily.c.day, *running).subquery("states").c
    settled = case((of.had > 0, 1), else_=0)
    counted = {
        "readers": literal(1), "days": of.lately,
        "asleep": case((of.lately == 0, settled), else_=0),
        "at_risk": case((of.lately * 2 < of.before, 1), else_=0), "settled": settled,
    }  # fmt: skip
    state = select(
        of.whose, of.day,
        *(case((of.held > 0, value), else_=0).label(name) for name, value in counted.items()),
    ).subquery("counted")  # fmt: skip

    def earlier(name: str) -> ColumnElement[int]:
        lagged = func.lag(state.c[name]).over(partition_by=state.c.whose, order_by=state.c.day)
        return func.coalesce(lagged, 0)

    changed = select(
        state.c.day,
        *((state.c[name] - earlier(name)).label(name) for name in counted),
    ).subquery("changed")
    by_day = select(changed.c.day, *(func.sum(changed.c[name]) for name in counted))
    found = await session.execute(by_day.group_by(changed.c.day))
    return {day: [int(each) for each in more] for day, *more in found}


def _span_rows(each_day: Sequence[date], home: ZoneInfo) -> CTE:
    """Each day with its end, the end of the day 30 before, and the days whose reads get 30 and 60 days old."""
    month = timedelta(days=WINDOW)
    columns = (
        column("day", Date), column("until", UtcDateTime), column("earlier", UtcDateTime),
        column("lately_until", Date), column("before_until", Date),
    )  # fmt: skip
    ends = [(day, day + timedelta(days=1)) for day in each_day]
    rows = [
        (day, midnight(end, home), midnight(end - month, home), day - month, day - 2 * month)
        for day, end in ends
    ]
    return values(*columns, name="days").data(rows).cte("span")


def _first_after(span: CTE, instant: ColumnElement[datetime]) -> ScalarSelect[date]:
    """The first day on which a movement counts: what came before all of them counts on the first."""
    return select(func.min(span.c.day)).where(instant > MovementRow.at).scalar_subquery()


def _span(days: Sequence[date]) -> list[date]:
    """From the first day to the last, with those that the first one looks back to."""
    first = days[0] - timedelta(days=2 * WINDOW - 1)
    return [first + timedelta(days=n) for n in range((days[-1] - first).days + 1)]


async def funnel(session: AsyncSession, asked: Asked) -> list[Line]:
    """Holders who read or met a wall, those who met one, who began and completed a checkout, and who gave."""
    measures = {
        "holders": ANY,
        "walled": WALL,
        "started": BEGAN,
        "paid": COMPLETED,
        "gifts": GIVING,
    }
    found = await distinct(session, asked, *measures.values())
    counts = {name: found.counts[measure] for name, measure in measures.items()}

    def number(of: Counts) -> Callable[[int | None], Cell]:
        return lambda at: Cell(of[at])

    def completed(at: int | None) -> Cell:
        return share(counts["paid"][at], counts["started"][at], of="buyers who began a checkout")

    return [
        *(
            line_of(
                found.known(number(of)) if name in {"holders", "walled"} else number(of),
                asked.steps,
                name,
            )
            for name, of in counts.items()
        ),
        line_of(completed, asked.steps, "completed"),
    ]


async def read_lately(
    session: AsyncSession, asked: Asked, day: date, digits: int = 0, days: int = 2 * WINDOW
) -> Subquery:
    """Readers with the number of days with a read, of the 30 up to the day and of the 30 before, as far as `days`
    reach; with `digits` those of a sample (kept_rows.py).
    """
    read = await _days_read(session, asked, day - timedelta(days=days - 1), day, digits)
    is_late = read.c.day > day - timedelta(days=WINDOW)
    return (
        select(
            read.c.whose, func.sum(case((is_late, 1), else_=0)).label("lately"),
            func.sum(case((is_late, 0), else_=1)).label("before"),
        )
        .group_by(read.c.whose)
        .subquery("read_lately")
    )  # fmt: skip


async def _days_read(
    session: AsyncSession, asked: Asked, first: date, last: date, digits: int = 0
) -> Subquery:
    """The days on which each reader read."""
    period = replace(asked.period, first=first, last=last, interval="year")
    days = await by_holder(session, replace(asked, period=period), digits)
    return (
        select(days.c.whose, days.c.day)
        .where(days.c.reads > 0, days.c.whose.startswith(READER))
        .distinct()
        .subquery("days_read")
    )


class LookedBack(NamedTuple):
    """The days on which who sleeps has read nothing, and the instant before which they paid already."""

    days: Any
    earlier: Any


def looked_back(now: datetime, zone: ZoneInfo) -> LookedBack:
    """If the day ended now."""
    today = now.astimezone(zone).date()
    days = [today - timedelta(days=n) for n in range(WINDOW)]
    return LookedBack(days, midnight(today + timedelta(days=1 - WINDOW), zone))


def is_asleep(back: LookedBack) -> ColumnElement[bool]:
    """Whether a row of `Reader` would be counted as asleep; looked up reader by reader. `back` may be of parameters."""
    entry, link = AccessEntry, aliased(ReaderDevice)
    reads = [entry.granted.is_(True), entry.day.in_(back.days)]
    own = select(entry.id).where(entry.holder == literal(READER) + Reader.id, *reads)
    on_devices = (
        select(entry.id)
        .join(link, entry.holder == literal(DEVICE) + link.device_id)
        .where(link.reader_id == Reader.id, is_first(link), *reads)
    )
    row = MovementRow
    held = select(func.sum(change_of_paid())).where(row.customer == Reader.pseudonym)
    had = held.where(row.at < back.earlier)
    return and_(
        *(func.coalesce(each.correlate(Reader).scalar_subquery(), 0) > 0 for each in (held, had)),
        # Not by EXISTS: for a thousand readers PostgreSQL would look through the devices of all there are.
        *(
            each.limit(1).correlate(Reader).scalar_subquery().is_(None)
            for each in (own, on_devices)
        ),
    )


def change_of_paid() -> ColumnElement[int]:
    """How many paid subscriptions more, or fewer, a movement makes."""
    row = MovementRow
    return (
        case((row.to_plan.is_not(None), 1), else_=0)
        - case((row.from_plan.is_not(None), 1), else_=0)
    )  # fmt: skip


def _active_readers(until: datetime, earlier: datetime) -> Subquery:
    """Who paid for something just before an instant, `settled` is 1 for who did so before an earlier one, too.

    Of erased readers nobody knows which.
    """
    row, change = MovementRow, change_of_paid()
    held, had = func.sum(change), func.sum(case((row.at < earlier, change), else_=0))
    active = (
        select(row.customer, case((had > 0, 1), else_=0).label("settled"))
        .where(row.at < until)
        .group_by(row.customer)
        .having(held > 0)
    ).subquery("active")
    return (
        select(Reader.id, active.c.settled)
        .join(active, active.c.customer == Reader.pseudonym)
        .subquery("active_readers")
    )
