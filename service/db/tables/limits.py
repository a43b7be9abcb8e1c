"""Counters of rate limits, shared by all instances."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UtcDateTime


class RateLimit(Base):
    """How often something was done in a window that began with the first time."""

    __tablename__ = "rate_limits"

    key: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
