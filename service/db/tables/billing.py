"""Checkouts, what we know of Stripe's subscriptions, and the webhook inbox."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UtcDateTime


class Checkout(Base):
    """One click on an offer, stored before Stripe is asked."""

    __tablename__ = "checkouts"

    id: Mapped[str] = mapped_column(primary_key=True)
    offer_id: Mapped[str] = mapped_column(ForeignKey("offers.id"))
    reader_id: Mapped[str | None] = mapped_column(index=True)
    device_id: Mapped[str | None]
    return_to: Mapped[str]
    claim_hash: Mapped[str] = mapped_column(index=True)
    status: Mapped[str]
    """open, completed or expired."""
    stripe_session_id: Mapped[str | None] = mapped_column(unique=True)
    stripe_url: Mapped[str | None]
    stripe_subscription_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Customer(Base):
    """Which reader a Stripe customer is; bound by our own checkout id, never by e-mail."""

    __tablename__ = "customers"

    id: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey("readers.id"), index=True)
    bound_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Subscription(Base):
    """Stripe's subscription as last fetched."""

    __tablename__ = "subscriptions"

    id: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey("readers.id"), index=True)
    customer_id: Mapped[str]
    offer_id: Mapped[str] = mapped_column(ForeignKey("offers.id"))
    plan: Mapped[str]
    status: Mapped[str] = mapped_column(index=True)
    amount: Mapped[int]
    currency: Mapped[str]
    interval: Mapped[str]
    interval_count: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    current_period_end: Mapped[datetime] = mapped_column(UtcDateTime)
    trial_end: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancel_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    past_due_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    synced_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int]
    """Grows with each stored state: what was fetched before another was stored is not stored."""

    __table_args__ = (Index("ix_subscriptions_listing", "started_at", "id"),)


class InboxEvent(Base):
    """A webhook event: stored before it is answered, applied afterwards."""

    __tablename__ = "stripe_inbox"

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    object_id: Mapped[str]
    customer_id: Mapped[str | None]
    subscription_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[str]
    """pending, applied, ignored or quarantined."""
    attempts: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    applied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    result: Mapped[str]

    __table_args__ = (Index("ix_stripe_inbox_due", "status", "due_at"),)
