"""Grants of access."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UtcDateTime


class Grant(Base):
    """Who may read what, from when until when, and why."""

    __tablename__ = "grants"

    id: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[str]
    source: Mapped[str]
    reference: Mapped[str]
    scope: Mapped[str]
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    in_grace: Mapped[bool]
    note: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("source", "reference", name="uq_grants_source_reference"),
        Index("ix_grants_reader", "reader_id"),
        Index("ix_grants_updated", "updated_at"),
    )
