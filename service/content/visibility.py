"""Who could see an article at all. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
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


def next_minute(now: datetime) -> datetime:
    """Until when copies of a list are good, whatever is scheduled: nobody finds out by them that an
    article is, and one that appears at a whole minute appears at once.
    """
    return now.replace(second=0, microsecond=0) + timedelta(minutes=1)


def earliest(instants: Iterable[datetime | None]) -> datetime | None:
    """The first of several changes; None is a change that never comes."""
    return min((at for at in instants if at is not None), default=None)
