"""The catalogue of what is sold."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UtcDateTime


class Offer(Base):
    """One plan, interval, currency and trial, with its mirror at Stripe."""

    __tablename__ = "offers"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    plan: Mapped[str]
    amount: Mapped[int]
    currency: Mapped[str]
    interval: Mapped[str]
    interval_count: Mapped[int]
    trial_days: Mapped[int]
    position: Mapped[int]
    stripe_price_id: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    archived_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
