"""What the subscriptions that were scheduled to end brought in a month, at any past instant.

A subscription is scheduled to end from the event that says so until the next one of its kind, or the one that
takes it back. What it brings meanwhile its movements say.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Subquery,
    func,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.billing.recurring import monthly
from service.db.base import UtcDateTime
from service.db.tables import DomainEvent, MovementRow, Subscription
from service.reports.asked import Asked, Dimensions
from service.reports.queries.holders import at_hand
from service.reports.tallies import Tallies

_ASKED, _TAKEN_BACK = "subscription.cancel_scheduled", "subscription.resumed"


async def money(session: AsyncSession, asked: Asked) -> Tallies:
    """By split and currency: what became scheduled to end, less what was taken back, changed or ended."""
    # Found once, for all that is made of them.
    changes = _changes(at_hand(spans(asked.since, asked.until))).subquery("scheduled")
    dimensions: Dimensions = {
        "plan": changes.c.plan, "interval_charged": changes.c.interval,
        "currency": changes.c.currency,
    }  # fmt: skip
    rows = (
        select(
            asked.step_at(changes.c.at).label("step"), asked.split_of(dimensions).label("split"),
            changes.c.currency, changes.c.interval, changes.c.every, changes.c.amount,
        )
        .where(changes.c.at < asked.until, *asked.filters(dimensions))
        .subquery("by_step")
    )  # fmt: skip
    grouping = (rows.c.step, rows.c.split, rows.c.currency, rows.c.interval, rows.c.every)
    tallies = Tallies(asked.steps)
    for step, split, currency, interval, every, total in await session.execute(
        select(*grouping, func.sum(rows.c.amount)).group_by(*grouping)
    ):
        tallies.add((split, currency), "scheduled", step, monthly(int(total), interval, every))
    return tallies


def spans(begin: datetime, end: datetime) -> Subquery:
    """From when until when which subscription was scheduled to end; those that are over by then are left out."""
    event = DomainEvent
    next_one = func.lead(event.occurred_at).over(
        partition_by=event.subject_id, order_by=(event.occurred_at, event.id)
    )
    events = (
        select(
            event.subject_id, event.type, event.occurred_at.label("since"),
            type_coerce(next_one, UtcDateTime()).label("until"),
        )
        .where(event.type.in_((_ASKED, _TAKEN_BACK)))
        .subquery("events")
    )  # fmt: skip
    until, ended_at = events.c.until, Subscription.ended_at
    return (
        select(events.c.subject_id.label("id"), events.c.since, until)
        .join(Subscription, Subscription.id == events.c.subject_id)
        .where(
            events.c.type == _ASKED,
            events.c.since < end,
            or_(until.is_(None), until > begin),
            or_(ended_at.is_(None), ended_at > begin),
        )
        .subquery("spans")
    )


def _changes(spans: FromClause) -> Any:
    """What each span begins with, what changes within it, and what it ends with, which is taken away."""
    within = MovementRow
    inside = (
        within.subscription_id == spans.c.id,
        within.at > spans.c.since,
        or_(spans.c.until.is_(None), within.at <= spans.c.until),
    )
    return union_all(
        _held(spans, spans.c.since, 1),
        select(
            within.at.label("at"), within.currency.label("currency"),
            within.to_plan.label("plan"), within.to_interval.label("interval"),
            within.to_interval_count.label("every"), within.to_recurring.label("amount"),
        ).join(spans, inside[0]).where(*inside[1:], within.to_plan.is_not(None)),
        select(
            within.at, within.currency, within.from_plan, within.from_interval,
            within.from_interval_count, -within.from_recurring,
        ).join(spans, inside[0]).where(*inside[1:], within.from_plan.is_not(None)),
        _held(spans, spans.c.until, -1),
    )  # fmt: skip


def _held(spans: FromClause, at: ColumnElement[Any], sign: int) -> Any:
    """What the subscription brings at an instant, by its latest movement up to then."""
    held, earlier = aliased(MovementRow), aliased(MovementRow)
    latest = (
        select(func.max(earlier.number))
        .where(earlier.subscription_id == spans.c.id, earlier.at <= at)
        .correlate(spans)
        .scalar_subquery()
    )
    return (
        select(
            at.label("at"), held.currency.label("currency"), held.to_plan.label("plan"),
            held.to_interval.label("interval"), held.to_interval_count.label("every"),
            (sign * held.to_recurring).label("amount"),
        )
        .select_from(spans)
        .join(held, held.subscription_id == spans.c.id)
        .where(at.is_not(None), held.number == latest, held.to_plan.is_not(None))
    )  # fmt: skip
