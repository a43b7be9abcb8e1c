"""Which checkouts are purchases: one rule for what offers and articles sold, and for what led there."""

from sqlalchemy import ColumnElement, and_, select

from service.billing.recurring import GIVEN_BACK
from service.db.tables import Checkout, Subscription


def is_purchase() -> ColumnElement[bool]:
    """Whether a checkout was completed, and its subscription wasn't given back by the service itself.

    The start of a trial is a purchase, and so is what is refunded later.
    """
    given_back = (
        select(Subscription.id)
        .where(
            Subscription.id == Checkout.stripe_subscription_id,
            Subscription.access_stop.in_(sorted(GIVEN_BACK)),
        )
        .correlate(Checkout)
        .exists()
    )
    return and_(Checkout.status == "completed", ~given_back)
