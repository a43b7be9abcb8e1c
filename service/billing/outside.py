"""What of a subscription isn't in our model: pure. It is told, and stays out of the figures."""

from collections.abc import Mapping
from typing import Literal

from service.billing.recurring import INTERVALS
from service.billing.statuses import LIVE_STATUSES, NEVER_STARTED, TERMINAL_STATUS
from service.payments.gateway import StripeSubscription, StripeSubscriptionItem

Outside = Literal["", "price", "amount", "status", "discount"]
"""Empty: nothing. After `price`, which is of no product of ours, nothing is open by it; after the
others the reader reads what they pay for.
"""

OUTSIDE_WORDS: Mapping[Outside, str] = {
    "price": "Price not in the catalogue",
    "amount": "Price without a fixed amount",
    "status": "Status that this release doesn't know",
    "discount": "Discount that can't be read",
}
OUTSIDE_ADVICE: Mapping[Outside, str] = {
    "price": "Adopt the price (paywall offers adopt), give it another one at Stripe, or cancel it there.",
    "amount": "Give it a price with a fixed amount at Stripe.",
    "status": "Look at it at Stripe, and install the latest release.",
    "discount": "Remove the discount at Stripe, or replace it by a coupon that exists.",
}
_KNOWN = LIVE_STATUSES | NEVER_STARTED | {TERMINAL_STATUS}


def outside_of(
    subscription: StripeSubscription, item: StripeSubscriptionItem, *, is_sold: bool
) -> Outside:
    """What of it we don't understand, the gravest first. `is_sold`: the item is of a product of ours."""
    if subscription.status not in _KNOWN:
        return "status"
    if subscription.status not in LIVE_STATUSES:
        return ""
    if not is_sold:
        return "price"
    if not item.price.has_amount or item.price.interval not in INTERVALS:
        return "amount"
    return "discount" if subscription.has_unread_discounts else ""
