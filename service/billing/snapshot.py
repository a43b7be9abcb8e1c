"""What Stripe says of a subscription now, asked outside of any transaction.

The version that is stored is read first: the order is what makes storing safe (sync.py).
"""

import asyncio
from dataclasses import dataclass
from itertools import chain

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.lifecycle import next_charge_at
from service.billing.money import Money
from service.db.session import Database
from service.db.tables import Subscription
from service.payments.gateway import (
    Gateway,
    StripeCharge,
    StripeInvoice,
    StripeInvoiceLine,
    StripeSubscription,
)

_MAY_OWE = frozenset({"active", "past_due", "unpaid"})
"""The invoices are fetched later: one may have failed while the status still said active."""


@dataclass(frozen=True)
class Snapshot:
    """A subscription as fetched, and the version that was stored before it was fetched.

    `next_amount` is what Stripe charges next, in minor units; None: nothing, or nobody can say. `pending` is what
    it will bill or give back for changes within this period, also where the subscription is to end.
    """

    subscription: StripeSubscription
    money: Money
    version: int | None
    next_amount: int | None = None
    pending: tuple[StripeInvoiceLine, ...] = ()


async def take_snapshot(database: Database, gateway: Gateway, subscription_id: str) -> Snapshot:
    """Five calls as a rule; more where money went back or is disputed, or a card must be confirmed."""
    async with database.reading() as session:
        version = await _stored_version(session, subscription_id)
    subscription = await gateway.retrieve_subscription(subscription_id)
    invoices, charges, pending, next_amount = await asyncio.gather(
        gateway.invoices_of_subscription(subscription_id),
        gateway.charges_of(subscription.customer_id),
        gateway.pending_prorations_of(subscription.customer_id, subscription_id),
        _next_amount(gateway, subscription),
        # Where one fails, the other is waited for: it would go on by itself.
        return_exceptions=True,
    )
    if isinstance(invoices, BaseException):
        raise invoices
    if isinstance(charges, BaseException):
        raise charges
    if isinstance(pending, BaseException):
        raise pending
    if isinstance(next_amount, BaseException):
        raise next_amount
    money = await _money(gateway, subscription, invoices, charges)
    return Snapshot(subscription, money, version, next_amount, pending)


async def _next_amount(gateway: Gateway, subscription: StripeSubscription) -> int | None:
    if next_charge_at(subscription) is None:
        return None
    return await gateway.next_amount_of(subscription.id)


async def _money(
    gateway: Gateway,
    subscription: StripeSubscription,
    invoices: tuple[StripeInvoice, ...],
    charges: tuple[StripeCharge, ...],
) -> Money:
    """Of the customer's charges those that pay this subscription's invoices."""
    paying = set(chain.from_iterable(each.payments for each in invoices))
    theirs = tuple(each for each in charges if each.payment_intent_id in paying)
    refunds = [await gateway.refunds_of(each.id) for each in theirs if each.amount_refunded]
    disputes = [await gateway.disputes_of(each.id) for each in theirs if each.disputed]
    money = Money(invoices, theirs, tuple(chain(*refunds)), tuple(chain(*disputes)))
    unpaid = money.unpaid
    if subscription.status not in _MAY_OWE or unpaid is None or not unpaid.payments:
        return money
    waits = await gateway.needs_action(unpaid.payments[0])
    return Money(money.invoices, money.charges, money.refunds, money.disputes, needs_action=waits)


async def _stored_version(session: AsyncSession, subscription_id: str) -> int | None:
    found: int | None = await session.scalar(
        select(Subscription.version).where(Subscription.id == subscription_id)
    )
    return found
