"""Who could see an article at all, and what of it is public. Pure."""

from datetime import datetime
from typing import Literal

Level = Literal["free", "metered", "registered", "subscribers"]
Status = Literal["draft", "scheduled", "published", "withdrawn"]

RELEASED = frozenset({"scheduled", "published"})


def effective_level(own: Level | None, default: Level) -> Level:
    """The article's own level, else the publication's."""
    return own or default


def is_visible(status: str, published_at: datetime | None, now: datetime) -> bool:
    """Whether anybody but the staff may know of the article at `now`.

    Scheduled and published differ in name only: the instant decides, so nothing has to run when
    it comes.
    """
    return status in RELEASED and published_at is not None and published_at <= now


def next_change(status: str, published_at: datetime | None, now: datetime) -> datetime | None:
    """When the article becomes visible by itself, or None: copies made now are good until then."""
    if status in RELEASED and published_at is not None and published_at > now:
        return published_at
    return None


def body_is_public(level: Level) -> bool:
    """Whether the whole body may stand where everybody reads it, or the part before the cut only."""
    return level == "free"
