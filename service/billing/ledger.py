"""Writing what happened to subscriptions into the ledger of domain events."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing import discounts
from service.billing.mailing import MAILED_WITHIN, notice_of
from service.billing.notices import mail_reader
from service.billing.state import StateChange, StoredState
from service.billing.transitions import Happening, transitions
from service.db.context import Context
from service.db.tables import DomainEvent, Offer, Subscription
from service.outbox.domain_events import Happened, emit
from service.payments.gateway import StripeSubscription


def state_of(row: Subscription, fetched: StripeSubscription | None) -> StoredState:
    """The stored state; with what Stripe says of when its end was asked for, which isn't stored."""
    return StoredState(
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
        access_stopped_at=row.access_stopped_at,
        recurring_amount=row.recurring_amount,
        net_amount=row.net_amount,
        discounts=discounts.read(row.discounts),
        synced_at=row.synced_at,
        cancel_asked_at=fetched.canceled_at if fetched is not None else None,
        outside=row.outside,  # type: ignore[arg-type]  # only `copy_state` in sync.py writes it
        next_charge_at=row.next_charge_at,
        next_amount=row.next_amount,
        open_amount=row.open_amount,
        payment_problem=row.payment_problem,
        payment_url=row.payment_url,
        price_id=row.price_id,
        imported_at=row.imported_at,
    )


async def emit_transitions(session: AsyncSession, context: Context, change: StateChange) -> None:
    """Emit what isn't in the ledger yet, and mail the reader what they have to know."""
    before, after, now = change.before, change.after, context.clocks.business()
    known = set(
        await session.scalars(select(DomainEvent.once).where(DomainEvent.subject_id == after.id))
    )
    for happening in transitions(before, after, change.money, now):
        if happening.once in known or _is_older_than_the_ledger(happening, before, known):
            continue
        is_news = _is_news(happening, before, after)
        await emit(
            session, **happened(change, happening), now=context.clocks.wall(), is_news=is_news
        )
        if not is_news:
            continue
        offer = await session.get_one(Offer, after.offer_id)
        notice = notice_of(happening, after, offer, open_until=change.open_until)
        if notice is not None and happening.at > now - MAILED_WITHIN:
            await mail_reader(session, context, change.reader_id, notice)


def _is_news(happening: Happening, before: StoredState | None, after: StoredState) -> bool:
    """Of what was imported only what happens afterwards: its reader has long heard of the rest."""
    if after.imported_at is None:
        return True
    return before is not None and happening.at > after.imported_at


def happened(change: StateChange, happening: Happening) -> Happened:
    """The happening as it is emitted, with the subscription before and after."""
    before, after = change.before, change.after
    return Happened(
        type_=happening.type,
        reader_id=change.reader_id,
        subject_id=after.id,
        once=happening.once,
        occurred_at=happening.at,
        before=before.payload() if before is not None else None,
        after={**after.payload(), **happening.details},
    )


def _is_older_than_the_ledger(
    happening: Happening, before: StoredState | None, known: set[str]
) -> bool:
    """Of what was sold before there was a ledger, only what is new is emitted."""
    if before is None or not before.has_started or f"subscription.started:{before.id}" in known:
        return False
    return happening.at < before.synced_at
