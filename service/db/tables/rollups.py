"""The access ledger added up by day, for reports: each day that is over once, from all of its rows."""

from datetime import date, datetime

from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UtcDateTime


class RolledDay(Base):
    """A day that the two tables below hold. All others are counted from the ledger itself."""

    __tablename__ = "rolled_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    rows: Mapped[int]
    """The number of the ledger's rows that were added up: with more of them the day is rolled anew."""
    rolled_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LedgerDay(Base):
    """Reads and refusals of one day, by article, reason and wall."""

    __tablename__ = "ledger_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    article_id: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    wall: Mapped[str] = mapped_column(primary_key=True)
    """Empty: none."""
    rows: Mapped[int]
    counted: Mapped[int]
    """Those that used an article of the meter."""


class HolderDay(Base):
    """One holder's day. Distinct holders of a longer time are counted over these rows."""

    __tablename__ = "holder_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    holder: Mapped[str] = mapped_column(primary_key=True, index=True)
    """Named as in the ledger."""
    reads: Mapped[int]
    counted: Mapped[int]
    """Articles of the meter that were used."""
    subscribe_wall_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the first wall to subscribe was met."""
    register_wall_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
