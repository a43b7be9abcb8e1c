"""What became of each trial, kept with its subscription for reports.

It follows from the subscription, its movements, events and invoices. A change of these takes it away in the
same transaction; until it is looked up again a report does that itself.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, literal, null, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.db.base import UtcDateTime
from service.db.tables import DomainEvent, InvoiceRow, MovementRow, Subscription

PAID, LOST, PENDING, NO_TRIAL = "paid", "lost", "pending", ""
UNKNOWN = and_(Subscription.trial_end.is_not(None), Subscription.trial_became.is_(None))
_TERMINAL = ("canceled", "incomplete_expired")


def trials(*of: ColumnElement[bool], also: Collection[ColumnElement[Any]] = ()) -> Select[Any]:
    """Of subscriptions with a trial: `id`, `at`, when it is over, and `became`, with what else is asked for.

    PENDING: its first invoice isn't settled yet. NO_TRIAL: free time that was given later.
    """
    row = Subscription
    begun = aliased(MovementRow)
    """What the subscription brought first: what is called a trial later extends a period that is paid."""
    ended_at = case(
        (begun.at < row.trial_end, begun.at),
        (row.ended_at < row.trial_end, row.ended_at),
        else_=row.trial_end,
    )
    # Stripe makes it active an hour before it charges: only what was paid says so. An import brings no events
    # along, and a restricted key no invoices. One row of each alone is looked for: as EXISTS, PostgreSQL reads
    # the renewals of everybody.
    renewed = select(literal(1)).where(
        DomainEvent.subject_id == row.id,
        DomainEvent.type.in_(("subscription.trial_paid", "subscription.renewed")),
    )
    invoiced = select(literal(1)).where(
        InvoiceRow.subscription_id == row.id,
        InvoiceRow.created_at >= ended_at,
        # The trial's own, of nothing, is paid at once.
        InvoiceRow.billing_reason != "subscription_create",
        InvoiceRow.paid_at.is_not(None),
    )
    is_paid, is_invoiced = (
        each.correlate(row, begun).limit(1).scalar_subquery() for each in (renewed, invoiced)
    )
    began_with_it = or_(begun.at.is_(None), begun.at >= row.trial_end, begun.cause == "trial_ended")
    is_trial = and_(row.trial_end > row.started_at, began_with_it)
    became = case(
        (~is_trial, NO_TRIAL),
        (is_paid.is_not(None), PAID),
        (is_invoiced.is_not(None), PAID),
        (row.status.in_(_TERMINAL), LOST),
        else_=PENDING,
    )
    return (
        select(row.id.label("id"), ended_at.label("at"), became.label("became"), *also)
        .select_from(row)
        .outerjoin(begun, and_(begun.subscription_id == row.id, begun.number == 1))
        .where(row.trial_end.is_not(None), *of)
    )


async def forget_trials(
    session: AsyncSession, subscription_ids: Collection[str] | Select[Any]
) -> None:
    """Let what became of the trials of these subscriptions be looked up again."""
    # Whatever they say: one that is being looked up in this moment is waited for.
    await session.execute(
        update(Subscription)
        .where(
            Subscription.id.in_(subscription_ids),
            # One that has no trial any more is none.
            or_(Subscription.trial_end.is_not(None), Subscription.trial_became.is_not(None)),
        )
        .values(trial_became=None)
        .execution_options(synchronize_session=False)
    )


async def note_trials(session: AsyncSession, at_once: int) -> int:
    """Look up some of those that are unknown; how many there were. Call it under BOOKS_LOCK."""
    row = Subscription
    # Locked first, and looked up by the next statement: it sees what was stored until then.
    ids = list(
        await session.scalars(
            select(row.id).where(UNKNOWN).order_by(row.id).limit(at_once).with_for_update()
        )
    )
    if ids:
        found = trials(row.id.in_(ids)).subquery("found")
        is_one = found.c.became != NO_TRIAL
        await session.execute(
            update(row)
            .where(row.id == found.c.id)
            .values(
                trial_became=found.c.became,
                trial_ended_at=case((is_one, found.c.at), else_=null().cast(UtcDateTime())),
            )
            .execution_options(synchronize_session=False)
        )
    return len(ids)
