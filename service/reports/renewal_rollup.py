"""Renewals counted by day, from the events that were recorded before today.

An event never changes once it is stored, so what was counted of a day on which events were recorded stays;
what is recorded since a figure counts itself. The day of a renewal is that on which it occurred.
"""

from collections import Counter
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import DomainEvent, RenewalDay, Rollup
from service.db.upsert import insert_for
from service.reports.period import midnight

NAME, VERSION = "renewals", 1
RENEWED = DomainEvent.type == "subscription.renewed"
_STILL_STORED = timedelta(minutes=15)
"""So long after midnight a transaction may still be storing what it recorded before."""
_KEY = "renewal-rollup"
_ONE_DAY = timedelta(days=1)

log = structlog.get_logger()


async def count_renewals(context: Context) -> None:
    """Count what was recorded up to last midnight. Safe to repeat and to interrupt, anywhere."""
    days = 0
    while await _count_some(context):
        days += 1
    if days:
        log.info("renewals.counted", days=days)


async def forget_renewals(session: AsyncSession) -> None:
    """Figures come from the events until all are counted again."""
    await session.execute(delete(Rollup).where(Rollup.name == NAME))


async def counted_until(session: AsyncSession, zone: ZoneInfo) -> datetime | None:
    """What was recorded before is counted, by days of the zone; None: nothing is."""
    made = await session.get(Rollup, NAME)
    return made.made_at if made is not None and _fits(made, zone) else None


def _fits(made: Rollup, zone: ZoneInfo) -> bool:
    return (made.zone, made.version) == (zone.key, VERSION)


async def _count_some(context: Context) -> bool:
    """What was recorded on one more day; whether there was one."""
    zone, at = context.settings.zone, DomainEvent.recorded_at
    today = (context.clocks.wall() - _STILL_STORED).astimezone(zone).date()
    async with context.database.serialised(_KEY) as session:
        since = await counted_until(session, zone)
        if since is None:
            await session.execute(delete(RenewalDay))
            since = await session.scalar(select(func.min(at)).where(RENEWED))
            if since is None:
                return False
        until = midnight(since.astimezone(zone).date() + _ONE_DAY, zone)
        if until > midnight(today, zone):
            return False
        counts: Counter[date] = Counter()
        async for moment in await session.stream_scalars(
            select(DomainEvent.occurred_at).where(RENEWED, at >= since, at < until)
        ):
            counts[moment.astimezone(zone).date()] += 1
        await _add(session, counts)
        await session.merge(Rollup(name=NAME, zone=zone.key, version=VERSION, made_at=until))
    return True


async def _add(session: AsyncSession, counts: Counter[date]) -> None:
    if not counts:
        return
    statement = insert_for(session, RenewalDay).values(
        [{"day": day, "renewed": number} for day, number in sorted(counts.items())]
    )
    more = RenewalDay.renewed + statement.excluded.renewed
    await session.execute(
        statement.on_conflict_do_update(index_elements=["day"], set_={"renewed": more})
    )
