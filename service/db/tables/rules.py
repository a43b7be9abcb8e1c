"""What editors have set."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Json, UtcDateTime


class RulesVersion(Base):
    """The rules as an editor saved them (rules/document.py). The latest is in force; the others tell
    what was in force at an instant of the past.
    """

    __tablename__ = "rules_versions"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Business time."""
    actor: Mapped[str]
    document: Mapped[dict[str, Any]] = mapped_column(Json)
