"""Checkouts, what we know of Stripe's subscriptions and one-off payments, and the webhook inbox."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Amount, Base, Json, UtcDateTime, partial_index
from service.db.tables.identity import Reader
from service.db.tables.offers import Offer


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


class Subscription(Base):
    """Stripe's subscription as last fetched."""

    __tablename__ = "subscriptions"

    id: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey(Reader.id), index=True)
    customer_id: Mapped[str] = mapped_column(index=True)
    joined_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """As its customer's: what the account's reader bought there never yields to it."""
    imported_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """As its customer's, where it ran before: nothing older than that is mailed or ends it."""
    offer_id: Mapped[str] = mapped_column(ForeignKey(Offer.id))
    price_id: Mapped[str | None]
    """Stripe's price: the offer's, or a special one."""
    plan: Mapped[str]
    status: Mapped[str] = mapped_column(index=True)
    seats: Mapped[int] = mapped_column(server_default="1")
    """How many readers it is for, its owner among them: the quantity of an offer that is sold by the seat, or more
    while more are paid.
    """
    next_seats: Mapped[int | None]
    """To how many that falls at `next_seats_at`; None: no fewer are foreseen."""
    next_seats_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    amount: Mapped[Amount]
    """For each interval by price and quantity, in minor units, before discounts."""
    recurring_amount: Mapped[Amount] = mapped_column(server_default="0")
    """Less the discounts that last for ever; 0 where we don't understand what it costs."""
    net_amount: Mapped[Amount] = mapped_column(server_default="0")
    """Less all discounts that last now."""
    discounts: Mapped[list[dict[str, Any]]] = mapped_column(Json, server_default="[]")
    """Those that last now, as billing/discounts.py words them."""
    currency: Mapped[str]
    interval: Mapped[str]
    interval_count: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    current_period_end: Mapped[datetime] = mapped_column(UtcDateTime)
    trial_end: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancel_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    past_due_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    pauses_collection: Mapped[bool]
    cancel_reason: Mapped[str]
    """Why it was or will be cancelled, in Stripe's word, such as payment_failed, or erased; empty: not said."""
    cancel_feedback: Mapped[str] = mapped_column(server_default="")
    """Which of Stripe's answers the reader chose on cancelling, such as too_expensive; empty: none."""
    cancel_comment: Mapped[str] = mapped_column(Text, server_default="")
    """What the reader wrote on cancelling; empty: nothing."""
    cancelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the end was asked for, or came by itself; None: it goes on."""
    cancelled_after_days: Mapped[int | None]
    """Of which day of the subscription that was, from 1."""
    access_stop: Mapped[str]
    """What takes access away although the status would give it: dispute, dispute_lost, refund,
    trial_used or duplicate; empty: nothing.
    """
    access_stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outside: Mapped[str] = mapped_column(server_default="")
    """What of it isn't in our model (billing/outside.py), so that it is in no figure; empty: nothing."""
    next_charge_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When Stripe charges next by itself; None: it doesn't."""
    next_amount: Mapped[Amount | None]
    """What it charges then, all included; None: nothing, or Stripe can't say."""
    open_amount: Mapped[Amount | None]
    """What is left to pay of the open invoice; None: none is open."""
    payment_problem: Mapped[str]
    """What an open invoice waits for: card (another one), authentication, or bank (the bank's answer);
    empty: nothing.
    """
    payment_url: Mapped[str | None]
    """Where that invoice can be paid or confirmed, at Stripe."""
    synced_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int]
    """Grows with each stored state: what was fetched before another was stored is not stored."""
    trial_ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When its trial is over, if it was one; known where the next is."""
    trial_became: Mapped[str | None]
    """What became of the trial, as finance/trials.py words it; empty: it was none; None: to be looked up."""

    scheduled_noted: Mapped[bool | None]
    """Whether `scheduled_changes` has what it takes from committed MRR; None: to be looked up."""

    __table_args__ = (
        Index("ix_subscriptions_listing", "started_at", "id"),
        Index("ix_subscriptions_plan", "plan", "status", "reader_id"),
        # The page of offers reads nothing else of all of them.
        Index(
            "ix_subscriptions_offer", "offer_id", "currency", "interval", "interval_count", "status",
            "pauses_collection", "access_stop", "outside", "recurring_amount", "reader_id",
        ),
        partial_index(
            "ix_subscriptions_discounted", "status", where="discounts <> '[]'",
        ),
        # Reports of trials read nothing else of them.
        partial_index(
            "ix_subscriptions_trial_ended", "trial_ended_at", "trial_became", "plan", "interval",
            "currency", "id",
            where="trial_ended_at IS NOT NULL",
        ),
        # A few at most: what changed in the last minute.
        partial_index(
            "ix_subscriptions_trial_unknown", "id",
            where="trial_end IS NOT NULL AND trial_became IS NULL",
        ),
        # A few at most, as those above.
        partial_index(
            "ix_subscriptions_scheduled_unnoted", "id",
            where="scheduled_noted IS NULL",
        ),
        Index("ix_subscriptions_cancelled", "cancelled_at", "id"),
        # Readers are counted in its order: PostgreSQL would sort all of them, on disk, to count each once.
        partial_index(
            "ix_subscriptions_paying", "reader_id", "pauses_collection", "offer_id",
            where="status IN ('active', 'past_due') AND recurring_amount > 0"
            " AND access_stop NOT IN ('duplicate', 'trial_used')",
        ),
        partial_index(
            "ix_subscriptions_outside", "outside", "reader_id",
            where="outside <> ''",
        ),
    )  # fmt: skip


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
