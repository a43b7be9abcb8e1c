"""Teasers as cards, on the front page and below articles. A card is rendered once for what it shows."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, partial
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

from markupsafe import Markup

from service.access.words import long_day
from service.content.article import ListedArticle
from service.content.direction import direction_of
from service.content.level import level_at
from service.html.pages import render_part
from service.levels import Level
from service.rules.in_force import InForce
from service.web.words import joined

_MOST_KEPT = 1_000
"""Some hundred articles, each in the sizes of a lead and of a place in a row; a card has 1 KB."""


class Teased(NamedTuple):
    """All that a card shows of an article."""

    slug: str
    title: str
    words: str
    authors: tuple[str, ...]
    section: str | None
    image_url: str | None
    image_alt: str | None
    language: str | None
    published_at: datetime | None
    level: Level

    @classmethod
    def of(cls, article: ListedArticle, in_force: InForce, now: datetime) -> Self:
        """As it is shown at `now`."""
        return cls(
            article.slug, article.title, article.standfirst or article.excerpt, article.authors,
            article.section, article.image_url, article.image_alt, article.language,
            article.published_at, level_at(article, in_force.rules.levels, now).level,
        )  # fmt: skip


def cards_in(zone: ZoneInfo) -> Callable[..., Markup]:
    """What a template calls as `card(teaser, …)`, with days of this time zone."""
    return partial(_card, zone)


@lru_cache(_MOST_KEPT)
def _card(
    zone: ZoneInfo,
    teaser: Teased,
    *,
    level: int = 3,
    kind: str = "",
    with_picture: bool = True,
    with_section: bool = False,
    eager: bool = False,
) -> Markup:
    """`level` is the heading's. The title's link covers all of it."""
    return render_part(
        "web/templates/card.html",
        teaser=teaser, direction=direction_of(teaser.language, teaser.title), level=level, kind=kind,
        with_picture=with_picture, with_section=with_section, eager=eager,
        day=lambda at: long_day(at, zone), joined=joined,
    )  # fmt: skip
