"""The key ring, and tokens that are refused before they expire."""

from datetime import datetime

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UtcDateTime


class SigningKey(Base):
    """One key pair; the private half is encrypted by a key derived from the settings."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(primary_key=True)
    algorithm: Mapped[str]
    private_encrypted: Mapped[str] = mapped_column(Text)
    public_jwk: Mapped[str] = mapped_column(Text)
    state: Mapped[str]
    """next, active, retiring or revoked."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state_since: Mapped[datetime] = mapped_column(UtcDateTime)


class RevokedClaim(Base):
    """Tokens issued before `issued_before` with this value of a claim are refused."""

    __tablename__ = "revoked_claims"

    claim: Mapped[str] = mapped_column(primary_key=True)
    """sid, jti or sub."""
    value: Mapped[str] = mapped_column(primary_key=True)
    issued_before: Mapped[datetime] = mapped_column(UtcDateTime)
    """Wall time."""
    forget_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    """When every such token has expired."""
