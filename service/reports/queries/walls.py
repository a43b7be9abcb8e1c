"""Figures of reading and walls, from the ledger by day."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Subquery, case, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.reasons import REASONS
from service.db.base import UtcDateTime
from service.db.tables import MovementRow, Pass, Reader, Subscription
from service.metering.store import READER
from service.reports.asked import Asked
from service.reports.cells import Cell, Line, line_of, none, share
from service.reports.queries import ledger
from service.reports.queries.counting import WHOLE, Counts

DAYS_TO_PAY = (1, 3, 7, 30)
DEPTHS = ("0", "1", "2", "3", "4", "5", "6-10", "11+")
GRANTED = tuple(name for name, row in REASONS.items() if row.granted)
_LAST_SINGLE_DEPTH, _LAST_RANGE_DEPTH = 5, 10


async def stop_rate(session: AsyncSession, asked: Asked) -> list[Line]:
    """Distinct holders who met a wall ÷ distinct holders who read or met one."""
    found = await holders_met(session, asked)

    def rate(of: Counts) -> Callable[[int | None], Cell]:
        return lambda at: share(of[at], found["holders"][at], of="holders")

    return [_line(asked, name, rate(found[name])) for name in ("all", "subscribe", "register")]


async def holders_met(session: AsyncSession, asked: Asked) -> dict[str, Counts]:
    """Distinct holders: all that read or met a wall, and those who met any wall or one of a kind."""
    days = await ledger.by_holder(session, asked)
    found: dict[str, Counts] = defaultdict(lambda: defaultdict(int))
    met = {
        name: case((days.c[f"{name}_wall_at"].is_not(None), 1), else_=0)
        for name in ("subscribe", "register")
    }
    holders = _holders(asked, days, func.max, met)
    grouping = (holders.c.step, holders.c.subscribe, holders.c.register)
    for step, subscribed, registered, count in await session.execute(
        select(*grouping, func.count()).group_by(*grouping)
    ):
        at = _place(step)
        found["holders"][at] += count
        found["all"][at] += count * max(subscribed, registered)
        found["subscribe"][at] += count * subscribed
        found["register"][at] += count * registered
    return found


async def meter_depth(session: AsyncSession, asked: Asked) -> list[Line]:
    """Distinct holders by the number of metered articles that they used."""
    days = await ledger.by_holder(session, asked)
    found: dict[str, Counts] = defaultdict(lambda: defaultdict(int))
    holders = _holders(asked, days, func.sum, {"used": days.c.counted})
    grouping = (holders.c.step, holders.c.used)
    for step, used, count in await session.execute(
        select(*grouping, func.count()).group_by(*grouping)
    ):
        found[_depth(int(used))][_place(step)] += count

    def number(of: Counts) -> Callable[[int | None], Cell]:
        return lambda at: Cell(of[at])

    return [_line(asked, name, number(found[name])) for name in DEPTHS]


async def access_mix(session: AsyncSession, asked: Asked) -> list[Line]:
    """The share of each reason among the reads."""
    days = await ledger.by_article(session, asked)
    step = asked.step_on(days.c.day)
    rows = (
        select(step.label("step"), days.c.reason, days.c.rows)
        .where(days.c.wall == "")
        .subquery("rows")
    )
    sums: dict[str, Counts] = defaultdict(lambda: defaultdict(int))
    together: Counts = defaultdict(int)
    for at, reason, count in await session.execute(
        select(rows.c.step, rows.c.reason, func.sum(rows.c.rows)).group_by(
            rows.c.step, rows.c.reason
        )
    ):
        if reason in REASONS and not REASONS[reason].granted:
            continue
        for place in (at, None):
            sums[reason][place] += int(count)
            together[place] += int(count)

    def part(of: Counts) -> Callable[[int | None], Cell]:
        return lambda at: share(of[at], together[at], of="reads")

    return [_line(asked, name, part(sums[name])) for name in GRANTED]


async def paid_after_a_wall(session: AsyncSession, asked: Asked) -> list[Line]:
    """Holders whose first payment came within days of their first wall ÷ holders who met one."""
    days = await ledger.by_holder(session, asked)
    met, led = await _after_the_first(session, asked, days, "subscribe_wall_at", _payments())
    return [
        _line(asked, f"within_{within}", _within(asked, met, led, timedelta(days=within)))
        for within in DAYS_TO_PAY
    ]


async def registration_funnel(session: AsyncSession, asked: Asked) -> list[Line]:
    """Holders who met a wall to register, and of these those who registered and paid, by 30 days."""
    days = await ledger.by_holder(session, asked)
    within = timedelta(days=DAYS_TO_PAY[-1])
    wall = "register_wall_at"
    met, registered = await _after_the_first(session, asked, days, wall, _registrations())
    _, paid = await _after_the_first(session, asked, days, wall, _payments())
    return [
        _line(asked, "met", lambda at: Cell(met[at])),
        _line(asked, "registered", _within(asked, met, registered, within)),
        _line(asked, "paid", _within(asked, met, paid, within)),
    ]


Waits = dict[int | None, list[timedelta]]


async def _after_the_first(
    session: AsyncSession,
    asked: Asked,
    days: Subquery,
    wall: str,
    events: Subquery,
) -> tuple[Counts, Waits]:
    """How many holders met the wall, and how long after the first one the event of each came."""
    met: Counts = defaultdict(int)
    waits: Waits = defaultdict(list)
    holders = _holders(asked, days, func.min, {"wall_at": days.c[wall]}, days.c[wall].is_not(None))
    for step, count in await session.execute(
        select(holders.c.step, func.count()).group_by(holders.c.step)
    ):
        met[_place(step)] = count
    joined = select(holders.c.step, holders.c.wall_at, events.c.at).join(
        events, events.c.whose == holders.c.whose
    )
    for step, wall_at, event_at in await session.execute(
        joined.where(events.c.at >= holders.c.wall_at)
    ):
        waits[_place(step)].append(event_at - wall_at)
    return met, waits


def _within(
    asked: Asked, met: Counts, waits: Mapping[int | None, list[timedelta]], within: timedelta
) -> Callable[[int | None], Cell]:
    def cell(at: int | None) -> Cell:
        until = asked.until if at is None else asked.period.steps[at].until
        if until + within > asked.now:
            return none(f"The {within.days} days after its last wall aren't over.")
        led = sum(1 for each in waits.get(at, ()) if each <= within)
        return share(led, met[at], of="holders who met a wall")

    return cell


def _payments() -> Subquery:
    """The first payment of each reader: when a subscription first brought something, or a pass."""
    brought = (
        select(Subscription.reader_id, MovementRow.at)
        .join(Subscription, Subscription.id == MovementRow.subscription_id)
        .where(MovementRow.to_plan.is_not(None))
    )
    payments = union_all(brought, select(Pass.reader_id, Pass.paid_at)).subquery("payments")
    return (
        select(
            (literal(READER) + payments.c.reader_id).label("whose"),
            func.min(payments.c.at, type_=UtcDateTime()).label("at"),
        )
        .group_by(payments.c.reader_id)
        .subquery("first_payments")
    )


def _registrations() -> Subquery:
    """When each reader verified an address."""
    return (
        select((literal(READER) + Reader.id).label("whose"), Reader.email_verified_at.label("at"))
        .where(Reader.email_verified_at.is_not(None))
        .subquery("registrations")
    )


def _holders(
    asked: Asked,
    days: Subquery,
    together: Callable[..., Any],
    measures: Mapping[str, ColumnElement[Any]],
    *conditions: ColumnElement[bool],
) -> Subquery:
    """Each holder's measures, put `together` for each step, and these once more for the period:
    distinct holders of a period aren't the sum of its steps.
    """
    named = {name: each.label(name) for name, each in measures.items()}
    rows = (
        select(asked.step_on(days.c.day).label("step"), days.c.whose, *named.values())
        .where(*conditions)
        .subquery("rows")
    )
    by_step = (
        select(rows.c.step, rows.c.whose, *(together(rows.c[name]).label(name) for name in named))
        .group_by(rows.c.step, rows.c.whose)
        .cte("by_step")
    )
    whole = select(
        literal(WHOLE), by_step.c.whose, *(together(by_step.c[name]).label(name) for name in named)
    ).group_by(by_step.c.whose)
    return union_all(select(by_step), whole).subquery("holders")


def _place(step: int) -> int | None:
    return None if step == WHOLE else step


def _depth(used: int) -> str:
    if used <= _LAST_SINGLE_DEPTH:
        return str(used)
    return DEPTHS[-2] if used <= _LAST_RANGE_DEPTH else DEPTHS[-1]


def _line(asked: Asked, series: str, make: Callable[[int | None], Cell]) -> Line:
    return line_of(make, asked.steps, series)
