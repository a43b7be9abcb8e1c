"""The meter's window and what is left in it: pure calendar arithmetic."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from service.levels import WindowKind


class Window(NamedTuple):
    """Half-open: `start` belongs to it, `end` is the start of the next. Both aware UTC."""

    start: datetime
    end: datetime


class MeterState(NamedTuple):
    """A holder's window: which articles were counted, which were carried along from a device."""

    window: Window
    limit: int
    counted: frozenset[str] = frozenset()
    carried: frozenset[str] = frozenset()

    @property
    def read_set(self) -> frozenset[str]:
        """Articles whose re-read is free."""
        return self.counted | self.carried

    def has_read(self, article_id: str) -> bool:
        """Whether a re-read of this article is free."""
        return article_id in self.counted or article_id in self.carried

    @property
    def used(self) -> int:
        return len(self.counted)

    @property
    def remaining(self) -> int:
        """Articles that are left; 0 also where a lowered limit is already exceeded."""
        return max(0, self.limit - self.used)


def window_at(now: datetime, kind: WindowKind, zone: ZoneInfo) -> Window:
    """The calendar day, ISO week or month around `now` in the publication's time zone."""
    return _window_of(now.astimezone(zone).date(), kind, zone)


@lru_cache(maxsize=64)
def _window_of(today: date, kind: WindowKind, zone: ZoneInfo) -> Window:
    if kind == "day":
        first, following = today, today + timedelta(days=1)
    elif kind == "week":
        first = today - timedelta(days=today.weekday())
        following = first + timedelta(days=7)
    else:
        first = today.replace(day=1)
        following = (first + timedelta(days=31)).replace(day=1)
    return Window(_midnight(first, zone), _midnight(following, zone))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    # Where the clock skips midnight, Python reads it with the offset of before: the same instant
    # as the first moment of the day.
    return datetime.combine(day, time.min, zone).astimezone(UTC)
