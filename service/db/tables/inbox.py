"""The webhook inbox, and how what is stored was compared with Stripe."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Json, UtcDateTime


class Reconciliation(Base):
    """One comparison of everything that we believe with Stripe."""

    __tablename__ = "reconciliations"

    id: Mapped[str] = mapped_column(primary_key=True)
    started_by: Mapped[str]
    """nightly, or who asked for it."""
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    events_since: Mapped[datetime] = mapped_column(UtcDateTime)
    events_missed: Mapped[int]
    compared: Mapped[int]
    booked: Mapped[int | None]
    """How many invoices, charges, refunds, disputes, balance entries and payouts were checked; None: by a release that
    kept none."""
    not_ours: Mapped[int]
    """Subscriptions on the account that were sold by something else."""
    foreign: Mapped[dict[str, dict[str, Any]] | None] = mapped_column(Json)
    """What these bring by Stripe's count, as billing/foreign.py words it; None: nobody has looked."""
    found: Mapped[int]
    """How many differences there were before anything was mended."""
    remaining: Mapped[int]
    """How many are left: all of them where nothing was to be mended."""
    differences: Mapped[list[dict[str, str]]] = mapped_column(Json)
    """The first thousand, each with `object`, `what`, `here`, `stripe` and `reason`; `mended` is yes
    or no.
    """
    fixed: Mapped[bool]
    """Whether what differed was to be mended."""


class InboxEvent(Base):
    """A webhook event: stored before it is answered, applied afterwards by a job of its id.

    What doesn't concern us has no job; what became of the others is in theirs.
    """

    __tablename__ = "stripe_inbox"

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    object_id: Mapped[str] = mapped_column(index=True)
    customer_id: Mapped[str | None] = mapped_column(index=True)
    subscription_id: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    told_by: Mapped[str]
    """webhook, or reconcile where Stripe had sent no webhook."""

    __table_args__ = (Index("ix_stripe_inbox_received", "received_at"),)
