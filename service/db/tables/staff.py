"""What the staff keeps for itself: notes on readers, and views of lists."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UtcDateTime


class ReaderNote(Base):
    """What somebody of the staff wrote about a reader. The reader gets it with an export."""

    __tablename__ = "reader_notes"

    id: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey("readers.id"))
    author: Mapped[str]
    """As the audit trail names the actor."""
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_reader_notes_reader", "reader_id", "at", "id"),)


class SavedView(Base):
    """A view of the list of readers that an operator comes back to: its filters, as in the address."""

    __tablename__ = "saved_views"

    id: Mapped[str] = mapped_column(primary_key=True)
    operator_id: Mapped[str] = mapped_column(ForeignKey("operators.id"), index=True)
    name: Mapped[str]
    filters: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
