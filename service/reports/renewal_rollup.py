"""Renewals counted by day, from the events that were recorded before today; and those before each end.

An event never changes once it is stored, so what was counted of a day on which events were recorded stays;
what is recorded since a figure counts itself. The day of a renewal is that on which it occurred.

Ends keep how often they were renewed before (billing/ends.py). They are counted again after a renewal that
is stored late, and once more when its day is over: the release before this one doesn't ask for it.
"""

from collections import Counter
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.ends import RENEWED, UNCOUNTED, forget_renewals, note_renewals
from service.billing.renewed import NAME, RENEWALS_LOCK, VERSION, Price, add_renewals
from service.db.context import Context
from service.db.tables import (
    DomainEvent,
    MovementRow,
    PriceRenewalDay,
    RenewalDay,
    Rollup,
    Subscription,
)
from service.db.upsert import insert_for
from service.reports.period import midnight
from service.reports.turns import in_parts

_ENDS_AT_ONCE = 2_000
_STILL_STORED = timedelta(minutes=15)
"""So long after midnight a transaction may still be storing what it recorded before."""
_DAYS_AT_ONCE = timedelta(days=7)
"""Of one transaction, in which no subscription is switched."""

log = structlog.get_logger()


async def count_renewals(context: Context) -> None:
    """Count what was recorded up to last midnight. Safe to repeat and to interrupt, anywhere."""
    times = 0
    while await _is_due(context) and await _count_some(context):
        times += 1
    if times:
        log.info("renewals.counted")
    uncounted = select(MovementRow.subscription_id).where(UNCOUNTED)
    await in_parts(context, RENEWALS_LOCK, uncounted, _note_some)


async def forget_renewal_count(session: AsyncSession) -> None:
    """Figures come from the events until all are counted again."""
    await session.execute(delete(Rollup).where(Rollup.name == NAME))
    await forget_renewals(session, None)


async def counted_until(session: AsyncSession, zone: ZoneInfo) -> datetime | None:
    """What was recorded before is counted, by days of the zone; None: nothing is."""
    made = await session.get(Rollup, NAME)
    return made.made_at if made is not None and _fits(made, zone) else None


def _fits(made: Rollup, zone: ZoneInfo) -> bool:
    return (made.zone, made.version) == (zone.key, VERSION)


async def _is_due(context: Context) -> bool:
    """Looked at without the lock: mostly nothing is."""
    async with context.database.reading() as session:
        since = await counted_until(session, context.settings.zone) or await _first(session)
    return since is not None and _until(context, since) > since


async def _first(session: AsyncSession) -> datetime | None:
    """When the first renewal was recorded."""
    return await session.scalar(select(func.min(DomainEvent.recorded_at)).where(RENEWED))


def _until(context: Context, since: datetime) -> datetime:
    """Up to which midnight it is counted next."""
    zone = context.settings.zone
    today = (context.clocks.wall() - _STILL_STORED).astimezone(zone).date()
    return midnight(min(since.astimezone(zone).date() + _DAYS_AT_ONCE, today), zone)


async def _count_some(context: Context) -> bool:
    """What was recorded on some more days; whether there was one."""
    zone, at = context.settings.zone, DomainEvent.recorded_at
    async with context.database.serialised(RENEWALS_LOCK) as session:
        since = await counted_until(session, zone)
        if since is None:
            await session.execute(delete(RenewalDay))
            await session.execute(delete(PriceRenewalDay))
            since = await _first(session)
            if since is None:
                return False
        until = _until(context, since)
        if until <= since:
            return False
        renewed = (RENEWED, at >= since, at < until)
        counts, by_price = Counter[date](), Counter[tuple[date, Price]]()
        async for moment, *price in await session.stream(
            select(
                DomainEvent.occurred_at, Subscription.plan, Subscription.interval,
                Subscription.currency,
            )
            .outerjoin(Subscription, Subscription.id == DomainEvent.subject_id)
            .where(*renewed)
        ):  # fmt: skip
            day = moment.astimezone(zone).date()
            counts[day] += 1
            if None not in price:
                plan, interval, currency = price
                by_price[day, (plan, interval, currency)] += 1
        await _add(session, counts)
        await add_renewals(session, by_price)
        await forget_renewals(session, select(DomainEvent.subject_id).where(*renewed))
        await session.merge(Rollup(name=NAME, zone=zone.key, version=VERSION, made_at=until))
    return True


async def _note_some(session: AsyncSession) -> bool:
    """Of ends that aren't counted."""
    return await note_renewals(session, _ENDS_AT_ONCE) == _ENDS_AT_ONCE


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
