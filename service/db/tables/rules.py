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


class StoredCrawler(Base):
    """A crawler that the newsroom named, or changed: what it crawls for, and what proves who it is."""

    __tablename__ = "crawlers"

    name: Mapped[str] = mapped_column(primary_key=True)
    category: Mapped[str]
    agents: Mapped[list[str]] = mapped_column(Json)
    hosts: Mapped[list[str]] = mapped_column(Json)
    networks: Mapped[list[str]] = mapped_column(Json)
    keys: Mapped[list[dict[str, str]]] = mapped_column(Json)
    version: Mapped[int]
    """How often it was stored: what is kept of it in memory is compared by it."""
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ExperimentRow(Base):
    """An experiment as an editor planned it (rules/experiment_document.py). Once it is started, only
    `stopped_at` is ever set. Times are of the business clock.
    """

    __tablename__ = "experiments"

    slug: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str]
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """None: a draft."""
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """As planned."""
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When somebody stopped it before that."""
