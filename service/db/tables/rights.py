"""Rights that were bought elsewhere, and who claimed them."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UtcDateTime


class Right(Base):
    """A right to read from elsewhere, such as a print subscription, as its source last sent it.

    Whose it is, the source says by an address, an account number or a name: those are kept as keyed hashes
    alone (grants/matching.py).
    """

    __tablename__ = "rights"

    source: Mapped[str] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(primary_key=True)
    plan: Mapped[str]
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the source took it back, or its list no longer had it."""
    email_hash: Mapped[str | None] = mapped_column(index=True)
    account_hash: Mapped[str | None] = mapped_column(index=True)
    """Of account number and postcode together."""
    number_hash: Mapped[str | None]
    """Of the account number alone: nobody is found by it, but a subscriber who moves is known again."""
    name_hash: Mapped[str | None] = mapped_column(index=True)
    """Of name and postcode together."""
    reader_id: Mapped[str | None] = mapped_column(index=True)
    bound_by: Mapped[str | None]
    """How the reader was found: email, account or name."""
    bound_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_rights_newest", "created_at", "source", "reference"),)


class RightClaim(Base):
    """A reader says that they subscribe elsewhere, and no list has had it yet."""

    __tablename__ = "right_claims"

    hash: Mapped[str] = mapped_column(primary_key=True)
    """Of account number or name, with postcode (grants/matching.py): the first reader's who claims it."""
    reader_id: Mapped[str] = mapped_column(index=True)
    provisional_until: Mapped[datetime] = mapped_column(UtcDateTime)
    """They read until then all the same."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
