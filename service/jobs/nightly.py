"""Work of the night and of Monday morning: once for all instances together."""

from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import Clocks
from service.jobs.queue import enqueue

BEGINS_AT = time(3)
"""In the publication's time zone, when few read."""


async def plan_night(
    session: AsyncSession, kinds: Collection[str], *, zone: ZoneInfo, clocks: Clocks
) -> None:
    """Store the next night's job of each kind; who comes second changes nothing.

    Call it from time to time in every serving process. Since the job waits from the day before, a night
    that every process slept through is made up for by the process that starts next; several in a row are one.
    It is a night of the business time.
    """
    begins_at = next_night(clocks.business(), zone)
    for kind in kinds:
        key = f"{begins_at.astimezone(zone):%Y-%m-%d}"
        due_at = begins_at - clocks.offset
        await enqueue(session, kind=kind, key=key, now=clocks.wall(), due_at=due_at)


def next_week(now: datetime, zone: ZoneInfo, at: time) -> datetime:
    """The next Monday after `now` at which the clocks of the zone show `at`; as `next_night`."""
    today = now.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    begins = datetime.combine(monday, at, zone).astimezone(UTC)
    if begins > now:
        return begins
    return datetime.combine(monday + timedelta(days=7), at, zone).astimezone(UTC)


def next_night(now: datetime, zone: ZoneInfo) -> datetime:
    """The next time after `now` at which the clocks of the zone show the hour.

    An hour that a change of the clocks leaves out or shows twice is taken by the offset before it.
    """
    today = now.astimezone(zone).date()
    tonight = datetime.combine(today, BEGINS_AT, zone).astimezone(UTC)
    if tonight > now:
        return tonight
    return datetime.combine(today + timedelta(days=1), BEGINS_AT, zone).astimezone(UTC)
