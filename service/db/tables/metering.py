"""The meter's state and the access ledger."""

from datetime import date, datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Json, UtcDateTime, partial_index


class MeterWindow(Base):
    """One holder's read set in one window; changed by a single conditional upsert only.

    A meter of its own has rows of its own: its name follows the holder's (metering/store.py).
    """

    __tablename__ = "meter_windows"

    holder: Mapped[str] = mapped_column(primary_key=True)
    window_start: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    counted: Mapped[list[str]] = mapped_column(Json)
    carried: Mapped[list[str]] = mapped_column(Json)
    began_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the holder's rolling window began, which has the same `window_start` for everybody; None: it is
    a calendar's.
    """
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AccessEntry(Base):
    """One read or refusal: the reports' only source. No addresses, no user agents.

    `day` and `holder` are in every key, so that the table can be divided by either: PostgreSQL
    has a partition a month (metering/partitions.py), and nothing has to be unique beyond it.
    """

    __tablename__ = "access_ledger"

    day: Mapped[date] = mapped_column(primary_key=True)
    """The publication's day of `at`."""
    holder: Mapped[str] = mapped_column(primary_key=True)
    """Whose meter it was at the time of the read, named as in `meter_windows`."""
    id: Mapped[str] = mapped_column(primary_key=True)
    """Random, but growing within a process: rows of one instant keep their order."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    article_id: Mapped[str]
    reader_id: Mapped[str | None]
    device_id: Mapped[str | None]
    """The device's pseudonym."""
    granted: Mapped[bool]
    consumed: Mapped[bool]
    reason: Mapped[str]
    wall: Mapped[str | None]
    window_start: Mapped[datetime | None] = mapped_column(UtcDateTime)
    referrer_host: Mapped[str | None]
    campaign: Mapped[str | None]
    """The `utm_campaign` that led here."""
    once: Mapped[bool]
    """Recorded once a day, holder and article: a read by token, or of an open page."""
    once_key: Mapped[str | None] = mapped_column(deferred=True)
    """What the first release writes, which may serve beside this one during a deploy. Nothing reads
    it, so that a later migration can take it away beside this release; erasing empties it.
    """
    meter_name: Mapped[str | None]
    """The meter of its own that was asked; None: the publication's, or none."""
    prompt: Mapped[str | None]
    """The prompt that was shown, at the wall or beside the article; of a wall without one what rules/prompts.py's
    NO_PROMPT calls its words. Before there were names: a digest of the words. None: nothing was said.
    """
    audience: Mapped[str | None]
    """Who read or met the wall, to prompts (rules/prompts.py). None: it made no difference."""
    variant: Mapped[str | None]
    """What an experiment that the row belongs to gave the holder, as `experiment/variant`."""

    __table_args__ = (
        partial_index(
            "uq_access_ledger_once", "day", "holder", "article_id",
            unique=True, where="once",
        ),
        Index("ix_access_ledger_reader", "reader_id", "at"),
        Index("ix_access_ledger_device", "device_id", "at"),
    )  # fmt: skip
