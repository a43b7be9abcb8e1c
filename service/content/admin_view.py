"""An article as its publisher sees it: what was sent, its status, and the cut made from it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from service.content.level import level_at
from service.content.previews import oddities, public_share
from service.content.schemas import AdminArticle, AdminSummary
from service.content.store import level_facts
from service.content.visibility import is_visible
from service.db.tables import Article
from service.rules.in_force import InForce
from service.rules.rules import LevelRules


def admin_summary(article: Article, rules: LevelRules, now: datetime) -> AdminSummary:
    """For the list: needs none of the article's texts."""
    return AdminSummary.model_validate(_summary(article, rules, now))


def admin_article(
    article: Article, in_force: InForce, now: datetime, warnings: Sequence[str]
) -> AdminArticle:
    """With its texts, which take milliseconds to look through, a second for 2 MB: call it in a thread."""
    image = None
    if article.image_url is not None:
        image = {"url": article.image_url, "alt": article.image_alt or ""}
    return AdminArticle.model_validate(
        {
            **_summary(article, in_force.rules.levels, now),
            "standfirst": article.standfirst,
            "body": article.body_source,
            "body_format": article.body_format,
            "authors": [{"name": name} for name in article.authors],
            "tags": article.tags,
            "canonical_url": article.canonical_url,
            "image": image,
            "language": article.language,
            "source_ids": article.source_ids,
            "preview_html": article.preview_html,
            "preview": _preview(article, in_force, now),
            "warnings": warnings,
        }
    )


def _preview(article: Article, in_force: InForce, now: datetime) -> dict[str, Any]:
    share = public_share(article)
    return {
        "words": share.words,
        "public_words": share.public_words,
        "cut_by": share.cut_by,
        "warnings": oddities(article, share, in_force, now),
    }


def _summary(article: Article, rules: LevelRules, now: datetime) -> dict[str, Any]:
    return {
        "id": article.id,
        "slug": article.slug,
        "title": article.title,
        "section": article.section,
        "status": article.status,
        "visible": is_visible(article, now),
        "access": {
            "level": article.level,
            "plans": article.plans,
            "schedule": article.access_schedule,
        },
        "effective": level_at(level_facts(article), rules, now),
        "published_at": article.published_at,
        "created_at": article.created_at,
        "updated_at": article.updated_at,
        "version": article.version,
    }
