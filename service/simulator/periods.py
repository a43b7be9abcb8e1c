"""Billing periods: whole intervals counted from an anchor, which keeps its day of the month."""

import calendar
from datetime import UTC, datetime, timedelta

DAY = 86_400
HOUR = 3_600


def after(anchor: int, interval: str, count: int) -> int:
    """The instant `count` intervals after `anchor` (Unix seconds).

    Months and years keep the anchor's day, or take the month's last where there is no such day:
    31 January, 28 February, 31 March (https://docs.stripe.com/billing/subscriptions/billing-cycle).
    """
    start = datetime.fromtimestamp(anchor, UTC)
    if interval in ("day", "week"):
        moved = start + timedelta(days=count * (7 if interval == "week" else 1))
    else:
        months = start.year * 12 + start.month - 1 + count * (12 if interval == "year" else 1)
        year, month = months // 12, months % 12 + 1
        day = min(start.day, calendar.monthrange(year, month)[1])
        moved = start.replace(year=year, month=month, day=day)
    return int(moved.timestamp())


def next_boundary(anchor: int, interval: str, interval_count: int, reached: int) -> int:
    """The first period boundary later than `reached`."""
    days = {"day": 1, "week": 7, "month": 31, "year": 366}[interval] * interval_count
    number = max(0, (reached - anchor) // (days * DAY))
    while (end := after(anchor, interval, number * interval_count)) <= reached:
        number += 1
    return end


def previous_boundary(anchor: int, interval: str, interval_count: int, reached: int) -> int:
    """The last period boundary that is not later than `reached`, which the anchor isn't either."""
    boundary, number = anchor, 1
    while (end := after(anchor, interval, number * interval_count)) <= reached:
        boundary, number = end, number + 1
    return boundary
