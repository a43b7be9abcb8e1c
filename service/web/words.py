"""Sentences of the pages that depend on figures: the meter's, and dates as readers write them."""

import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from service.access.words import free_articles, long_day, used_up_words, window_words
from service.metering.window import MeterState

_HOUR = 60


def moment(at: datetime, zone: ZoneInfo) -> str:
    """`10 March 2026, 14:30`, in the publication's time zone."""
    return f"{long_day(at, zone)}, {at.astimezone(zone):%H:%M}"


def full_day(at: datetime, zone: ZoneInfo) -> str:
    """`Tuesday, 10 March 2026`, in the publication's time zone."""
    return f"{at.astimezone(zone):%A}, {long_day(at, zone)}"


def meter_words(meter: MeterState, zone: ZoneInfo, *, is_open: bool) -> str:
    """For a reader to whom the meter has opened the article (`is_open`), or would open it."""
    if not is_open:
        of_all = (
            "your free article" if meter.limit == 1 else f"one of your {meter.limit} free articles"
        )
        return f"This is {of_all} {window_words(meter.window.span)}."
    if meter.remaining == 0:
        return f"Thank you for reading. {used_up_words(meter, zone)}"
    left = free_articles(meter.remaining)
    return f"Thank you for reading. You have {left} left {window_words(meter.window.span)}."


def last_used(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """`today`, `yesterday` or `on 10 March 2026`, by the calendar of the time zone."""
    day, today = at.astimezone(zone).date(), now.astimezone(zone).date()
    if day >= today:
        return "today"
    if day == today - timedelta(days=1):
        return "yesterday"
    return f"on {long_day(at, zone)}"


def in_words(seconds: int) -> str:
    """How long to wait: `in a minute`, `in 20 minutes`, `in an hour`; never less than it takes."""
    minutes = max(1, math.ceil(seconds / 60))
    if minutes == 1:
        return "in a minute"
    return f"in {minutes} minutes" if minutes < _HOUR else "in an hour"


def joined(names: list[str]) -> str:
    """`Ana`, `Ana and Ben`, `Ana, Ben and Cleo`."""
    if len(names) < 2:  # noqa: PLR2004 nothing to join
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
