"""Grants of access."""

from datetime import date, datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Json, UtcDateTime, partial_index


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
    recorded_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Since when its former states are kept; None: a release that kept none wrote it last."""

    __table_args__ = (
        UniqueConstraint("source", "reference", name="uq_grants_source_reference"),
        Index("ix_grants_of_reader", "reader_id", "ends_at"),
        Index("ix_grants_updated", "updated_at"),
    )


class FormerGrant(Base):
    """What a grant said until it was changed."""

    __tablename__ = "former_grants"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    grant_id: Mapped[str] = mapped_column(ForeignKey("grants.id", ondelete="CASCADE"), index=True)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    scope: Mapped[str]
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    in_grace: Mapped[bool]


class GiftLink(Base):
    """A subscriber lets others read one article, by a link that doesn't name the giver."""

    __tablename__ = "gift_links"

    id: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[str]
    """Who gives."""
    article_id: Mapped[str]
    month: Mapped[datetime] = mapped_column(UtcDateTime)
    """The start of the calendar month in whose number of given articles it counts."""
    most_readers: Mapped[int]
    readers: Mapped[int]
    """How many distinct devices have opened it; changed by one conditional update only."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it was switched off, or a newer one of the same article took its place."""

    __table_args__ = (
        Index("ix_gift_links_giver", "reader_id", "created_at", "id"),
        Index("ix_gift_links_newest", "created_at", "id"),
        Index("ix_gift_links_ends", "ends_at"),
        Index("ix_gift_links_ended", "ended_at"),
        partial_index(
            "ix_gift_links_live",
            "article_id",
            "ends_at",
            where="ended_at IS NULL AND readers > 0",
        ),
    )


class GiftOpening(Base):
    """A device holds the grant of a gift link: it opened the link."""

    __tablename__ = "gift_openings"

    link_id: Mapped[str] = mapped_column(
        ForeignKey("gift_links.id", ondelete="CASCADE"), primary_key=True
    )
    device_id: Mapped[str] = mapped_column(primary_key=True)
    """The device's pseudonym."""
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        Index("ix_gift_openings_device", "device_id"),
        Index("ix_gift_openings_opened", "opened_at"),
    )


class Institution(Base):
    """A university, library or firm whose members read by its contract."""

    __tablename__ = "institutions"

    slug: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    plan: Mapped[str]
    domains: Mapped[list[str]] = mapped_column(Json)
    networks: Mapped[list[str]] = mapped_column(Json)
    version: Mapped[int] = mapped_column(server_default="1")
    """How often it was stored: what is kept of it in memory is compared by it."""
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class InstitutionReadDay(Base):
    """How often members of an institution read on a day of the publication, and how they came."""

    __tablename__ = "institution_reads"

    slug: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    way: Mapped[str] = mapped_column(primary_key=True)
    """network, domain or joined."""
    name: Mapped[str] = mapped_column(primary_key=True)
    """The network or the domain; empty where a reader joined and reads elsewhere."""
    reads: Mapped[int]
