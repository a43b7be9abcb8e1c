"""Where readers came from, and what they agreed to be sent. Neither is the meter's."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UtcDateTime
from service.db.tables.billing import Checkout
from service.db.tables.identity import Reader


class _FirstAndLast:
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


class Touches(_FirstAndLast, Base):
    """What led a holder here, first and last; changed by one upsert."""

    __tablename__ = "touches"

    holder: Mapped[str] = mapped_column(primary_key=True)
    """Named as in `meter_windows`."""


class CheckoutTouches(_FirstAndLast, Base):
    """The buyer's touches at the moment of the click on an offer: a sale keeps its source."""

    __tablename__ = "checkout_touches"

    checkout_id: Mapped[str] = mapped_column(ForeignKey(Checkout.id), primary_key=True)

    __table_args__ = (
        Index("ix_checkout_touches_last", "last_source", "last_referrer_host", "checkout_id"),
    )


class Consent(Base):
    """What a reader agreed to or withdrew. Rows are added, never changed."""

    __tablename__ = "consents"

    id: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey(Reader.id), index=True)
    purpose: Mapped[str]
    """newsletter."""
    given: Mapped[bool]
    """False: withdrawn, or asked for and refused."""
    wording: Mapped[str]
    """The words beside the box."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    place: Mapped[str]
    """sign-in or checkout."""
