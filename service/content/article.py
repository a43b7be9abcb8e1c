"""An article as it is kept: plain values, free of the database."""

from dataclasses import dataclass
from datetime import datetime

from service.content.visibility import Status
from service.levels import Level
from service.rules.rules import UNSCHEDULED, Schedule

EXCERPT_LENGTH = 300


@dataclass(frozen=True, kw_only=True)
class ListedArticle:
    """An article without its texts, as lists need it.

    Times are aware UTC; `published_at` may lie in the future. `level` is the article's own, None
    where it names none: level.py says which holds. `cut_is_whole`: nothing is left behind the cut.
    `wall_level`: whom a wall in the text leaves it to.
    `plans` open it at level subscribers; none named: every plan. `excerpt` comes from the cut alone.
    """

    id: str
    slug: str
    title: str
    standfirst: str
    excerpt: str
    authors: tuple[str, ...]
    section: str | None
    tags: tuple[str, ...]
    canonical_url: str | None
    image_url: str | None
    image_alt: str | None
    language: str | None
    published_at: datetime | None
    status: Status
    level: Level | None
    plans: frozenset[str]
    schedule: Schedule = UNSCHEDULED
    cut_is_whole: bool
    wall_level: Level | None
    version: int
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class StoredArticle(ListedArticle):
    """One article with its texts. `body_html` is paid text: teaser.py says what is public."""

    body_html: str
    preview_html: str


def excerpt_of(preview_text: str) -> str:
    """The beginning of a preview, ended between words where the writing has spaces."""
    text = " ".join(preview_text.split())
    if len(text) <= EXCERPT_LENGTH:
        return text
    head = text[: EXCERPT_LENGTH - 2]
    space = head.rfind(" ")
    # Chinese or Japanese have none, or one far back: those are cut between characters.
    return f"{head[:space] if space > EXCERPT_LENGTH // 2 else head} …"
