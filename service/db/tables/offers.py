"""The catalogue of what is sold."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Amount, Base, UtcDateTime


class Offer(Base):
    """One plan, interval, currency and trial, or a pass, with its mirror at Stripe."""

    __tablename__ = "offers"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default="subscription")
    """subscription, or pass: paid once, and `interval` times `interval_count` is how long it opens."""
    covers: Mapped[str] = mapped_column(server_default="plan")
    """plan, or article: of a pass that opens the one article it was bought for."""
    plan: Mapped[str]
    amount: Mapped[Amount]
    currency: Mapped[str]
    interval: Mapped[str]
    interval_count: Mapped[int]
    trial_days: Mapped[int]
    intro_amount: Mapped[Amount | None]
    """What each of the first `intro_periods` costs a new reader, in minor units; None: no intro."""
    intro_periods: Mapped[int] = mapped_column(server_default="0")
    most_seats: Mapped[int] = mapped_column(server_default="0")
    """How many seats can be bought, each at the amount; 0: it isn't sold by the seat."""
    sold_to: Mapped[str] = mapped_column(server_default="everybody")
    """everybody, or former: readers who subscribed before, to whom a prompt shows it."""
    position: Mapped[int]
    stripe_price_id: Mapped[str | None] = mapped_column(unique=True)
    stripe_coupon_id: Mapped[str | None]
    """The intro's coupon at Stripe."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    archived_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(server_default="1")
    """Grows with each change by an operator."""
