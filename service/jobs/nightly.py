"""Work of the night: once a day for all instances together."""

from collections.abc import Collection
from datetime import datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from service.jobs.queue import enqueue

BEGINS_AT = time(3)
"""In the publication's time zone, when few read."""


async def plan_night(
    session: AsyncSession, kinds: Collection[str], *, zone: ZoneInfo, now: datetime
) -> None:
    """Store today's job of each kind once its hour has come; who comes second changes nothing.

    A night that every process slept through is made up for by the next start. `now` is wall time.
    """
    local = now.astimezone(zone)
    if local.time() < BEGINS_AT:
        return
    for kind in kinds:
        await enqueue(session, kind=kind, key=f"{local:%Y-%m-%d}", now=now)
