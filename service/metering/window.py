"""A meter's window and what is left in it: pure arithmetic of calendars and days."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from service.levels import Span
from service.rules.meters import Chosen

ROLLING = datetime(1970, 1, 1, tzinfo=UTC)
"""Under this start the store keeps rolling windows: a holder has one, which begins again when it is over."""


class Window(NamedTuple):
    """Half-open: `start` belongs to it, `end` is the first instant after it. Both aware UTC.

    A rolling one that hasn't begun starts at the instant that is asked for.
    """

    start: datetime
    end: datetime
    span: Span = Span()

    @property
    def rolls(self) -> bool:
        return self.span.kind == "rolling"

    @property
    def key(self) -> datetime:
        """The start under which the store keeps it."""
        return ROLLING if self.rolls else self.start

    @property
    def began(self) -> datetime | None:
        """What the store keeps of its beginning: of a rolling one alone."""
        return self.start if self.rolls else None

    @property
    def ended(self) -> datetime | None:
        """A rolling window that began then or earlier is over when this one starts; None: none is."""
        return self.start - timedelta(days=self.span.days) if self.rolls else None


class MeterState(NamedTuple):
    """A holder's window: which articles were counted, which were carried along from a device."""

    window: Window
    limit: int
    counted: frozenset[str] = frozenset()
    carried: frozenset[str] = frozenset()
    by: Chosen | None = None
    """The rule that the limit is from; None: it isn't known here."""

    @classmethod
    def of(
        cls, window: Window, limit: int, counted: Iterable[str], carried: Iterable[str]
    ) -> "MeterState":
        """Those who have read the same share their sets: a process remembers very many windows."""
        return cls(window, limit, _shared(tuple(counted)), _shared(tuple(carried)))

    @property
    def meter(self) -> str | None:
        """The name of a meter of its own."""
        return self.by.meter if self.by is not None else None

    def without_reads(self, zone: ZoneInfo) -> "MeterState":
        """As everybody has it whose window ends on the same day of the zone, and who has the same limit."""
        window = self.window
        if window.rolls:
            day = window.end.astimezone(zone).date()
            window = Window(_midnight(day, zone), _midnight(day, zone), window.span)
        return MeterState(window, self.limit, by=self.by)

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


@lru_cache(maxsize=1_000)
def _shared(articles: tuple[str, ...]) -> frozenset[str]:
    return frozenset(articles)


def window_at(now: datetime, span: Span, zone: ZoneInfo) -> Window:
    """The calendar day, ISO week or month around `now` in the publication's time zone.

    A rolling window is taken for one that begins now.
    """
    if span.kind == "rolling":
        return rolling_from(now, span)
    return _window_of(now.astimezone(zone).date(), span, zone)


def rolling_from(began: datetime, span: Span) -> Window:
    """The rolling window of a holder whose first article was read then."""
    return Window(began, began + timedelta(days=span.days), span)


def first_of(windows: Iterable[Window]) -> Window:
    """Of windows that the store keeps under one start: the one that was asked for first."""
    return min(windows, key=_start)


_start = attrgetter("start")


@lru_cache(maxsize=64)
def _window_of(today: date, span: Span, zone: ZoneInfo) -> Window:
    kind = span.kind
    if kind == "day":
        first, following = today, today + timedelta(days=1)
    elif kind == "week":
        first = today - timedelta(days=today.weekday())
        following = first + timedelta(days=7)
    else:
        first = today.replace(day=1)
        following = (first + timedelta(days=31)).replace(day=1)
    return Window(_midnight(first, zone), _midnight(following, zone), span)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    # Where the clock skips midnight, Python reads it with the offset of before: the same instant
    # as the first moment of the day.
    return datetime.combine(day, time.min, zone).astimezone(UTC)
