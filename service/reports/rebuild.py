"""Making all rollups anew from the rows they come from, and what was different before.

Beside a running service, whose figures stay right meanwhile: what isn't added up they count themselves.
An interrupted rebuild goes on where it was.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.scheduled_ends import forget_all_scheduled_ends
from service.db.context import Context
from service.db.tables import (
    AccessEntry,
    CohortMonth,
    DunningEpisode,
    EdgeDay,
    HolderDay,
    HolderReturn,
    LedgerDay,
    MoneyBackDay,
    MoneyDay,
    MovementRow,
    PriceRenewalDay,
    PromotionUse,
    RenewalDay,
    RevenueDay,
    RightDay,
    RolledDay,
    Rollup,
    ScheduledChange,
    SourceCohortMonth,
    SourceEdgeDay,
    SourceMoneyDay,
    Subscription,
)
from service.reports import led
from service.reports.article_sale_rollup import count_article_sales
from service.reports.day_rollup import count_days, count_past_habits
from service.reports.money_rollup import forget_money, roll_up_money
from service.reports.movement_rollup import MOVEMENTS as BY_PRICE
from service.reports.older_days import count_older_days
from service.reports.promotion_rollup import forget_all_promotions, look_up_promotions
from service.reports.renewal_rollup import count_renewals, forget_renewal_count
from service.reports.rollups import LATE_ROWS, roll_day
from service.reports.scheduled_rollup import look_up_scheduled
from service.reports.source_rollup import BY_SOURCE
from service.reports.trial_rollup import forget_all_trials, look_up_trials

MOVEMENTS, SOURCES, MONEY, RENEWALS, TRIALS, SCHEDULED, PROMOTIONS, LEDGER = PARTS = (
    "rebuild movements", "rebuild sources", "rebuild money", "rebuild renewals", "rebuild trials", "rebuild scheduled",
    "rebuild promotions", "rebuild ledger",
)  # fmt: skip
"""What remembers that the rebuild of a part was begun."""
_MONEY = (MoneyDay, ("day", "kind", "plan", "interval", "every", "currency"), ("recurring", "net"))
_RIGHTS = (RightDay, ("day", "plan", "currency", "price"), ("change",))
_EDGES = (
    EdgeDay, ("grain", "day", "plan", "interval", "currency", "way", "cause", "tenure"), ("readers",),
)  # fmt: skip
_COHORTS = (
    CohortMonth, ("cohort", "month", "plan", "interval", "currency"), ("change",),
)  # fmt: skip
_SOURCE_MONEY = (SourceMoneyDay, (*_MONEY[1], *led.SOURCES), _MONEY[2])
_SOURCE_EDGES = (SourceEdgeDay, (*_EDGES[1], *led.SOURCES), _EDGES[2])
_SOURCE_COHORTS = (SourceCohortMonth, (*_COHORTS[1], *led.SOURCES), _COHORTS[2])
_ARTICLES = (LedgerDay, ("day", "article_id", "reason", "wall"), ("rows", "counted"))
_HOLDERS = (
    HolderDay, ("day", "holder"), ("reads", "counted", "subscribe_wall_at", "register_wall_at"),
)  # fmt: skip
_ABOUT = ("offer_id", "method", "country", "currency")
_REVENUE = (
    RevenueDay, ("day", "sold", *_ABOUT),
    ("charged", "refunded", "disputed", "fees", "fee_tax", "net", "tax"),
)  # fmt: skip
_MONEY_BACK = (MoneyBackDay, ("day", "what", *_ABOUT), ("number", "amount"))
_EPISODES = (
    DunningEpisode, ("invoice_id",),
    ("begun_at", "recovered_at", "lost_at", "decline", "tries", "currency", "amount", "offer_id"),
)  # fmt: skip
_RENEWALS = (RenewalDay, ("day",), ("renewed",))
_PRICE_RENEWALS = (PriceRenewalDay, ("day", "plan", "interval", "currency"), ("renewed",))
_ENDS = (MovementRow, ("subscription_id", "number"), ("renewals",))
_TRIALS = (Subscription, ("id",), ("trial_ended_at", "trial_became"))
_SCHEDULED = (
    ScheduledChange, ("subscription_id", "at", "plan", "interval", "every", "currency"), ("amount",),
)  # fmt: skip
_USES = (PromotionUse, ("discount_id",), ("is_new", "is_live", "paid"))
_RETURNS = (HolderReturn, ("day", "measure", "previous"), ("holders",))
_ONE_DAY = timedelta(days=1)
Rows = dict[tuple[Any, ...], tuple[Any, ...]]
Table = tuple[type[Any], tuple[str, ...], tuple[str, ...]]


def _at_once(
    forget: Callable[[AsyncSession], Awaitable[None]],
) -> Callable[[Context], Awaitable[None]]:
    async def in_a_transaction(context: Context) -> None:
        async with context.database.transaction() as session:
            await forget(session)

    return in_a_transaction


_IN_ONE_GO: tuple[
    tuple[
        str,
        tuple[Table, ...],
        Callable[[Context], Awaitable[object]],
        Callable[[Context], Awaitable[None]],
    ],
    ...,
] = (
    (RENEWALS, (_RENEWALS, _PRICE_RENEWALS, _ENDS), count_renewals, _at_once(forget_renewal_count)),
    (TRIALS, (_TRIALS,), look_up_trials, _at_once(forget_all_trials)),
    (PROMOTIONS, (_USES,), look_up_promotions, forget_all_promotions),
    (SCHEDULED, (_SCHEDULED,), look_up_scheduled, _at_once(forget_all_scheduled_ends)),
)
"""Parts with their tables, what adds them up, and what has them forgotten."""


@dataclass(frozen=True)
class Difference:
    """A row of a rollup that was `before` and is `now`; None: there was none, or there is none."""

    table: str
    key: tuple[Any, ...]
    before: tuple[Any, ...] | None
    now: tuple[Any, ...] | None


async def rebuild(context: Context, progress: Callable[[str], None]) -> list[Difference]:
    """All rollups anew; `progress` gets a line now and then."""
    begun, _ = await _begun(context, LEDGER)
    found = await _movements(
        context, MOVEMENTS, (_MONEY, _RIGHTS, _EDGES, _COHORTS), BY_PRICE.roll_up, BY_PRICE.begin_anew,
        lambda done: progress(f"{done:,} subscribers added up"),
    )  # fmt: skip
    found += await _movements(
        context, SOURCES, (_SOURCE_MONEY, _SOURCE_EDGES, _SOURCE_COHORTS), BY_SOURCE.roll_up,
        BY_SOURCE.begin_anew, lambda done: progress(f"{done:,} subscribers added up by source"),
    )  # fmt: skip
    found += await _money(context, progress)
    for part, tables, add_up, forget in _IN_ONE_GO:
        found += await _in_one_go(context, part, tables, add_up, forget)
    found += await _ledger(context, begun, progress)
    async with context.database.transaction() as session:
        await session.execute(delete(Rollup).where(Rollup.name.in_(PARTS)))
    return found


async def _begun(context: Context, part: str) -> tuple[datetime, bool]:
    """When its rebuild was begun, and whether that is now."""
    async with context.database.transaction() as session:
        made = await session.get(Rollup, part)
        if made is not None:
            return made.made_at, False
        now = context.clocks.wall()
        session.add(Rollup(name=part, zone=context.settings.zone.key, version=1, made_at=now))
        return now, True


async def _movements(
    context: Context,
    part: str,
    tables: tuple[Table, ...],
    roll_up: Callable[..., Awaitable[None]],
    begin: Callable[[Context], Awaitable[None]],
    progress: Callable[[int], None],
) -> list[Difference]:
    # What isn't added up yet is no difference.
    await roll_up(context)
    before = [await _rows(context, table) for table in tables]
    _, is_new = await _begun(context, part)
    if is_new:
        await begin(context)
    await roll_up(context, progress)
    return await _changed(context, tables, before)


async def _money(context: Context, progress: Callable[[str], None]) -> list[Difference]:
    await roll_up_money(context)
    tables = (_REVENUE, _MONEY_BACK, _EPISODES)
    before = [await _rows(context, table) for table in tables]
    _, is_new = await _begun(context, MONEY)
    if is_new:
        async with context.database.transaction() as session:
            await forget_money(session)
    await roll_up_money(context, progress)
    return await _changed(context, tables, before)


async def _in_one_go(
    context: Context,
    part: str,
    tables: tuple[Table, ...],
    add_up: Callable[[Context], Awaitable[object]],
    forget: Callable[[Context], Awaitable[None]],
) -> list[Difference]:
    """Of a part that is added up without a word in between."""
    # What isn't added up yet is no difference.
    await add_up(context)
    before = [await _rows(context, table) for table in tables]
    _, is_new = await _begun(context, part)
    if is_new:
        await forget(context)
    await add_up(context)
    return await _changed(context, tables, before)


async def _changed(
    context: Context, tables: Sequence[Table], before: Sequence[Rows]
) -> list[Difference]:
    now = [await _rows(context, table) for table in tables]
    return [
        difference
        for table, was, is_now in zip(tables, before, now, strict=True)
        for difference in _differences(table, was, is_now)
    ]


async def _ledger(
    context: Context, begun: datetime, progress: Callable[[str], None]
) -> list[Difference]:
    """Of days whose rows are kept; counts of others stay, unless all days of holders are there for them."""
    found: list[Difference] = []
    for day in await _days(context, begun):
        tables = [(_ARTICLES, LedgerDay.day == day), (_HOLDERS, HolderDay.day == day)]
        before = [await _rows(context, table, where) for table, where in tables]
        await roll_day(context.database, day, now=context.clocks.wall())
        for (table, where), was in zip(tables, before, strict=True):
            found += _differences(table, was, await _rows(context, table, where))
        progress(f"{day} added up")
    before_count = await _rows(context, _RETURNS)
    async with context.database.transaction() as session:
        kept = await session.scalar(select(func.min(HolderDay.day)))
        if kept is not None:
            uncounted = {"counted_on": None, "habits_counted_on": None, "depths_counted_on": None}
            await session.execute(
                update(RolledDay).where(RolledDay.looked_back_to >= kept).values(uncounted)
            )
    await count_days(context, lambda day: progress(f"{day} counted"))
    while await count_past_habits(context):
        pass
    await count_article_sales(context)
    older = await count_older_days(context)
    while older < date.max:
        older = await count_older_days(context, older)
    return found + list(_differences(_RETURNS, before_count, await _rows(context, _RETURNS)))


async def _days(context: Context, begun: datetime) -> list[date]:
    """The days that the ledger still has and that are over, without those that are done."""
    now, zone = context.clocks.business(), context.settings.zone
    yesterday = (now - LATE_ROWS).astimezone(zone).date() - _ONE_DAY
    async with context.database.reading() as session:
        first = await session.scalar(select(func.min(AccessEntry.day)))
        if first is None:
            return []
        done = set(await session.scalars(select(RolledDay.day).where(RolledDay.rolled_at > begun)))
    days = (first + n * _ONE_DAY for n in range((yesterday - first).days + 1))
    return [day for day in days if day not in done]


async def _rows(context: Context, of: Table, *where: Any) -> Rows:
    table, keys, values = of
    columns = [getattr(table, name) for name in (*keys, *values)]
    async with context.database.reading() as session:
        found = await session.execute(select(*columns).where(*where))
        return {
            tuple(row[: len(keys)]): tuple(row[len(keys) :])
            for row in found
            if any(row[len(keys) :])
        }


def _differences(of: Table, before: Rows, now: Rows) -> Iterator[Difference]:
    for key in sorted(before.keys() | now.keys(), key=str):
        if before.get(key) != now.get(key):
            yield Difference(of[0].__tablename__, key, before.get(key), now.get(key))
