"""What is to be sent: stored in the transaction of the change it reports, sent afterwards."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Json, UtcDateTime, partial_index
from service.db.tables.identity import Reader


class Mail(Base):
    """One mail to one reader."""

    __tablename__ = "mails"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    """What it is about, such as sign-in."""
    reader_id: Mapped[str | None] = mapped_column(
        ForeignKey(Reader.id, ondelete="SET NULL"), index=True
    )
    recipient: Mapped[str]
    recipient_key: Mapped[str] = mapped_column(index=True)
    """The address as addresses are compared (identity/email.py)."""
    language: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str]
    html: Mapped[str]
    """Text and HTML are emptied once sent, unless a development mailbox shows them."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    send_until: Mapped[datetime] = mapped_column(UtcDateTime)
    """Of no use to anybody afterwards: a link that has expired isn't sent any more."""
    status: Mapped[str]
    """waiting, sent or failed; a job of its id says when it is tried."""
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    result: Mapped[str]
    """What the mail server said last."""
    once: Mapped[str | None] = mapped_column(unique=True)
    """What it reports, such as receipt:in_…: a second mail about that isn't stored."""

    __table_args__ = (Index("ix_mails_status", "status", "send_until"),)


_SCHEDULED = "type IN ('subscription.cancel_scheduled', 'subscription.resumed')"


class DomainEvent(Base):
    """Something that happened to a reader: sent to the newsroom's own systems, kept as a ledger."""

    __tablename__ = "domain_events"

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    """Such as subscription.started (outbox/event_types.py has all)."""
    reader_id: Mapped[str | None] = mapped_column(index=True)
    subject_id: Mapped[str]
    """The subscription, pass or reader that it is about."""
    once: Mapped[str] = mapped_column(unique=True)
    """Names the happening: a second row of the same isn't stored."""
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """By Stripe's own times where Stripe has one, in business time."""
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    before: Mapped[dict[str, object] | None] = mapped_column(Json)
    after: Mapped[dict[str, object] | None] = mapped_column(Json)

    __table_args__ = (
        Index("ix_domain_events_subject", "subject_id", "occurred_at"),
        Index("ix_domain_events_type", "type", "occurred_at"),
        # What was scheduled to end at a past instant, for the figures.
        partial_index(
            "ix_domain_events_scheduled", "subject_id", "occurred_at", "id",
            where=_SCHEDULED,
        ),
    )  # fmt: skip


class WebhookEndpoint(Base):
    """A system of the newsroom's that receives events."""

    __tablename__ = "webhook_endpoints"

    id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    types: Mapped[list[str]] = mapped_column(Json)
    """The types of events it gets; ["*"]: all."""
    description: Mapped[str]
    secret_sealed: Mapped[str]
    old_secret_sealed: Mapped[str | None]
    """Signs too until `old_secret_until`, so that a receiver can be moved over."""
    old_secret_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class WebhookDelivery(Base):
    """One event on its way to one endpoint; jobs say when it is tried."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(ForeignKey("domain_events.id", ondelete="CASCADE"))
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    status: Mapped[str]
    """waiting, delivered or failed."""
    attempts: Mapped[int]
    last_status: Mapped[int | None]
    """The HTTP status of the last answer; None: there was none."""
    last_result: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        Index("ix_webhook_deliveries_event", "event_id", "endpoint_id", unique=True),
        Index("ix_webhook_deliveries_endpoint", "endpoint_id", "created_at"),
        partial_index(
            "ix_webhook_deliveries_failed", "endpoint_id",
            where="status = 'failed'",
        ),
    )  # fmt: skip
