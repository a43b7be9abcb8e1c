"""Writing what happened to subscriptions into the ledger of domain events."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.money import Money
from service.billing.transitions import Standing, transitions
from service.clock import Clocks
from service.db.tables import DomainEvent, Subscription
from service.outbox.domain_events import tell
from service.payments.gateway import StripeSubscription


def standing_of(row: Subscription, fetched: StripeSubscription | None) -> Standing:
    """The stored state; with what Stripe says of when its end was asked for, which isn't stored."""
    return Standing(
        id=row.id,
        version=row.version,
        status=row.status,
        plan=row.plan,
        offer_id=row.offer_id,
        amount=row.amount,
        currency=row.currency,
        interval=row.interval,
        interval_count=row.interval_count,
        started_at=row.started_at,
        current_period_end=row.current_period_end,
        trial_end=row.trial_end,
        cancel_at=row.cancel_at,
        ended_at=row.ended_at,
        pauses_collection=row.pauses_collection,
        cancel_reason=row.cancel_reason,
        access_stop=row.access_stop,
        cancel_asked_at=fetched.canceled_at if fetched is not None else None,
    )


async def tell_transitions(
    session: AsyncSession,
    reader_id: str,
    before: Standing | None,
    after: Standing,
    money: Money,
    clocks: Clocks,
) -> None:
    """Tell what isn't told yet."""
    told = set(
        await session.scalars(select(DomainEvent.once).where(DomainEvent.subject_id == after.id))
    )
    for happening in transitions(before, after, money, clocks.business()):
        if happening.once in told:
            continue
        await tell(
            session,
            type_=happening.type,
            reader_id=reader_id,
            subject_id=after.id,
            once=happening.once,
            occurred_at=happening.at,
            before=before.told() if before is not None else None,
            after={**after.told(), **happening.details},
            now=clocks.wall(),
        )
