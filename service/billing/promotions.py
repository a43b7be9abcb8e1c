"""Which coupons purchases were given, and by which promotion codes: rows that name no reader."""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.state import StateChange, StoredState
from service.db.tables import Offer, Pass, PromotionUse
from service.finance.promotions import forget_promotions, forget_uses
from service.offers.mirror import INTRO_COUPON
from service.payments.gateway import StripeDiscount, StripeInvoice, StripeRedemption

_WHILE_MADE = timedelta(minutes=1)
"""Stripe makes a discount some seconds before or after the subscription that begins with it."""


def promotion_uses(after: StoredState, invoices: Iterable[StripeInvoice]) -> list[PromotionUse]:
    """Each discount that the subscription has or that its invoices had; our own intro prices are none."""
    if after.outside:
        return []
    spent = (each for invoice in invoices for each in invoice.discounts)
    found = {each.id: each for each in (*spent, *after.discounts)}
    return [
        _use(after, each) for each in found.values() if not each.coupon_id.startswith(INTRO_COUPON)
    ]


def _use(after: StoredState, discount: StripeDiscount) -> PromotionUse:
    at = discount.starts_at
    return PromotionUse(
        discount_id=discount.id,
        subscription_id=after.id,
        at=after.started_at if abs(at - after.started_at) < _WHILE_MADE else at,
        coupon=discount.coupon_id,
        promotion_code=discount.promotion_code,
        code=discount.code,
        plan=after.plan,
        currency=after.currency,
        sold="subscription",
    )


async def record_promotions(session: AsyncSession, change: StateChange) -> None:
    """Record what isn't recorded yet. A row from before codes were known gets its code and instant.

    What became of them is looked up again. Call it under the reader's lock.
    """
    await forget_promotions(session, [change.after.id])
    found = promotion_uses(change.after, change.money.invoices)
    if not found:
        return
    known = {
        row.discount_id: row
        for row in await session.scalars(
            select(PromotionUse).where(PromotionUse.subscription_id == change.after.id)
        )
    }
    for use in found:
        row = known.get(use.discount_id)
        if row is None:
            session.add(use)
        elif row.promotion_code is None:
            row.at, row.promotion_code, row.code = use.at, use.promotion_code, use.code
    await session.flush()


async def record_pass_promotions(
    session: AsyncSession, bought: Pass, offer: Offer, redeemed: Iterable[StripeRedemption]
) -> None:
    """Record what took something off a pass or a gift subscription, once. Call it under the customer's lock."""
    for each in redeemed:
        is_known = await session.get(PromotionUse, each.id) is not None
        if is_known or each.coupon_id.startswith(INTRO_COUPON):
            continue
        session.add(
            PromotionUse(
                discount_id=each.id,
                pass_id=bought.id,
                sold=offer.kind,
                at=bought.paid_at,
                coupon=each.coupon_id,
                promotion_code=each.promotion_code,
                code=each.code,
                plan=offer.plan,
                currency=bought.currency,
            )
        )
    await session.flush()


async def forget_pass_promotions(session: AsyncSession, pass_id: str) -> None:
    """What the pass brought has changed: it is looked up again."""
    await forget_uses(session, PromotionUse.pass_id == pass_id)
