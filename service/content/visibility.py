"""Who could see an article at all. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, Protocol

Status = Literal["draft", "scheduled", "published", "withdrawn"]

RELEASED = frozenset({"scheduled", "published"})


class Scheduled(Protocol):
    """What decides an article's visibility; articles of every shape have it."""

    @property
    def status(self) -> str: ...
    @property
    def published_at(self) -> datetime | None: ...


def is_visible(article: Scheduled, now: datetime) -> bool:
    """Whether anybody but the staff may know of the article at `now`.

    Scheduled and published differ in name only: the instant decides, so nothing has to run when
    it comes.
    """
    at = article.published_at
    return article.status in RELEASED and at is not None and at <= now


def next_change(article: Scheduled, now: datetime) -> datetime | None:
    """When the article becomes visible by itself, or None: copies made now are good until then."""
    at = article.published_at
    return at if article.status in RELEASED and at is not None and at > now else None


def earliest(instants: Iterable[datetime | None]) -> datetime | None:
    """The first of several changes; None is a change that never comes."""
    return min((at for at in instants if at is not None), default=None)
