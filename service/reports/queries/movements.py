"""What the movements of MRR say by step: sums of money, and readers who joined and left."""

from collections import defaultdict
from typing import Any

from sqlalchemy import CompoundSelect, Subquery, case, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.recurring import monthly
from service.db.tables import MovementRow
from service.reports.asked import Asked, Dimensions
from service.reports.tallies import (
    CHANGED_IN,
    CHANGED_OUT,
    INVOLUNTARY,
    JOINED,
    LEFT,
    NEW,
    PAUSED,
    REACTIVATED,
    RESUMED,
    VOLUNTARY,
    Stay,
    Tallies,
)

_KINDS_OF = {
    INVOLUNTARY: "churn_involuntary",
    VOLUNTARY: "churn_voluntary",
    PAUSED: "pause",
    NEW: "new",
    REACTIVATED: "reactivation",
    RESUMED: "resume",
}


async def money(session: AsyncSession, asked: Asked, *, after_discounts: bool = False) -> Tallies:
    """What MRR gained and lost, by kind of movement, split and currency, exactly."""
    sides = _sides().subquery("sides")
    amount = sides.c.net if after_discounts else sides.c.recurring
    dimensions = _dimensions(sides)
    rows = (
        select(
            asked.step_at(sides.c.at).label("step"),
            asked.split_of(dimensions).label("split"),
            sides.c.currency, sides.c.kind, sides.c.interval, sides.c.every,
            (sides.c.sign * amount).label("amount"),
        )
        .where(sides.c.at < asked.until, *asked.filters(dimensions))
        .subquery("rows")
    )  # fmt: skip
    grouping = (
        rows.c.step, rows.c.split, rows.c.currency, rows.c.kind, rows.c.interval, rows.c.every,
    )  # fmt: skip
    found = await session.execute(select(*grouping, func.sum(rows.c.amount)).group_by(*grouping))
    tallies = Tallies(asked.steps)
    for step, split, currency, kind, interval, every, total in found:
        tallies.add((split, currency), kind, step, monthly(int(total), interval, every))
    return tallies


async def readers(session: AsyncSession, asked: Asked, *, by_currency: bool = False) -> Tallies:
    """How many readers joined the active subscribers and left them, by how, and by split.

    A reader is active while any of their subscriptions brings something. What begins and ends at one
    instant cancels out, so a switch is neither. Split, a reader is active for each value by itself.
    """
    sides = _sides().subquery("sides")
    dimensions = _dimensions(sides)
    currency = sides.c.currency if by_currency else literal("")
    changes = _changes(sides, asked.split_of(dimensions), currency, asked)
    edges = _edges(changes)
    rows = select(
        asked.step_at(edges.c.at).label("step"), edges.c.split, edges.c.currency, edges.c.way
    ).subquery("rows")
    grouping = (rows.c.step, rows.c.split, rows.c.currency, rows.c.way)
    found = await session.execute(select(*grouping, func.count()).group_by(*grouping))
    tallies = Tallies(asked.steps)
    for step, split, money_of, way, count in found:
        tallies.add((split, money_of), way, step, -count if way in LEFT else count)
    return tallies


def _sides() -> CompoundSelect[Any]:
    """Each movement as what it takes away and what it adds."""
    row = MovementRow
    common = (row.customer, row.at, row.kind, row.cause, row.currency)
    out = select(
        *common, literal(-1).label("sign"), row.from_plan.label("plan"),
        row.from_interval.label("interval"), row.from_interval_count.label("every"),
        row.from_recurring.label("recurring"), row.from_net.label("net"),
    ).where(row.from_plan.is_not(None))  # fmt: skip
    into = select(
        *common, literal(1), row.to_plan, row.to_interval, row.to_interval_count,
        row.to_recurring, row.to_net,
    ).where(row.to_plan.is_not(None))  # fmt: skip
    return union_all(out, into)


def _dimensions(sides: Subquery) -> Dimensions:
    return {
        "plan": sides.c.plan,
        "interval_charged": sides.c.interval,
        "currency": sides.c.currency,
    }


def _changes(sides: Subquery, split: Any, currency: Any, asked: Asked) -> Subquery:
    """How many more subscriptions a reader pays for at each instant, and by which kinds."""
    rows = (
        select(
            sides.c.customer, sides.c.at, sides.c.kind, sides.c.cause, sides.c.sign,
            split.label("split"), currency.label("currency"),
        )
        .where(sides.c.at < asked.until, *asked.filters(_dimensions(sides)))
        .subquery("sorted_sides")
    )  # fmt: skip
    whose = (rows.c.customer, rows.c.split, rows.c.currency)
    flags = [
        func.max(case((rows.c.kind == kind, 1), else_=0)).label(way)
        for way, kind in _KINDS_OF.items()
    ]
    changes = (
        select(
            *whose, rows.c.at, func.sum(rows.c.sign).label("change"),
            func.min(case((rows.c.sign < 0, rows.c.cause))).label("cause"), *flags,
        )
        .group_by(*whose, rows.c.at)
        .subquery("changes")
    )  # fmt: skip
    after = func.sum(changes.c.change).over(
        partition_by=(changes.c.customer, changes.c.split, changes.c.currency),
        order_by=changes.c.at,
    )
    return select(changes, after.label("after")).subquery("counted")


def _edges(changes: Subquery) -> Subquery:
    """The instants at which a reader becomes active, or stops being it."""
    after, before = changes.c.after, changes.c.after - changes.c.change

    def way(names: tuple[str, ...], otherwise: str) -> Any:
        return case(*((changes.c[name] == 1, name) for name in names), else_=otherwise)

    return (
        select(
            changes.c.customer, changes.c.at, changes.c.split, changes.c.currency,
            changes.c.cause,
            case(
                (after == 0, way(LEFT[:-1], CHANGED_OUT)), else_=way(JOINED[:-1], CHANGED_IN)
            ).label("way"),
        )
        .where((after == 0) != (before == 0))
        .subquery("edges")
    )  # fmt: skip


async def stays(session: AsyncSession, asked: Asked) -> list[Stay]:
    """All times as active subscribers that began before the period's end, the oldest first."""
    sides = _sides().subquery("sides")
    edges = _edges(_changes(sides, asked.split_of(_dimensions(sides)), literal(""), asked))
    columns = (edges.c.customer, edges.c.split, edges.c.at, edges.c.way, edges.c.cause)
    found: defaultdict[tuple[str, str], list[Stay]] = defaultdict(list)
    for customer, split, at, way, cause in await session.execute(
        select(*columns).order_by(edges.c.customer, edges.c.split, edges.c.at)
    ):
        theirs = found[customer, split]
        if way in LEFT:
            began = theirs.pop()
            theirs.append(Stay(customer, split, began.since, at, way, cause))
        else:
            theirs.append(Stay(customer, split, at, None, "", ""))
    together = [each for theirs in found.values() for each in theirs]
    return sorted(together, key=lambda each: (each.since, each.customer))
