"""One customer of a Stripe account becomes a reader, with the history of what they paid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.money import stop_of, stop_since_import
from service.billing.movement_rows import movements_of_reader, put_history
from service.billing.past import Past, Tariff, past_movements
from service.billing.snapshot import Snapshot
from service.billing.sold import sold_item
from service.billing.state import end_reason_of
from service.billing.sync import Outdated, store_snapshot, terms_of
from service.billing.unbound import forget_unbound
from service.db.context import Context
from service.db.tables import Customer, InboxEvent, Subscription
from service.identity.readers import create_reader, settled_reader
from service.payments.gateway import StripeSubscriptionItem
from service.payments.set_up import StripePrice

_CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True)
class FetchedCustomer:
    """A customer at Stripe with their subscriptions that aren't stored, the oldest first."""

    customer_id: str
    email: str | None
    snapshots: Sequence[Snapshot]
    prices: Mapping[str, StripePrice]
    """All that were ever billed."""
    asked_at: datetime
    """Wall time."""


async def store_customer(
    session: AsyncSession, context: Context, fetched: FetchedCustomer
) -> str | None:
    """Store everything of the customer's. The reader's id; None: a checkout has bound the customer meanwhile.

    Outdated: some of it was stored since it was asked for.
    """
    now = context.clocks.business()
    reader_id = await _reader_of(session, context, fetched, now)
    if reader_id is None:
        return None
    for each in fetched.snapshots:
        if await session.get(Subscription, each.subscription.id) is not None:
            raise Outdated(each.subscription.id)
    plans = {
        price_id: await _tariff(session, price, now) for price_id, price in fetched.prices.items()
    }
    pasts = [_past(context, each, plans, now) for each in fetched.snapshots]
    history = past_movements(pasts, await movements_of_reader(session, reader_id))
    await put_history(session, reader_id, history)
    # The earliest end first: whether one is the last of several depends on those before it.
    for each in sorted(fetched.snapshots, key=_ended):
        await store_snapshot(session, context, each, reader_id=reader_id)
    return reader_id


async def _reader_of(
    session: AsyncSession, context: Context, fetched: FetchedCustomer, now: datetime
) -> str | None:
    """Whose the customer is, a new reader's as a rule; None: a checkout has bound it meanwhile."""
    customer = await session.get(Customer, fetched.customer_id)
    if customer is None:
        reader = await create_reader(
            session, email=fetched.email, clocks=context.clocks, is_news=False
        )
        customer = Customer(
            id=fetched.customer_id, reader_id=reader.id, bound_at=now, imported_at=now
        )
        session.add(customer)
        await forget_unbound(session, fetched.customer_id)
    if customer.imported_at is None:
        return None
    return await settled_reader(session, customer.reader_id)


async def _tariff(session: AsyncSession, price: StripePrice, now: datetime) -> Tariff:
    sold = await sold_item(session, (StripeSubscriptionItem(price, 1, now, now),))
    return Tariff(price, sold.offer.plan if sold is not None else "")


def _past(
    context: Context, snapshot: Snapshot, tariffs: Mapping[str, Tariff], now: datetime
) -> Past:
    stop = stop_of(snapshot.money, terms_of(context.settings).refund_policy, trial_used_at=None)
    stop = stop_since_import(stop, now, snapshot.money)
    reason = end_reason_of(
        stop.kind if stop is not None else "", snapshot.subscription.cancel_reason or ""
    )
    return Past(snapshot.subscription, snapshot.money, tariffs, reason)


def _ended(snapshot: Snapshot) -> tuple[datetime, datetime]:
    subscription = snapshot.subscription
    return subscription.ended_at or datetime.max.replace(tzinfo=UTC), subscription.started_at


async def told_of(session: AsyncSession, fetched: FetchedCustomer) -> set[str]:
    """What Stripe has sent events of since we asked: they found nobody whose it was."""
    events = await session.scalars(
        select(InboxEvent).where(
            InboxEvent.received_at >= fetched.asked_at - _CLOCKS_DIFFER,
            InboxEvent.customer_id == fetched.customer_id,
        )
    )
    if not list(events):
        return set()
    return {each.subscription.id for each in fetched.snapshots}
