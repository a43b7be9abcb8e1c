"""Bring what we know of a subscription, and the access it gives, to what Stripe says now.

Stripe is asked outside any transaction. So that a slow answer can't overwrite a newer one, each
stored state has a version: it is read before Stripe is asked, and what was fetched is stored only
if the version is still the same, under the customer's lock. Otherwise somebody stored a state
meanwhile, and we ask again (docs/decisions/stripe-outside-transactions.md).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeVar

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing import lifecycle
from service.billing.customers import reader_of_customer
from service.billing.lifecycle import GrantState
from service.billing.subscriptions import live_subscriptions
from service.clock import Clocks
from service.db.session import Database
from service.db.tables import Offer, Subscription
from service.grants.grants import plan_scope
from service.grants.store import find_grant, put_grant
from service.identity.readers import settled_reader
from service.offers.store import offer_by_price
from service.payments.gateway import (
    Gateway,
    StripeInvoice,
    StripeSubscription,
    StripeSubscriptionItem,
)
from service.settings import Settings

log = structlog.get_logger()

Outcome = Literal["synced", "second subscription", "foreign price", "unknown customer"]
T = TypeVar("T")
_MOST_RACES = 10


class Outdated(Exception):
    """Another state was stored while Stripe was asked."""


@dataclass(frozen=True)
class Snapshot:
    """A subscription as fetched, and the version that was stored before it was fetched."""

    subscription: StripeSubscription
    open_invoices: tuple[StripeInvoice, ...]
    version: int | None


@dataclass(frozen=True)
class Synced:
    """`checkout_id` is the checkout of ours that the subscription names, if it names one."""

    outcome: Outcome
    checkout_id: str | None


def terms_of(settings: Settings) -> lifecycle.Terms:
    return lifecycle.Terms(
        renewal_slack=timedelta(hours=settings.renewal_slack_hours),
        grace=timedelta(days=settings.grace_days),
    )


async def until_current(attempt: Callable[[], Awaitable[T]]) -> T:
    """Run the attempt again while it is Outdated; its transaction has been rolled back then."""
    for _ in range(_MOST_RACES):
        try:
            return await attempt()
        except Outdated:
            continue
    raise Outdated(f"another state was stored {_MOST_RACES} times over")


async def sync_subscription(
    database: Database, gateway: Gateway, settings: Settings, clocks: Clocks, subscription_id: str
) -> Synced:
    """Fetch the subscription and store it with its grant. Safe to repeat, in any order."""

    async def attempt() -> Synced:
        snapshot = await take_snapshot(database, gateway, subscription_id)
        subscription = snapshot.subscription
        checkout_id = subscription.metadata.get("checkout")
        async with database.serialised(customer_key(subscription.customer_id)) as session:
            reader_id = await reader_of_customer(session, subscription.customer_id)
            if reader_id is None:
                return Synced("unknown customer", checkout_id)
            reader_id = await settled_reader(session, reader_id)
            outcome = await store_snapshot(
                session, snapshot, reader_id=reader_id, settings=settings, now=clocks.business()
            )
            return Synced(outcome, checkout_id)

    return await until_current(attempt)


def customer_key(customer_id: str) -> str:
    """The name of the customer's lock."""
    return f"customer:{customer_id}"


async def take_snapshot(database: Database, gateway: Gateway, subscription_id: str) -> Snapshot:
    """The version first, then Stripe; the order is what makes `store_snapshot` safe."""
    async with database.reading() as session:
        version = await _stored_version(session, subscription_id)
    subscription = await gateway.retrieve_subscription(subscription_id)
    open_invoices: tuple[StripeInvoice, ...] = ()
    if subscription.status == "past_due":
        open_invoices = await gateway.open_invoices(subscription_id)
    return Snapshot(subscription, open_invoices, version)


async def store_snapshot(
    session: AsyncSession,
    snapshot: Snapshot,
    *,
    reader_id: str,
    settings: Settings,
    now: datetime,
) -> Outcome:
    """Store subscription and grant, under the customer's lock. Raises Outdated. `now` is business
    time.
    """
    subscription = snapshot.subscription
    row = await session.get(Subscription, subscription.id)
    if (row.version if row is not None else None) != snapshot.version:
        raise Outdated(subscription.id)
    if row is not None and row.status == lifecycle.TERMINAL_STATUS:
        return "synced"
    item, offer = await _catalogue_item(session, subscription)
    terms = terms_of(settings)
    if offer is None:
        log.info("billing.foreign_price", subscription=subscription.id)
        if row is not None:
            row.version += 1
            row.synced_at = now
            await _put_grant(session, row, _foreign(subscription), now)
        return "foreign price"
    if row is None:
        row = Subscription(id=subscription.id, version=0, access_stop="")
        session.add(row)
    _copy(row, snapshot, item, offer, reader_id=reader_id, now=now)
    await session.flush()
    state = lifecycle.grant_of(subscription, snapshot.open_invoices, terms)
    await _put_grant(session, row, state, now)
    return await _outcome(session, row)


def _copy(
    row: Subscription,
    snapshot: Snapshot,
    item: StripeSubscriptionItem,
    offer: Offer,
    *,
    reader_id: str,
    now: datetime,
) -> None:
    subscription = snapshot.subscription
    row.reader_id = reader_id
    row.customer_id = subscription.customer_id
    row.offer_id = offer.id
    row.plan = offer.plan
    row.status = subscription.status
    row.amount = item.price.amount * item.quantity
    row.currency = item.price.currency.upper()
    row.interval = item.price.interval or offer.interval
    row.interval_count = item.price.interval_count
    row.started_at = subscription.started_at
    row.current_period_end = lifecycle.period_end(subscription)
    row.trial_end = subscription.trial_end
    row.cancel_at = lifecycle.scheduled_end(subscription)
    row.ended_at = subscription.ended_at
    row.pauses_collection = subscription.pauses_collection
    row.cancel_reason = subscription.cancel_reason or ""
    row.latest_invoice_id = subscription.latest_invoice_id
    row.past_due_since = lifecycle.past_due_since(subscription, snapshot.open_invoices)
    row.synced_at = now
    row.version += 1


async def _put_grant(
    session: AsyncSession, row: Subscription, state: GrantState, now: datetime
) -> None:
    before = await find_grant(session, "subscription", row.id)
    await put_grant(
        session,
        source="subscription",
        reference=row.id,
        reader_id=row.reader_id,
        scope=plan_scope(row.plan),
        # Stripe's clock may be seconds ahead: who has paid doesn't wait for ours.
        starts_at=min(state.starts_at, now),
        ends_at=state.end(before=before.ends_at if before else None, seen_at=now),
        in_grace=state.in_grace,
        note=state.reason,
        now=now,
    )


async def _outcome(session: AsyncSession, row: Subscription) -> Outcome:
    if row.status not in lifecycle.LIVE_STATUSES:
        return "synced"
    others = [other.id for other in await live_subscriptions(session, row.reader_id)]
    others.remove(row.id)
    if not others:
        return "synced"
    log.warning("billing.second_subscription", reader=row.reader_id, subscription=row.id)
    return "second subscription"


async def _catalogue_item(
    session: AsyncSession, subscription: StripeSubscription
) -> tuple[StripeSubscriptionItem, Offer | None]:
    """The item whose price is in our catalogue, with its offer; only such prices make grants."""
    for item in subscription.items:
        offer = await offer_by_price(session, item.price.id)
        if offer is not None:
            return item, offer
    return subscription.items[0], None


def _foreign(subscription: StripeSubscription) -> GrantState:
    return GrantState(subscription.started_at, None, in_grace=False, reason="foreign")


async def _stored_version(session: AsyncSession, subscription_id: str) -> int | None:
    found: int | None = await session.scalar(
        select(Subscription.version).where(Subscription.id == subscription_id)
    )
    return found
