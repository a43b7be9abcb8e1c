"""Which discounts a subscription has, and what it costs with them: pure.

As at Stripe an item's discounts go before those of the whole subscription, each takes its part of
what the ones before it have left, and each part is rounded to a minor unit, half up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from service.payments.gateway import (
    StripeDiscount,
    StripeInvoice,
    StripeSubscription,
    StripeSubscriptionItem,
)

_OF_A_PERIOD = frozenset({"subscription_create", "subscription_cycle"})


@dataclass(frozen=True)
class Amounts:
    """What one interval costs, in minor units: `listed` by price and quantity, `recurring` less the
    discounts that last for ever, `net` less all discounts that last now.
    """

    listed: int
    recurring: int
    net: int


def lasting(
    subscription: StripeSubscription,
    item: StripeSubscriptionItem,
    invoices: Iterable[StripeInvoice],
) -> tuple[StripeDiscount, ...]:
    """The discounts of the item in its current period, in the order in which they count.

    Stripe takes a discount that counts once off the subscription when an invoice has spent it; here it
    lasts as long as the period that this invoice is for.
    """
    held = {each.id: each for each in (*item.discounts, *subscription.discounts)}
    spent = {
        each.id: replace(each, ends_at=item.period_end)
        for invoice in invoices
        if invoice.billing_reason in _OF_A_PERIOD and invoice.created_at >= item.period_start
        for each in invoice.discounts
        if each.duration == "once"
    }
    return tuple({**held, **spent}.values())


def amounts_of(item: StripeSubscriptionItem, discounts: Iterable[StripeDiscount]) -> Amounts:
    """What the item costs with these discounts."""
    counting = [each for each in discounts if _is_for(each, item)]
    listed = item.price.amount * item.quantity
    forever = [each for each in counting if each.duration == "forever"]
    return Amounts(listed, less(listed, forever), less(listed, counting))


def _is_for(discount: StripeDiscount, item: StripeSubscriptionItem) -> bool:
    return not discount.products or item.price.product_id in discount.products


def less(amount: int, discounts: Sequence[StripeDiscount]) -> int:
    """What the amount is with these discounts, one after the other."""
    for each in discounts:
        if each.percent_off is not None:
            part = amount * each.percent_off / 100
            amount -= int(part.quantize(Decimal(1), ROUND_HALF_UP))
        else:
            amount -= min(each.amount_off or 0, amount)
    return amount


def stored(discounts: Iterable[StripeDiscount]) -> list[dict[str, Any]]:
    """As they are stored with a subscription and in its movements, times as ISO 8601."""
    return [
        {
            "id": each.id,
            "coupon": each.coupon_id,
            "percent_off": None if each.percent_off is None else str(each.percent_off),
            "amount_off": each.amount_off,
            "currency": each.currency.upper() if each.currency is not None else None,
            "duration": each.duration,
            "starts_at": each.starts_at.isoformat(),
            "ends_at": each.ends_at.isoformat() if each.ends_at is not None else None,
            "products": list(each.products),
            "promotion_code": each.promotion_code,
            "code": each.code,
        }
        for each in discounts
    ]


def read(stored_ones: Iterable[Mapping[str, Any]]) -> tuple[StripeDiscount, ...]:
    """What `stored` made of them."""
    return tuple(
        StripeDiscount(
            id=each["id"],
            coupon_id=each["coupon"],
            percent_off=None if each["percent_off"] is None else Decimal(each["percent_off"]),
            amount_off=each["amount_off"],
            currency=None if each["currency"] is None else each["currency"].lower(),
            duration=each["duration"],
            starts_at=datetime.fromisoformat(each["starts_at"]),
            ends_at=None if each["ends_at"] is None else datetime.fromisoformat(each["ends_at"]),
            products=tuple(each["products"]),
            # Not known of those that were stored before codes were.
            promotion_code=each.get("promotion_code"),
            code=each.get("code"),
        )
        for each in stored_ones
    )


def in_words(discounts: Iterable[StripeDiscount]) -> str:
    """Such as `SPRING 25 % forever`, for a comparison; `none` where there are none."""
    return "; ".join(map(_words, discounts)) or "none"


def _words(discount: StripeDiscount) -> str:
    if discount.percent_off is not None:
        off = f"{discount.percent_off} %"
    else:
        off = f"{discount.amount_off} {(discount.currency or '').upper()}"
    until = "" if discount.ends_at is None else f" until {discount.ends_at:%Y-%m-%d %H:%M}"
    return f"{discount.coupon_id} {off} {discount.duration}{until}"
