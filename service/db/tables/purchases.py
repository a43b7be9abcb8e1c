"""What was bought besides a subscription of one reader, and what of Stripe isn't ours."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Amount, Base, UtcDateTime, partial_index
from service.db.tables.billing import Checkout
from service.db.tables.identity import Reader
from service.db.tables.offers import Offer
from service.db.tables.subscriptions import Subscription


class UnboundSubscription(Base):
    """A live subscription of what we sell whose customer at Stripe is bound to no reader."""

    __tablename__ = "unbound_subscriptions"

    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str]
    offer_id: Mapped[str] = mapped_column(ForeignKey(Offer.id))
    status: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)


class TrialCard(Base):
    """A card that has had its trial; who it belongs to isn't kept."""

    __tablename__ = "trial_cards"

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    """Stripe's name for the card number, the same for every customer."""
    subscription_id: Mapped[str]
    used_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Pass(Base):
    """A one-off payment as last fetched, and what it opens."""

    __tablename__ = "passes"

    id: Mapped[str] = mapped_column(primary_key=True)
    """Stripe's payment intent."""
    checkout_id: Mapped[str] = mapped_column(ForeignKey(Checkout.id), index=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey(Reader.id), index=True)
    customer_id: Mapped[str | None] = mapped_column(index=True)
    offer_id: Mapped[str] = mapped_column(ForeignKey(Offer.id))
    scope: Mapped[str]
    """What it opens, as in a grant."""
    amount: Mapped[Amount]
    currency: Mapped[str]
    paid_at: Mapped[datetime] = mapped_column(UtcDateTime)
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When it was paid, or when the one before it for the same thing ends."""
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    access_stop: Mapped[str]
    """As of a subscription."""
    access_stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    synced_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int]


class Seat(Base):
    """A place in a subscription for a reader other than its owner."""

    __tablename__ = "seats"

    id: Mapped[str] = mapped_column(primary_key=True)
    subscription_id: Mapped[str] = mapped_column(ForeignKey(Subscription.id), index=True)
    reader_id: Mapped[str | None] = mapped_column(ForeignKey(Reader.id), index=True)
    """Who has taken it; None: nobody yet."""
    email: Mapped[str | None]
    """Where the invitation went; None: its link is handed over, or it was taken or removed."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    joined_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the owner or the newsroom removed it, or its reader left it."""
    asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When its reader, for whom there is no seat left, asked the owner for more."""

    __table_args__ = (Index("ix_seats_newest", "created_at", "id"),)


class GiftSubscription(Base):
    """A term of a plan that somebody buys for somebody else; its payment is a row of `passes`."""

    __tablename__ = "gift_subscriptions"

    id: Mapped[str] = mapped_column(primary_key=True)
    checkout_id: Mapped[str] = mapped_column(ForeignKey(Checkout.id), unique=True)
    pass_id: Mapped[str | None] = mapped_column(ForeignKey("passes.id"), unique=True)
    """The payment; None: it isn't paid yet."""
    receiver_email: Mapped[str | None]
    """Where its link is mailed; None: the buyer hands it over, or it was mailed and redeemed."""
    send_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When it is mailed, business time."""
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    paid_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    redeemed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    redeemed_by: Mapped[str | None] = mapped_column(ForeignKey(Reader.id), index=True)
    starts_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """What is left of it opens then: the start of the present run, or where it waits."""
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)

    __table_args__ = (
        Index("ix_gift_subscriptions_newest", "created_at", "id"),
        partial_index(
            "ix_gift_subscriptions_to_send", "send_at",
            where="sent_at IS NULL AND receiver_email IS NOT NULL",
        ),
    )  # fmt: skip
