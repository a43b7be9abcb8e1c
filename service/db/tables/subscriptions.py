"""What we know of Stripe's subscriptions."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Amount, Base, Json, UtcDateTime, partial_index
from service.db.tables.identity import Reader
from service.db.tables.offers import Offer

_PAID = (
    "status IN ('active', 'past_due') AND recurring_amount > 0"
    " AND access_stop NOT IN ('duplicate', 'trial_used')"
)
"""Of a subscription, as billing/recurring.py defines it."""


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
        Index("ix_subscriptions_of_offer", "offer_id", "status", "outside", "reader_id"),
        # The page of offers adds them up. Alike as they are, a million takes eight megabytes.
        partial_index(
            "ix_subscriptions_sold", "offer_id", "currency", "interval", "interval_count", "recurring_amount",
            where=f"{_PAID} AND pauses_collection IS false",
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
            where=_PAID,
        ),
        # Committed MRR reads nothing else of those that are scheduled to end.
        partial_index(
            "ix_subscriptions_ending", "currency", "interval", "interval_count", "plan", "recurring_amount",
            where=f"{_PAID} AND pauses_collection IS false AND cancel_at IS NOT NULL",
        ),
        partial_index(
            "ix_subscriptions_paused", "reader_id",
            where=f"{_PAID} AND pauses_collection IS true",
        ),
        # What is a purchase is asked of all that was bought, and these few are none.
        partial_index(
            "ix_subscriptions_given_back", "id",
            where="access_stop IN ('duplicate', 'trial_used')",
        ),
        partial_index(
            "ix_subscriptions_outside", "outside", "reader_id",
            where="outside <> ''",
        ),
    )  # fmt: skip
