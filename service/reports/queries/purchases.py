"""Which checkouts are purchases: one rule for what offers and articles sold, and for what led there."""

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import aliased

from service.billing.recurring import GIVEN_BACK
from service.db.tables import Checkout, MovementRow, Pass, Subscription
from service.offers.store import gift_offers


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


def is_for_oneself() -> ColumnElement[bool]:
    """Whether a checkout is no gift for somebody else."""
    return Checkout.offer_id.not_in(gift_offers())


def is_first() -> ColumnElement[bool]:
    """Whether a purchase is its reader's first: neither bought nor paid for anything before, gifts left out.

    What they paid without a checkout here, such as an imported subscription, counts as paid.
    """
    earlier = aliased(Checkout)
    bought = select(earlier.id).where(
        earlier.reader_id == Checkout.reader_id, earlier.status == "completed",
        earlier.completed_at < Checkout.completed_at, earlier.offer_id.not_in(gift_offers()),
    )  # fmt: skip
    subscribed = (
        select(MovementRow.at)
        .join(Subscription, Subscription.id == MovementRow.subscription_id)
        .where(
            Subscription.reader_id == Checkout.reader_id, MovementRow.to_plan.is_not(None),
            MovementRow.at < Checkout.created_at,
        )
    )  # fmt: skip
    passed = select(Pass.id).where(
        Pass.reader_id == Checkout.reader_id, Pass.offer_id.not_in(gift_offers()),
        Pass.paid_at < Checkout.created_at,
    )  # fmt: skip
    before = (each.correlate(Checkout).exists() for each in (bought, subscribed, passed))
    return and_(Checkout.reader_id.is_not(None), is_for_oneself(), *(~each for each in before))
