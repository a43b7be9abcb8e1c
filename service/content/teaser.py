"""The public shape of an article: what everybody may read, and shared caches may keep.

Everything here is derived from the cut; the body itself appears in a free article's teaser only.
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

from service.content.article import ListedArticle, StoredArticle
from service.content.direction import direction_of
from service.content.level import LevelAt, level_at
from service.rules.in_force import InForce

PAID_SELECTOR = ".paywall"
"""The class of the element that holds what the wall covers, in every page of ours."""


_NEVER = datetime.min.replace(tzinfo=UTC)


def teaser(article: StoredArticle, in_force: InForce, now: datetime) -> dict[str, Any]:
    """The whole teaser (schemas.Teaser) at `now`, with `body_html` where the article is free."""
    held = level_at(article, in_force.rules.levels, now)
    shape = summary(article, in_force, held)
    shape["preview_html"] = article.preview_html
    shape["json_ld"] = json_ld(article, in_force, now)
    if held.level == "free":
        shape["body_html"] = article.body_html
    return shape


def with_body(article: StoredArticle, in_force: InForce, now: datetime) -> dict[str, Any]:
    """The teaser's shape with the whole text (schemas.FullArticle)."""
    return {**teaser(article, in_force, now), "body_html": article.body_html}


def summary(article: ListedArticle, in_force: InForce, held: LevelAt) -> dict[str, Any]:
    """An entry of a list (schemas.TeaserSummary): the teaser without texts in HTML, at the level that holds."""
    image = None
    if article.image_url is not None:
        image = {"url": article.image_url, "alt": article.image_alt or ""}
    return {
        "id": article.id,
        "slug": article.slug,
        "title": article.title,
        "standfirst": article.standfirst,
        "excerpt": article.excerpt,
        "authors": [{"name": name} for name in article.authors],
        "section": article.section,
        "tags": list(article.tags),
        "canonical_url": article.canonical_url,
        "image": image,
        "language": article.language,
        "dir": direction_of(article.language, article.title),
        "published_at": instant_text(article.published_at),
        "updated_at": instant_text(article.updated_at),
        "access": {
            "level": held.level,
            "metered": held.level == "metered"
            and not in_force.rules.meters.is_off(article.section, article.tags),
            "plans": sorted(held.plans),
        },
    }


def json_ld(article: StoredArticle, in_force: InForce, now: datetime) -> dict[str, Any]:
    """schema.org NewsArticle, with the marks for paywalled content that search engines ask for.

    Source: https://developers.google.com/search/docs/appearance/structured-data/paywalled-content
    """
    settings = in_force.settings
    level = level_at(article, in_force.rules.levels, now).level
    free = level == "free" or (
        level == "metered" and in_force.rules.meters.is_off(article.section, article.tags)
    )
    address = article.canonical_url or f"{settings.public_url}/articles/{article.slug}"
    document: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": article.title,
        "description": article.standfirst or article.excerpt,
        "author": [{"@type": "Person", "name": name} for name in article.authors],
        "publisher": {"@type": "Organization", "name": settings.publication_name},
        "datePublished": instant_text(article.published_at),
        # A scheduled article was written before it appeared, which search engines take for an error.
        "dateModified": instant_text(max(article.updated_at, article.published_at or _NEVER)),
        "mainEntityOfPage": address,
        "isAccessibleForFree": free,
    }
    if article.image_url is not None:
        document["image"] = [urljoin(f"{settings.public_url}/", article.image_url)]
    if article.section is not None:
        document["articleSection"] = article.section
    if article.language is not None:
        document["inLanguage"] = article.language
    if not free:
        document["hasPart"] = {
            "@type": "WebPageElement",
            "isAccessibleForFree": False,
            "cssSelector": PAID_SELECTOR,
        }
    return document


def instant_text(at: datetime | None) -> str | None:
    """`at` as answers write it: RFC 3339 in UTC."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")
