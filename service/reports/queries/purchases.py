"""Which checkouts are purchases: one rule for what offers and articles sold, and for what led there."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from service.billing.recurring import GIVEN_BACK
from service.db.tables import Checkout, MovementRow, Pass, Subscription
from service.metering.store import DEVICE, READER
from service.offers.store import gift_offers
from service.reports.queries import kept_rows
from service.reports.queries.ledger import with_whose


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


def by_buyer(
    *columns: ColumnElement[Any],
    digits: int,
    only: Callable[[Select[Any]], Select[Any]] = lambda rows: rows,
) -> Select[Any]:
    """Of checkouts for oneself, by whose they are; with `digits` of a sample of the holders (kept_rows.py)."""
    row = Checkout
    buyer = func.coalesce(literal(READER) + row.reader_id, literal(DEVICE) + row.device_id)
    rows = only(select(buyer.label("holder"), *columns).where(is_for_oneself()))
    return with_whose(union_all(*_of_sample(rows, digits)).subquery("clicks"), digits)


def _of_sample(rows: Select[Any], digits: int) -> list[Select[Any]]:
    """As `kept_rows.of_sample`, by the columns that have an index."""
    if not digits:
        return [rows]
    row, is_anonymous = Checkout, Checkout.reader_id.is_(None)
    by_name = kept_rows.is_sampled_device(row.device_id.expression, digits)
    linked = row.device_id.in_(kept_rows.sampled_devices(digits))
    return [
        rows.where(kept_rows.is_sampled_reader(row.reader_id.expression, digits)),
        rows.where(is_anonymous, by_name),
        rows.where(is_anonymous, ~by_name, linked),
    ]


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
