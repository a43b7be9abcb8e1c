"""Sentences of the pages that depend on figures: the meter's, and dates as readers write them."""

import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from service.access.reasons import WallReason
from service.metering.window import MeterState, WindowKind

WINDOWS: dict[WindowKind, str] = {"day": "today", "week": "this week", "month": "this month"}

_HOUR = 60


def long_day(at: datetime, zone: ZoneInfo) -> str:
    """`10 March 2026`, in the publication's time zone."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%B %Y}"


def moment(at: datetime, zone: ZoneInfo) -> str:
    """`10 March 2026, 14:30`, in the publication's time zone."""
    return f"{long_day(at, zone)}, {at.astimezone(zone):%H:%M}"


def full_day(at: datetime, zone: ZoneInfo) -> str:
    """`Tuesday, 10 March 2026`, in the publication's time zone."""
    return f"{at.astimezone(zone):%A}, {long_day(at, zone)}"


def free_articles(limit: int) -> str:
    return "1 free article" if limit == 1 else f"{limit} free articles"


def left_words(meter: MeterState, window: WindowKind) -> str:
    """`2 of 3 free articles left this month`."""
    return f"{meter.remaining} of {free_articles(meter.limit)} left {WINDOWS[window]}"


def used_up_words(meter: MeterState, window: WindowKind, zone: ZoneInfo) -> str:
    """What stands at the wall of a reader who has used up the window."""
    if meter.limit == 0:
        return "There are no free articles at the moment."
    again = long_day(meter.window.end, zone)
    return (
        f"You have read your {free_articles(meter.limit)} {WINDOWS[window]}. "
        f"There are new ones on {again}."
    )


NOTES: dict[WallReason, str] = {
    "network_exhausted": "Many browsers without cookies have read from your network today.",
    "registered_only": "This article is for registered readers.",
    "subscribers_only": "This article is for subscribers.",
}
"""What stands above a wall; where the meter is used up, `used_up_words`."""


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
