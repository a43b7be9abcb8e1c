"""What a reason is in words to a reader, with the figures of their meter. Pure."""

from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from service.access.reasons import REASONS, Reason
from service.levels import Span, WindowKind
from service.metering.window import MeterState

HELPING_WORDS: dict[Literal["past_due", "stopped", "subscribed", "seat"], tuple[str, str]] = {
    "past_due": (
        "Your payment is overdue",
        "Update your payment details in your account to continue reading.",
    ),
    "stopped": (
        "Your subscription is suspended",
        "See your account for the reason and what you can do.",
    ),
    "subscribed": (
        "Your subscription doesn’t include this article",
        "See your account for what it includes and how to change it.",
    ),
    "seat": (
        "Your seat doesn’t include this article",
        "The shared subscription is for other articles. Ask its owner for another plan, or choose one yourself.",
    ),
}
"""Title and text of a wall for a reader whose subscription leaves no room for another, or who reads by a seat, unless a prompt has them."""
_WINDOWS: dict[WindowKind, str] = {
    "day": "today", "week": "this week", "month": "this month", "rolling": "in this {} period",
}  # fmt: skip


def window_words(span: Span) -> str:
    """`this month`, or `in this 30-day period`."""
    return _WINDOWS[span.kind].format("24-hour" if span.days == 1 else f"{span.days}-day")


def _days(span: Span) -> str:
    return "24 hours" if span.days == 1 else f"{span.days} days"


def readers_words(reason: Reason, meter: MeterState | None, zone: ZoneInfo) -> str:
    """A sentence or two for the reader. `meter`: the window that the decision saw."""
    if reason == "meter_exhausted" and meter is not None:
        return used_up_words(meter, zone)
    return REASONS[reason].readers


def used_up_words(meter: MeterState, zone: ZoneInfo) -> str:
    """For a reader who has used up the window."""
    if meter.limit == 0:
        return "There are no free articles at the moment."
    articles, again = free_articles(meter.limit), long_day(meter.window.end, zone)
    return f"You have read your {articles} {window_words(meter.window.span)}. You get new ones on {again}."


def register_words(reason: Reason, room: int, span: Span) -> str:
    """What registering brings; `room` is how many articles the meter then opens in this window."""
    if reason == "registered_only":
        return "Read this article with a free account"
    articles = "article" if room == 1 else "articles"
    within = f"in {_days(span)}" if span.kind == "rolling" else window_words(span)
    return f"Read {room} more {articles} {within}, free"


def free_articles(limit: int) -> str:
    return "1 free article" if limit == 1 else f"{limit} free articles"


def long_day(at: datetime, zone: ZoneInfo) -> str:
    """`10 March 2026`, in the publication's time zone."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%B %Y}"
