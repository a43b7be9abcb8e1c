"""What subscriptions that were scheduled to end take from committed MRR, kept for reports.

A subscription is scheduled to end from the event that says so until the next one of its kind, or the one that
takes it back. What it brings meanwhile its movements say. A change of these takes away what is kept, in the same
transaction; until it is looked up again a report does that itself.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    Subquery,
    delete,
    func,
    insert,
    or_,
    select,
    true,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.db.base import UtcDateTime
from service.db.tables import DomainEvent, MovementRow, ScheduledChange, Subscription

_ASKED, _TAKEN_BACK = "subscription.cancel_scheduled", "subscription.resumed"
IS_SAID = DomainEvent.type.in_((_ASKED, _TAKEN_BACK))
UNNOTED = Subscription.scheduled_noted.is_(None)
_KEY = ("subscription_id", "at", "plan", "interval", "every", "currency")


async def forget_scheduled_end(session: AsyncSession, subscription_id: str) -> None:
    """Let what this subscription takes be looked up again.

    Call it in the transaction that stores its events and movements.
    """
    row = Subscription
    # Whatever it says: one that is being looked up in this moment is waited for, and then its rows are there.
    await _forget(
        session, row.id == subscription_id, ScheduledChange.subscription_id == subscription_id
    )


async def forget_scheduled_ends(session: AsyncSession, subscription_ids: Select[Any]) -> None:
    """The same of many."""
    row = Subscription
    # In the order in which they are looked up: neither ends up waiting for the other.
    locked = (
        select(row.id)
        .where(row.scheduled_noted.is_not(None), row.id.in_(subscription_ids))
        .order_by(row.id)
        .with_for_update()
    )
    await _forget(
        session, row.id.in_(locked), ScheduledChange.subscription_id.in_(subscription_ids)
    )


async def forget_all_scheduled_ends(session: AsyncSession) -> None:
    """The same of all."""
    await _forget(session, Subscription.scheduled_noted.is_not(None), true())


async def note_scheduled_ends(session: AsyncSession, at_once: int) -> int:
    """Look up some of those that are unknown; how many there were."""
    row = Subscription
    # Locked first, and looked up by the next statement: it sees what was stored until then.
    ids = list(
        await session.scalars(
            select(row.id).where(UNNOTED).order_by(row.id).limit(at_once).with_for_update()
        )
    )
    if ids:
        found = changes(at_hand(said(DomainEvent.subject_id.in_(ids)))).subquery("found")
        keys = [found.c[name] for name in _KEY]
        together = func.sum(found.c.amount)
        # Left over, where a backup was restored in part.
        await _drop(session, ScheduledChange.subscription_id.in_(ids))
        await session.execute(
            insert(ScheduledChange).from_select(
                [*_KEY, "amount"], select(*keys, together).group_by(*keys).having(together != 0)
            )
        )
        await session.execute(
            update(row)
            .where(row.id.in_(ids))
            .values(scheduled_noted=True)
            .execution_options(synchronize_session=False)
        )
    return len(ids)


def said(*of: ColumnElement[bool]) -> Subquery:
    """Of the events that are asked for: from when until when which subscription was scheduled to end."""
    event = DomainEvent
    next_one = func.lead(event.occurred_at).over(
        partition_by=event.subject_id, order_by=(event.occurred_at, event.id)
    )
    events = (
        select(
            event.subject_id.label("id"), event.type, event.occurred_at.label("since"),
            type_coerce(next_one, UtcDateTime()).label("until"),
        )
        .where(IS_SAID, *of)
        .subquery("events")
    )  # fmt: skip
    return (
        select(events.c.id, events.c.since, events.c.until)
        .where(events.c.type == _ASKED)
        .subquery("said")
    )


def spans(begin: datetime, end: datetime, *of: ColumnElement[bool]) -> Subquery:
    """The same of stored subscriptions, without what begins later or is over by then."""
    every, ended_at = said(*of), Subscription.ended_at
    return (
        select(every.c.id, every.c.since, every.c.until)
        .join(Subscription, Subscription.id == every.c.id)
        .where(
            every.c.since < end,
            or_(every.c.until.is_(None), every.c.until > begin),
            or_(ended_at.is_(None), ended_at > begin),
        )
        .subquery("spans")
    )


def at_hand(spans: Subquery) -> CTE:
    """Found once, for all that is made of them."""
    return select(spans).cte("at_hand").prefix_with("MATERIALIZED")


def changes(spans: FromClause) -> CompoundSelect[Any]:
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
            within.subscription_id.label("subscription_id"), within.at.label("at"),
            within.currency.label("currency"), within.to_plan.label("plan"),
            within.to_interval.label("interval"), within.to_interval_count.label("every"),
            within.to_recurring.label("amount"),
        ).join(spans, inside[0]).where(*inside[1:], within.to_plan.is_not(None)),
        select(
            within.subscription_id, within.at, within.currency, within.from_plan,
            within.from_interval, within.from_interval_count, -within.from_recurring,
        ).join(spans, inside[0]).where(*inside[1:], within.from_plan.is_not(None)),
        _held(spans, spans.c.until, -1),
    )  # fmt: skip


def _held(spans: FromClause, at: ColumnElement[Any], sign: int) -> Select[Any]:
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
            held.subscription_id.label("subscription_id"), at.label("at"),
            held.currency.label("currency"), held.to_plan.label("plan"),
            held.to_interval.label("interval"), held.to_interval_count.label("every"),
            (sign * held.to_recurring).label("amount"),
        )
        .select_from(spans)
        .join(held, held.subscription_id == spans.c.id)
        .where(at.is_not(None), held.number == latest, held.to_plan.is_not(None))
    )  # fmt: skip


async def _forget(
    session: AsyncSession, subscriptions: ColumnElement[bool], kept: ColumnElement[bool]
) -> None:
    # The subscriptions first: their locks keep others from storing rows in between.
    await session.execute(
        update(Subscription)
        .where(subscriptions)
        .values(scheduled_noted=None)
        .execution_options(synchronize_session=False)
    )
    await _drop(session, kept)


async def _drop(session: AsyncSession, kept: ColumnElement[bool]) -> None:
    await session.execute(
        delete(ScheduledChange).where(kept).execution_options(synchronize_session=False)
    )
