"""Giving money back because an operator says so, and saying what becomes of access."""

from dataclasses import dataclass

from sqlalchemy import select

from service.billing.money import ACCESS, Money, RefundPolicy
from service.billing.snapshot import take_snapshot
from service.billing.sync import sync_subscription
from service.clock import Clocks
from service.db.context import Context
from service.db.session import Database
from service.db.tables import AuditEntry, Subscription
from service.identity.audit import record
from service.offers.pricing import amount_text
from service.payments.asking import RETRY_AFTER_SECONDS
from service.payments.gateway import (
    Gateway,
    GatewayRefused,
    GatewayUnavailable,
    StripeCharge,
    StripeRefund,
)
from service.problems import Problem, invalid_field

ACTION = "payment.refund"
KEY = "paywall_key"
"""In a refund's metadata: what it was asked for with."""


@dataclass(frozen=True)
class RefundAsked:
    """What an operator wants back for a reader.

    `amount` in minor units; None: all that is left of the latest payment for the present period.
    `key` is the form's or the call's own: the same once more gives nothing back twice.
    """

    reader_id: str
    subscription_id: str
    amount: int | None
    access: RefundPolicy
    key: str


async def refund_latest(
    context: Context,
    gateway: Gateway,
    asked: RefundAsked,
    *,
    actor: str,
) -> StripeRefund:
    """Refund one payment for the subscription's present period, and store what follows for access.

    Raises the problems `not-found`, `invalid-request` (nothing to give back, too much, or Stripe
    refuses) and `stripe-unavailable`: then it may be asked for again with the same key.
    """
    async with context.database.reading() as session:
        row = await session.get(Subscription, asked.subscription_id)
    if row is None or row.reader_id != asked.reader_id:
        raise Problem(
            "not-found", "This reader has no such subscription. Look at their page again."
        )
    try:
        money = (await take_snapshot(context.database, gateway, row.id)).money
        given = next((each for each in money.refunds if each.metadata.get(KEY) == asked.key), None)
        if given is None:
            charge = _charge(money, asked)
            await _audit(context.database, asked, charge, actor, context.clocks)
            given = await gateway.refund(
                payment_intent_id=charge.payment_intent_id or "",
                amount=asked.amount,
                metadata={ACCESS: asked.access, KEY: asked.key},
                idempotency_key=f"refund-{row.id}-{asked.key}",
            )
        await sync_subscription(context, gateway, row.id)
    except GatewayUnavailable as error:
        headers = {"Retry-After": RETRY_AFTER_SECONDS}
        raise Problem("stripe-unavailable", headers=headers) from error
    except GatewayRefused as error:
        raise _refused(f"Stripe refuses the refund: {error.reason}") from error
    return given


def _charge(money: Money, asked: RefundAsked) -> StripeCharge:
    """What is to be given back from."""
    left = [each for each in money.paid_charges if _left_of(each) > 0]
    if not left:
        raise _refused("Of what was paid for this period there is nothing left to give back.")
    charge = next((each for each in left if _left_of(each) >= (asked.amount or 0)), None)
    if charge is None:
        most = max(left, key=_left_of)
        raise _refused(f"Only {_text(_left_of(most), most)} is left to give back at once.")
    kept = sum(map(_left_of, left)) - (asked.amount or _left_of(charge))
    if kept and asked.access != "keep":
        raise _refused(
            "A refund of a part changes no access, and "
            f"{_text(kept, charge)} of this period would be kept. Keep access for now, and end it with "
            "the last refund."
        )
    return charge


def _left_of(charge: StripeCharge) -> int:
    return charge.amount - charge.amount_refunded


def _text(amount: int, charge: StripeCharge) -> str:
    return amount_text(amount, charge.currency.upper())


async def _audit(
    database: Database, asked: RefundAsked, charge: StripeCharge, actor: str, clocks: Clocks
) -> None:
    """Before Stripe is asked, and once: money never goes back without a trace."""
    after = {
        "subscription": asked.subscription_id,
        "payment": charge.payment_intent_id,
        "amount": _left_of(charge) if asked.amount is None else asked.amount,
        "currency": charge.currency.upper(),
        "access": asked.access,
        "key": asked.key,
    }
    async with database.serialised(f"refund:{asked.subscription_id}") as session:
        earlier = await session.scalars(
            select(AuditEntry.after).where(
                AuditEntry.target == asked.reader_id, AuditEntry.action == ACTION
            )
        )
        if any(each is not None and each.get("key") == asked.key for each in earlier):
            return
        await record(
            session, actor=actor, action=ACTION, target=asked.reader_id, after=after,
            now=clocks.business(),
        )  # fmt: skip


def _refused(why: str) -> Problem:
    return invalid_field("body.amount", why)
