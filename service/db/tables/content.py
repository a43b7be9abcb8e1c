"""Articles, their revisions and search terms."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Json, UtcDateTime
from service.levels import Level


class Article(Base):
    """One article as published: sanitised body, and the cut made when it was stored."""

    __tablename__ = "articles"

    id: Mapped[str] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    standfirst: Mapped[str] = mapped_column(Text)
    body_source: Mapped[str] = mapped_column(Text)
    body_format: Mapped[str]
    body_html: Mapped[str] = mapped_column(Text)
    preview_html: Mapped[str] = mapped_column(Text)
    preview_text: Mapped[str] = mapped_column(Text)
    cut_is_whole: Mapped[bool]
    wall_level: Mapped[Level | None] = mapped_column(String)
    """Whom a wall in the text leaves it to; None: it has none."""
    search_text: Mapped[str] = mapped_column(Text)
    authors: Mapped[list[str]] = mapped_column(Json)
    section: Mapped[str | None] = mapped_column(index=True)
    tags: Mapped[list[str]] = mapped_column(Json)
    canonical_url: Mapped[str | None]
    image_url: Mapped[str | None]
    image_alt: Mapped[str | None]
    language: Mapped[str | None]
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    status: Mapped[str]
    level: Mapped[Level | None] = mapped_column(String)
    plans: Mapped[list[str]] = mapped_column(Json)
    access_schedule: Mapped[dict[str, int] | None] = mapped_column(Json)
    """What of content/level.py's Schedule is set."""
    source_ids: Mapped[dict[str, str]] = mapped_column(Json)
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_articles_listing", "status", "published_at", "id"),)


class ArticleTerm(Base):
    """What leads to an article: a tag or an author (filters), its id elsewhere, a former slug."""

    __tablename__ = "article_terms"

    kind: Mapped[str] = mapped_column(primary_key=True)
    term: Mapped[str] = mapped_column(primary_key=True)
    article_id: Mapped[str] = mapped_column(
        ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class ArticleRevision(Base):
    """What was sent at each publication that changed the article."""

    __tablename__ = "article_revisions"

    article_id: Mapped[str] = mapped_column(
        ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str]
    document: Mapped[dict[str, Any]] = mapped_column(Json)


class ContentState(Base):
    """One row: a number that grows with every change, by which processes drop stale copies."""

    __tablename__ = "content_state"

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int]
