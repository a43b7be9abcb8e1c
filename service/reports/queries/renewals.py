"""Renewals: subscriptions that were due and stayed or ended, and after how many renewals they ended."""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service.billing.ends import RENEWED, renewals_before
from service.db.tables import (
    DomainEvent,
    MovementRow,
    PriceRenewalDay,
    RenewalDay,
    Subscription,
)
from service.reports.asked import Asked, Dimensions
from service.reports.cells import Cell, Line, line_of, share
from service.reports.queries.counting import Counts, count_by_step
from service.reports.queries.holders import BySplit, counted, splits_of
from service.reports.renewal_rollup import counted_until

RENEWALS = {"0": (0, 0), "1": (1, 1), "2": (2, 2), "3": (3, 3), "4-6": (4, 6), "7-12": (7, 12)}
"""By series: from how many renewals to how many."""
MORE = "13+"
ENDED = (
    MovementRow.to_plan.is_(None), MovementRow.cause.in_(("voluntary", "payment_failed")),
)  # fmt: skip
OF_ENDED: Dimensions = {
    "plan": MovementRow.from_plan.expression,
    "interval_charged": MovementRow.from_interval.expression,
    "currency": MovementRow.currency.expression,
}


async def churn_of_the_due(session: AsyncSession, asked: Asked) -> list[Line]:
    """Subscriptions that ended, and that were renewed, ÷ those that did either."""
    ended = await _counted(session, asked, MovementRow.at, OF_ENDED, *ENDED)
    renewed = await _renewed(session, asked)

    def rate(of: Counts, split: str) -> Callable[[int | None], Cell]:
        gone, stayed = ended[split], renewed[split]
        return lambda at: share(of[at], gone[at] + stayed[at], of="subscriptions due for renewal")

    return [
        line
        for split in splits_of(asked, ended, renewed)
        for line in (
            line_of(rate(ended[split], split), asked.steps, "all", split=split),
            line_of(rate(renewed[split], split), asked.steps, "renewed", split=split),
        )
    ]


async def ends_by_renewals(session: AsyncSession, asked: Asked) -> list[Line]:
    """Subscriptions that ended, by the number of their renewals that had been paid."""
    # Put in ranges here: as a CASE, PostgreSQL counts them anew for each range.
    by = (func.coalesce(MovementRow.renewals, renewals_before()), asked.split_of(OF_ENDED))
    conditions = (*ENDED, *asked.filters(OF_ENDED))
    rows = await count_by_step(session, asked, MovementRow.at, by, *conditions)
    found: defaultdict[tuple[str, str], Counts] = defaultdict(lambda: defaultdict(int))
    for (renewals, split), counts in rows.items():
        for at, count in counts.items():
            found[_range_of(renewals), split][at] += count

    def number(name: str, split: str) -> Callable[[int | None], Cell]:
        of = found[name, split]
        return lambda at: Cell(of[at])

    return [
        line_of(number(name, split), asked.steps, name, split=split)
        for split in splits_of(asked, {each for _, each in found})
        for name in (*RENEWALS, MORE)
    ]


def _range_of(renewals: int) -> str:
    return next((name for name, (_, most) in RENEWALS.items() if renewals <= most), MORE)


async def _renewed(session: AsyncSession, asked: Asked) -> BySplit:
    """All renewals: those that are counted by day, and those that were recorded since."""
    by_price = bool(asked.split or asked.chosen)
    until = None
    if asked.period.zone.key == asked.home.key:
        until = await counted_until(session, asked.home)
    conditions = [RENEWED]
    if until is not None:
        conditions.append(DomainEvent.recorded_at >= until)
    if by_price:
        conditions.append(Subscription.id == DomainEvent.subject_id)
    found = await _counted(
        session, asked, DomainEvent.occurred_at, _prices_of(Subscription), *conditions
    )
    if until is None:
        return found
    row, dimensions = (
        (PriceRenewalDay, _prices_of(PriceRenewalDay)) if by_price else (RenewalDay, {})
    )
    rows = (
        select(
            asked.step_on(row.day.expression).label("step"),
            asked.split_of(dimensions).label("split"), row.renewed,
        )
        .where(
            row.day.between(asked.period.first, asked.period.last), row.renewed != 0,
            *asked.filters(dimensions),
        )
        .subquery("days")
    )  # fmt: skip
    grouping = (rows.c.step, rows.c.split)
    for step, split, number in await session.execute(
        select(*grouping, func.sum(rows.c.renewed)).group_by(*grouping)
    ):
        for place in (step, None):
            found[split][place] += int(number)
    return found


def _prices_of(row: type[Subscription | PriceRenewalDay]) -> Dimensions:
    return {
        "plan": row.plan.expression, "interval_charged": row.interval.expression,
        "currency": row.currency.expression,
    }  # fmt: skip


async def _counted(
    session: AsyncSession,
    asked: Asked,
    at: InstrumentedAttribute[datetime],
    dimensions: Dimensions,
    *conditions: ColumnElement[bool],
) -> BySplit:
    found = counted()
    by = (asked.split_of(dimensions),)
    rows = await count_by_step(session, asked, at, by, *conditions, *asked.filters(dimensions))
    for (split,), counts in rows.items():
        found[split] = counts
    return found
