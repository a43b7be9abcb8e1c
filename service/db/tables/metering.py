"""The meter's state and the access ledger."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Json, UtcDateTime


class MeterWindow(Base):
    """One holder's read set in one window; changed by a single conditional upsert only."""

    __tablename__ = "meter_windows"

    holder: Mapped[str] = mapped_column(primary_key=True)
    window_start: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    counted: Mapped[list[str]] = mapped_column(Json)
    carried: Mapped[list[str]] = mapped_column(Json)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AccessEntry(Base):
    """One read or refusal: the reports' only source. No addresses, no user agents."""

    __tablename__ = "access_ledger"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    article_id: Mapped[str]
    reader_id: Mapped[str | None]
    device_id: Mapped[str | None]
    granted: Mapped[bool]
    consumed: Mapped[bool]
    reason: Mapped[str]
    wall: Mapped[str | None]
    window_start: Mapped[datetime | None] = mapped_column(UtcDateTime)
    referrer_host: Mapped[str | None]
    once_key: Mapped[str | None] = mapped_column(unique=True)
    """Set on reads recorded once a reader, article and day."""

    __table_args__ = (
        Index("ix_access_ledger_reader", "reader_id", "at"),
        Index("ix_access_ledger_device", "device_id", "at"),
    )
