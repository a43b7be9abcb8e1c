"""Readers, their devices and sessions, and what they read with."""

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, true
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UtcDateTime, partial_index


class Reader(Base):
    """A person who reads. Provisional until an address is verified."""

    __tablename__ = "readers"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str | None]
    """As typed in Checkout: a suggestion until `email_verified_at` is set."""
    email_key: Mapped[str | None] = mapped_column(index=True)
    """The address as addresses are compared (identity/email.py)."""
    verified_key: Mapped[str | None] = mapped_column(unique=True, index=True)
    """`email_key` once it is verified: an address belongs to one account."""
    email_verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    """When the reader registered: first verified an address. A change of address leaves it as it is."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    merged_into: Mapped[str | None]
    """The account that a provisional reader turned out to be; it holds everything since."""
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    pseudonym: Mapped[str | None]
    """Their name in the movements of MRR, which outlive an erasure; None: they have none yet."""
    experiment_unit: Mapped[str | None]
    """By what experiments know them: the device of their first sign-in, whose variants they keep; None: their id."""

    __table_args__ = (
        Index("ix_readers_newest", "created_at", "id"),
        # Who searches for a part of an address reads all of it, and nothing else of readers.
        Index("ix_readers_address", "email", "id"),
        # SQLite would take all others from one of these, and sort them.
        partial_index("ix_readers_merged", "merged_into", where="merged_into IS NOT NULL"),
        partial_index("ix_readers_erased", "erased_at", where="erased_at IS NOT NULL"),
    )


class ReaderDevice(Base):
    """A device whose anonymous reads belong to a reader since the purchase or sign-in."""

    __tablename__ = "reader_devices"

    device_id: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[str] = mapped_column(
        ForeignKey("readers.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    linked_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ReaderSession(Base):
    """A signed-in browser or app: a family of refresh tokens, of which one is current.

    Tokens are stored as hashes only. The successor of the previous one is sealed under it, so that
    a holder of that one gets the same successor (identity/sessions.py).
    """

    __tablename__ = "reader_sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    secret_hash: Mapped[str] = mapped_column(unique=True)
    previous_hash: Mapped[str | None]
    successor_sealed: Mapped[str | None]
    successor_used: Mapped[bool] = mapped_column(server_default=true())
    """False: nobody has shown the current token yet, so the answer with it may have been lost."""
    rotated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reader_id: Mapped[str] = mapped_column(ForeignKey("readers.id", ondelete="CASCADE"), index=True)
    device_id: Mapped[str | None]
    """The device's pseudonym."""
    kind: Mapped[str] = mapped_column(server_default="browser")
    """browser (the token in a cookie) or app (the token in bodies)."""
    label: Mapped[str] = mapped_column(server_default="")
    """What the reader recognises the device by, such as "Firefox on Linux"."""
    method: Mapped[str] = mapped_column(server_default="")
    """How they have shown who they are: link or code of a mail, or purchase; empty before that was kept."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    end_reason: Mapped[str | None]


class ReaderUse(Base):
    """A device, or a network, that a reader read on or from on a day of the publication."""

    __tablename__ = "reader_uses"

    day: Mapped[date] = mapped_column(primary_key=True)
    reader_id: Mapped[str] = mapped_column(primary_key=True, index=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    """device or network."""
    name: Mapped[str] = mapped_column(primary_key=True)
    """The device's pseudonym, or the network's name of that day, a keyed hash."""
