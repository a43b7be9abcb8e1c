"""What the subscriptions that were scheduled to end brought in a month, at any past instant."""

from typing import Any

from sqlalchemy import func, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.recurring import monthly
from service.billing.scheduled_ends import at_hand, changes, spans
from service.db.tables import DomainEvent, ScheduledChange
from service.reports.asked import Asked, Dimensions
from service.reports.scheduled_rollup import not_looked_up
from service.reports.tallies import Tallies


async def money(session: AsyncSession, asked: Asked) -> Tallies:
    """By split and currency: what became scheduled to end, less what was taken back, changed or ended."""
    found = (await _changes(session, asked)).subquery("scheduled")
    dimensions: Dimensions = {
        "plan": found.c.plan, "interval_charged": found.c.interval, "currency": found.c.currency,
    }  # fmt: skip
    rows = (
        select(
            asked.step_at(found.c.at).label("step"), asked.split_of(dimensions).label("split"),
            found.c.currency, found.c.interval, found.c.every, found.c.amount,
        )
        .where(found.c.at < asked.until, *asked.filters(dimensions))
        .subquery("by_step")
    )  # fmt: skip
    grouping = (rows.c.step, rows.c.split, rows.c.currency, rows.c.interval, rows.c.every)
    tallies = Tallies(asked.steps)
    for step, split, currency, interval, every, total in await session.execute(
        select(*grouping, func.sum(rows.c.amount)).group_by(*grouping)
    ):
        tallies.add((split, currency), "scheduled", step, monthly(int(total), interval, every))
    return tallies


async def _changes(session: AsyncSession, asked: Asked) -> Any:
    """Those that are kept, and those of subscriptions that are to be looked up."""
    left = await not_looked_up(session)
    if left is None:
        return changes(at_hand(spans(asked.since, asked.until)))
    if not left:
        return _kept()
    theirs = DomainEvent.subject_id.in_(left)
    return union_all(
        _kept(), select(changes(at_hand(spans(asked.since, asked.until, theirs))).subquery("live"))
    )


def _kept() -> Any:
    row = ScheduledChange
    return select(
        row.subscription_id.label("subscription_id"), row.at.label("at"),
        row.currency.label("currency"), row.plan.label("plan"), row.interval.label("interval"),
        row.every.label("every"), row.amount.label("amount"),
    )  # fmt: skip
