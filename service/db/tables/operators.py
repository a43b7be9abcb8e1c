"""Operators, their sessions, publishers' API keys, and the audit trail of both."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, true
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Json, UtcDateTime


class Operator(Base):
    """A member of the newsroom's staff."""

    __tablename__ = "operators"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    role: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    totp_sealed: Mapped[str | None]
    """The secret of the one-time codes (RFC 6238), encrypted by a key derived from the settings."""
    totp_confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Asked for at sign-in since then."""
    totp_last_step: Mapped[int | None] = mapped_column(BigInteger)
    """The time step of the last code used: none is taken twice."""
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    weekly_mail: Mapped[bool] = mapped_column(server_default=true())
    """Whether they get the week in a mail."""


class OperatorRecoveryCode(Base):
    """Signs an operator in once in place of a one-time code."""

    __tablename__ = "operator_recovery_codes"

    code_hash: Mapped[str] = mapped_column(primary_key=True)
    operator_id: Mapped[str] = mapped_column(
        ForeignKey("operators.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OperatorDevice(Base):
    """A browser in which the operator has signed in before: strangers' guesses don't lock it out."""

    __tablename__ = "operator_devices"

    operator_id: Mapped[str] = mapped_column(
        ForeignKey("operators.id", ondelete="CASCADE"), primary_key=True
    )
    device_id: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


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
    target: Mapped[str] = mapped_column(index=True)
    before: Mapped[dict[str, Any] | None] = mapped_column(Json)
    after: Mapped[dict[str, Any] | None] = mapped_column(Json)

    __table_args__ = (Index("ix_audit_log_at", "at", "id"),)
