"""Passes: bring a one-off payment, and the access it gives, to what Stripe says of it now.

As for subscriptions, Stripe is asked outside any transaction and each stored state has a version
(sync.py).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.gift_subscriptions import store_payment
from service.billing.money import RefundPolicy, Stop, StopKind
from service.billing.pass_ledger import emit_bought, emit_refund
from service.billing.pass_terms import (
    COUNTING,
    BoughtPass,
    PassPeriod,
    paid_at,
    periods,
    stop_of_pass,
)
from service.billing.promotions import forget_pass_promotions
from service.billing.sync import Outdated, customer_key, until_current
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Checkout, Offer, Pass
from service.grants.grants import article_scope, plan_scope
from service.grants.store import find_grant, put_grant
from service.identity.readers import settled_reader, take_turn
from service.offers.store import price_of
from service.payments.gateway import (
    Gateway,
    StripeCharge,
    StripeCheckoutSession,
    StripeDispute,
    StripeRefund,
)


@dataclass(frozen=True)
class PassSnapshot:
    """A payment as fetched, and the version that was stored before it was fetched.

    `charge` is what was paid; None: nothing was due.
    """

    id: str
    charge: StripeCharge | None
    refunds: tuple[StripeRefund, ...]
    disputes: tuple[StripeDispute, ...]
    version: int | None


def pass_id(paid: StripeCheckoutSession) -> str:
    """The payment intent, or the session where nothing was due."""
    return paid.payment_id or paid.id


async def take_pass(database: Database, gateway: Gateway, id_: str) -> PassSnapshot:
    """The version first, then Stripe; the order is what makes `store_pass` safe."""
    async with database.reading() as session:
        version = await session.scalar(select(Pass.version).where(Pass.id == id_))
    charges = await gateway.charges_of_payment(id_) if id_.startswith("pi_") else ()
    charge = next((each for each in charges if each.is_paid), None)
    if charge is None:
        return PassSnapshot(id_, None, (), (), version)
    refunds = await gateway.refunds_of(charge.id)
    disputes = await gateway.disputes_of(charge.id)
    return PassSnapshot(id_, charge, refunds, disputes, version)


async def store_pass(
    session: AsyncSession,
    context: Context,
    snapshot: PassSnapshot,
    checkout: Checkout,
    *,
    reader_id: str,
    customer_id: str | None,
) -> Pass:
    """Store the pass and all grants that follow from it, and emit what is new; under the customer's
    lock. Raises Outdated.
    """
    now = context.clocks.business()
    row = await session.get(Pass, snapshot.id, populate_existing=True)
    if (row.version if row is not None else None) != snapshot.version:
        raise Outdated(snapshot.id)
    offer = await session.get_one(Offer, checkout.offer_id)
    by_article = checkout.article_id if offer.covers == "article" else None
    if row is None:
        at = paid_at(snapshot.charge, now)
        row = Pass(id=snapshot.id, version=0, paid_at=at, starts_at=at, ends_at=at)
        session.add(row)
    row.checkout_id = checkout.id
    row.reader_id = reader_id
    row.customer_id = customer_id
    row.offer_id = offer.id
    row.scope = article_scope(by_article) if by_article is not None else plan_scope(offer.plan)
    row.synced_at = now
    row.version += 1
    _copy_money(row, snapshot, offer, context.settings.refund_policy)
    await session.flush()
    await forget_pass_promotions(session, row.id)
    if offer.kind == "gift":
        # What it gives is the receiver's.
        await store_payment(session, context, row, checkout, offer)
    else:
        await arrange_passes(session, reader_id, row.scope, now)
        # A second one's place is known only now.
        await session.refresh(row)
        await emit_bought(session, context, row, offer)
    for refund in snapshot.refunds:
        if refund.status in COUNTING:
            await emit_refund(session, context, row, offer, refund)
    return row


def _copy_money(
    row: Pass, snapshot: PassSnapshot, offer: Offer, refund_policy: RefundPolicy
) -> None:
    """What was paid, and whether what became of it stops the access."""
    charge = snapshot.charge
    stop = stop_of_pass(charge, snapshot.refunds, snapshot.disputes, refund_policy)
    row.amount = charge.amount if charge is not None else 0
    row.currency = charge.currency.upper() if charge is not None else offer.currency
    row.access_stop = stop.kind if stop is not None else ""
    row.access_stopped_at = stop.at if stop is not None else None


async def sync_pass(context: Context, gateway: Gateway, payment_id: str) -> str:
    """Fetch the payment's charge, refunds and disputes, and store them with the access they leave.

    Safe to repeat, in any order. A payment that was never fulfilled here is none of ours: its
    Checkout session makes it one.
    """

    async def attempt() -> str:
        async with context.database.reading() as session:
            known = await session.get(Pass, payment_id)
        if known is None:
            return "not a pass of ours"
        snapshot = await take_pass(context.database, gateway, payment_id)
        if snapshot.charge is None and known.amount:
            # With a key of another account there is no charge: nothing paid it, nothing disputes it.
            return "not at Stripe"
        async with context.database.serialised(
            customer_key(known.customer_id or payment_id)
        ) as session:
            row = await session.get_one(Pass, payment_id)
            checkout = await session.get_one(Checkout, row.checkout_id)
            await store_pass(
                session, context, snapshot, checkout,
                reader_id=await settled_reader(session, row.reader_id),
                customer_id=row.customer_id,
            )  # fmt: skip
        return "synced"

    return await until_current(attempt)


async def arrange_passes(session: AsyncSession, reader_id: str, scope: str, now: datetime) -> None:
    """Put the reader's passes for one thing one after the other, with their grants."""
    # Who has several customers at Stripe has several locks; the reader is one.
    await take_turn(session, reader_id)
    found = await session.execute(
        select(Pass, Offer)
        .join(Offer, Offer.id == Pass.offer_id)
        .where(Pass.reader_id == reader_id, Pass.scope == scope, Offer.kind != "gift")
        .execution_options(populate_existing=True)
    )
    rows = {row.id: (row, offer) for row, offer in found}
    placed = periods(
        BoughtPass(row.id, price_of(offer), row.paid_at, _stop(row)) for row, offer in rows.values()
    )
    for row, _ in rows.values():
        period = placed[row.id]
        row.starts_at, row.ends_at = period.starts_at, period.ends_at
        await _put_grant(session, row, period, now)
    await session.flush()


async def arrange_all_passes(session: AsyncSession, reader_id: str, now: datetime) -> None:
    """The same for everything that the reader has passes for."""
    scopes = await session.scalars(select(Pass.scope).where(Pass.reader_id == reader_id).distinct())
    for scope in sorted(scopes):
        await arrange_passes(session, reader_id, scope, now)


async def _put_grant(session: AsyncSession, row: Pass, period: PassPeriod, now: datetime) -> None:
    before = await find_grant(session, "pass", row.id)
    if before is not None and (before.starts_at, before.ends_at) == (
        period.starts_at, period.closes_at,
    ):  # fmt: skip
        return
    await put_grant(
        session,
        source="pass",
        reference=row.id,
        reader_id=row.reader_id,
        scope=row.scope,
        starts_at=period.starts_at,
        ends_at=period.closes_at,
        note=row.access_stop or "paid",
        now=now,
    )


def _stop(row: Pass) -> Stop | None:
    if not row.access_stop or row.access_stopped_at is None:
        return None
    kind: StopKind = row.access_stop  # type: ignore[assignment]  # only store_pass writes it
    return Stop(kind, row.access_stopped_at, cancels=False)
