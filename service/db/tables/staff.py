"""What the staff keeps for itself: notes on readers, views of lists, and figures from elsewhere."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Json, UtcDateTime
from service.db.tables.identity import Reader
from service.db.tables.operators import Operator


class ReaderNote(Base):
    """What somebody of the staff wrote about a reader. The reader gets it with an export."""

    __tablename__ = "reader_notes"

    id: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey(Reader.id))
    author: Mapped[str]
    """As the audit trail names the actor."""
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_reader_notes_reader", "reader_id", "at", "id"),)


class SavedView(Base):
    """A view of the list of readers that an operator comes back to: its filters, as in the address."""

    __tablename__ = "saved_views"

    id: Mapped[str] = mapped_column(primary_key=True)
    operator_id: Mapped[str] = mapped_column(ForeignKey(Operator.id), index=True)
    name: Mapped[str]
    filters: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ExchangeRate(Base):
    """From a day on one unit of `currency` is `rate` units of `into`, until the next rate of the pair."""

    __tablename__ = "exchange_rates"

    currency: Mapped[str] = mapped_column(primary_key=True)
    into: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    rate: Mapped[str]
    """A decimal number as it was entered: no digit is lost."""
    entered_by: Mapped[str]
    """As the audit trail names the actor."""
    entered_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StripeFigure(Base):
    """A figure as Stripe's own dashboard has it, and ours beside it, as it was when this was entered."""

    __tablename__ = "stripe_figures"

    id: Mapped[str] = mapped_column(primary_key=True)
    figure: Mapped[str]
    """mrr or active-subscribers."""
    currency: Mapped[str]
    """Empty: active subscribers of all currencies."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    value: Mapped[int] = mapped_column(BigInteger)
    """Stripe's; MRR in minor units."""
    discounts: Mapped[str]
    churn: Mapped[str]
    start: Mapped[str]
    """The settings of the account at Stripe, as reports/agreement.py has them."""
    ours: Mapped[int] = mapped_column(BigInteger)
    parts: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    """What explains the difference: `cause` and `amount`, null where nobody knows."""
    perhaps: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    """What Stripe might count beside, as `parts`."""
    foreign_as_of: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the account was last looked through for what something else sold; None: never."""
    entered_by: Mapped[str]
    """As the audit trail names the actor."""
    entered_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_stripe_figures_listing", "at", "id"),)
