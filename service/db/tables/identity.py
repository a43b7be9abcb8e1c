"""Readers and operators, their sessions, API keys, and the audit trail."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Integer
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Json, UtcDateTime


class Reader(Base):
    """A person who reads. Provisional until an address is verified."""

    __tablename__ = "readers"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(index=True)
    """As typed in Checkout: a suggestion until `email_verified_at` is set."""
    email_verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ReaderDevice(Base):
    """A device whose anonymous reads belong to a reader since the purchase or sign-in."""

    __tablename__ = "reader_devices"

    device_id: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[str] = mapped_column(
        ForeignKey("readers.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    linked_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ReaderSession(Base):
    """A signed-in browser; the secret itself is stored as a hash only."""

    __tablename__ = "reader_sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    secret_hash: Mapped[str] = mapped_column(unique=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey("readers.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)


class SignInLink(Base):
    """A link made by an operator that signs a reader in once."""

    __tablename__ = "sign_in_links"

    secret_hash: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey("readers.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Operator(Base):
    """A member of the newsroom's staff."""

    __tablename__ = "operators"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    role: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OperatorSession(Base):
    """A signed-in operator's browser."""

    __tablename__ = "operator_sessions"

    secret_hash: Mapped[str] = mapped_column(primary_key=True)
    operator_id: Mapped[str] = mapped_column(
        ForeignKey("operators.id", ondelete="CASCADE"), index=True
    )
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiKey(Base):
    """A publisher's key with scopes; shown once, stored as a hash."""

    __tablename__ = "api_keys"

    prefix: Mapped[str] = mapped_column(primary_key=True)
    secret_hash: Mapped[str]
    label: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AuditEntry(Base):
    """Who changed what, with the values before and after."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str]
    action: Mapped[str]
    target: Mapped[str]
    before: Mapped[dict[str, Any] | None] = mapped_column(Json)
    after: Mapped[dict[str, Any] | None] = mapped_column(Json)
