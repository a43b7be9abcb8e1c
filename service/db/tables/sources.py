"""Where readers came from, which isn't the meter's."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UtcDateTime


class FirstAndLast:
    """The first touch, and the last one that names a source. Hosts and `utm_*` alone."""

    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    first_referrer_host: Mapped[str | None]
    first_source: Mapped[str | None]
    first_medium: Mapped[str | None]
    first_campaign: Mapped[str | None]
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_referrer_host: Mapped[str | None]
    last_source: Mapped[str | None]
    last_medium: Mapped[str | None]
    last_campaign: Mapped[str | None]


class Touches(FirstAndLast, Base):
    """What led a holder here, first and last; changed by one upsert."""

    __tablename__ = "touches"

    holder: Mapped[str] = mapped_column(primary_key=True)
    """Named as in `meter_windows`."""
