"""Sentences of the pages that depend on figures: the meter's, and dates as readers write them."""

from datetime import datetime
from zoneinfo import ZoneInfo

from service.metering.window import MeterState, WindowKind

WINDOWS: dict[WindowKind, str] = {"day": "today", "week": "this week", "month": "this month"}


def long_day(at: datetime, zone: ZoneInfo) -> str:
    """`10 March 2026`, in the publication's time zone."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%B %Y}"


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


def joined(names: list[str]) -> str:
    """`Ana`, `Ana and Ben`, `Ana, Ben and Cleo`."""
    if len(names) < 2:  # noqa: PLR2004 nothing to join
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
