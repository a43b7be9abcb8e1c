"""Checkouts, whose customers they made, and what subscriptions and one-off payments changed."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, false
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Amount, Base, Json, UtcDateTime, partial_index
from service.db.tables.identity import Reader
from service.db.tables.offers import Offer
from service.db.tables.sources import FirstAndLast


class Checkout(Base):
    """One click on an offer, stored before Stripe is asked."""

    __tablename__ = "checkouts"

    id: Mapped[str] = mapped_column(primary_key=True)
    offer_id: Mapped[str] = mapped_column(ForeignKey(Offer.id))
    reader_id: Mapped[str | None] = mapped_column(index=True)
    device_id: Mapped[str | None] = mapped_column(index=True)
    return_to: Mapped[str]
    claim_hash: Mapped[str] = mapped_column(index=True)
    """Empty once the reader has signed out."""
    claim_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the claim first signed its holder in, by wall time."""
    status: Mapped[str]
    """open, processing (a slow payment method was chosen), completed, failed or expired."""
    stripe_session_id: Mapped[str | None] = mapped_column(unique=True)
    stripe_url: Mapped[str | None]
    stripe_subscription_id: Mapped[str | None] = mapped_column(index=True)
    article_id: Mapped[str | None]
    """The one article that a pass of this checkout opens."""
    wall_article_id: Mapped[str | None]
    """Whose wall the buyer met last before the click, noted by reports for when its row is deleted."""
    seats: Mapped[int] = mapped_column(server_default="1")
    """How many are bought of an offer that is sold by the seat."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    processing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When a payment that takes days was first seen; it stays when the money has come or hasn't."""
    newsletter: Mapped[bool | None]
    """What the buyer answered beside the offer; None: they weren't asked. A consent once bought."""
    newsletter_wording: Mapped[str | None]


class Customer(Base):
    """Which reader a Stripe customer is; bound by our own checkout id, never by e-mail."""

    __tablename__ = "customers"

    id: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey(Reader.id), index=True)
    bound_at: Mapped[datetime] = mapped_column(UtcDateTime)
    joined_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it came to the account with a purchase made before signing in; None: the reader's own."""
    imported_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When `paywall import stripe` brought it in; None: it was bound by a checkout or an operator."""


class PromotionUse(Base):
    """A subscription or a one-off purchase was given a coupon, by a promotion code or without one; names nobody."""

    __tablename__ = "promotion_uses"

    discount_id: Mapped[str] = mapped_column(primary_key=True)
    """Stripe's: each use is a discount of its own."""
    subscription_id: Mapped[str | None] = mapped_column(index=True)
    """None: it was no subscription that was bought."""
    pass_id: Mapped[str | None] = mapped_column(index=True)
    """What was paid once; None: a subscription."""
    sold: Mapped[str] = mapped_column(server_default="subscription")
    """subscription, pass or gift."""
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    """When its discount began; what a subscription begins with, when that began; of a pass when it was paid."""
    coupon: Mapped[str]
    promotion_code: Mapped[str | None]
    """Stripe's id of the code; None: the coupon was given without one, or it isn't known."""
    code: Mapped[str | None]
    """Its letters."""
    plan: Mapped[str]
    currency: Mapped[str]
    is_new: Mapped[bool | None]
    """Whether it is its reader's first subscription, paid from then on or later; known where `paid` is."""
    is_live: Mapped[bool | None]
    """Whether the subscription isn't over; known where `paid` is."""
    paid: Mapped[Amount | None]
    """What was paid since then; None: that, and the two above, are to be looked up (finance/promotions.py)."""

    __table_args__ = (
        # A few at most: what changed in the last minute.
        partial_index(
            "ix_promotion_uses_unknown", "discount_id",
            where="paid IS NULL",
        ),
    )  # fmt: skip


class MovementRow(Base):
    """One change of what a subscription brings in a month (billing/movements.py); names nobody.

    Amounts are in minor units of `currency` for the interval charged. `from_…` is what it brought
    before, `to_…` what it brings since; without plan and interval it brings nothing.
    """

    __tablename__ = "movements"

    subscription_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """1 for the subscription's first; each begins with what the one before it ended with."""
    customer: Mapped[str]
    """A pseudonym, the same for all subscriptions of one reader."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    kind: Mapped[str]
    cause: Mapped[str]
    currency: Mapped[str]
    from_plan: Mapped[str | None]
    from_interval: Mapped[str | None]
    from_interval_count: Mapped[int | None]
    from_listed: Mapped[Amount]
    from_recurring: Mapped[Amount]
    from_net: Mapped[Amount]
    to_plan: Mapped[str | None]
    to_interval: Mapped[str | None]
    to_interval_count: Mapped[int | None]
    to_listed: Mapped[Amount]
    to_recurring: Mapped[Amount]
    to_net: Mapped[Amount]
    discounts: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    """Those that it has since, as with the subscription."""
    rolled_as: Mapped[str | None]
    """The customer as whose it is in the reports' rollup; None: it isn't in it yet."""
    sourced_as: Mapped[str | None]
    """The same of the rollup by source."""
    led_source: Mapped[str | None]
    """What led to the purchase as it is there: the first source, the last one and the first campaign."""
    led_last_source: Mapped[str | None]
    led_campaign: Mapped[str | None]
    source_due: Mapped[bool] = mapped_column(server_default=false())
    """Whether its checkout was found since then."""
    renewals: Mapped[int | None]
    """Of an end: how often the subscription had been renewed by then; None: to be counted (billing/ends.py)."""

    __table_args__ = (
        # Lists go on from one to the next that is of a kind, or for a cause, without reading those in between.
        Index("ix_movements_newest", "at", "subscription_id", "number", "kind", "cause"),
        # A reader's, in order. Thousands may have one instant, such as that of an import.
        Index("ix_movements_of_reader", "customer", "at", "subscription_id", "number"),
        partial_index("ix_movements_discounted", "at", "kind", where="discounts <> '[]'"),
        # What led to few is found by it. Alike as they are, a million takes a dozen megabytes.
        Index("ix_movements_led_source", "led_source"),
        Index("ix_movements_led_last_source", "led_last_source"),
        Index("ix_movements_led_campaign", "led_campaign"),
        partial_index(
            "ix_movements_unrolled", "customer",
            where="rolled_as IS NULL OR rolled_as <> customer",
        ),
        partial_index(
            "ix_movements_unsourced", "customer",
            where="sourced_as IS NULL OR sourced_as <> customer OR source_due",
        ),
        # Reports of renewals read nothing else of an end.
        partial_index(
            "ix_movements_ended", "at", "cause", "from_plan", "from_interval", "currency", "renewals",
            "subscription_id",
            where="to_plan IS NULL",
        ),
        # A few at most: what ended lately, and what was renewed late.
        partial_index(
            "ix_movements_uncounted", "subscription_id", "number",
            where="to_plan IS NULL AND renewals IS NULL",
        ),
    )  # fmt: skip


class CheckoutTouches(FirstAndLast, Base):
    """The buyer's touches at the moment of the click on an offer: a sale keeps its source."""

    __tablename__ = "checkout_touches"

    checkout_id: Mapped[str] = mapped_column(ForeignKey(Checkout.id), primary_key=True)

    __table_args__ = (
        *(
            Index(
                f"ix_checkout_touches_{touch}", f"{touch}_source", f"{touch}_referrer_host",
                "checkout_id",
            )
            for touch in ("first", "last")
        ),
        partial_index(
            "ix_checkout_touches_campaign", "first_campaign", "checkout_id",
            where="first_campaign IS NOT NULL",
        ),
    )  # fmt: skip
