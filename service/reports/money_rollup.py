"""Money added up by day, kept exactly consistent with its rows.

A day is added up when it is over. A later change of its money takes its mark away in the same
transaction (finance/changed_days.py): until it is added up again figures count that day from its rows.
Beside that, each day is added up anew each night for a month, as are the episodes of invoices: the release
before this one takes no marks away.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import FromClause, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import Base
from service.db.bulk import insert_rows
from service.db.context import Context
from service.db.tables import (
    BalanceRow,
    BookedDay,
    ChargeRow,
    DisputeRow,
    DunningEpisode,
    InvoiceRow,
    MoneyBackDay,
    RefundRow,
    RevenueDay,
    Rollup,
)
from service.finance.books import BOOKS_LOCK
from service.finance.episodes import FAILED, keep_episodes
from service.reports.asked import Asked
from service.reports.period import Period, midnight
from service.reports.queries.money_days import NAME, VERSION, Days, fits, on_days
from service.reports.queries.money_rows import Rows, money_back_rows, revenue_rows

DAYS_AT_ONCE = 7
"""Of one transaction, in which nothing of money is stored."""
SETTLED_AFTER = timedelta(days=31)
_INVOICES_AT_ONCE = 1_000
_ONE_DAY = timedelta(days=1)
_TABLES: tuple[tuple[Days, Rows, frozenset[str]], ...] = (
    (
        RevenueDay,
        revenue_rows,
        frozenset({"charged", "refunded", "disputed", "fees", "fee_tax", "net", "tax"}),
    ),
    (MoneyBackDay, money_back_rows, frozenset({"number", "amount"})),
)
Progress = Callable[[str], None]

log = structlog.get_logger()


async def roll_up_money(context: Context, progress: Progress = lambda _: None) -> None:
    """Add up each day that isn't added up, or not settled. Safe to repeat and to interrupt, anywhere.

    `progress` gets a line for some days.
    """
    now, zone = context.clocks.business(), context.settings.zone
    today = now.astimezone(zone).date()
    async with context.database.reading() as session:
        made = await session.get(Rollup, NAME)
    if made is None or not fits(made, zone):
        await _begin(context, now)
    elif made.made_at < midnight(today, zone):
        await _keep_episodes(context, now - SETTLED_AFTER)
        await _note(context, now)
    days = await _days(context, today)
    for first, last in _runs(days):
        async with context.database.serialised(BOOKS_LOCK) as session:
            if not fits(await session.get(Rollup, NAME), zone):
                return  # another process begins anew
            await _roll(session, Asked(Period(first, last, "day", zone), now, zone))
        progress(f"money of {first} to {last} added up")
    if days:
        log.info("money.rolled_up", days=len(days))


async def forget_money(session: AsyncSession) -> None:
    """Figures come from the rows until all is added up again."""
    await session.execute(delete(Rollup).where(Rollup.name == NAME))


async def _begin(context: Context, now: datetime) -> None:
    async with context.database.serialised(BOOKS_LOCK) as session:
        await forget_money(session)
        for table in (BookedDay, RevenueDay, MoneyBackDay, DunningEpisode):
            await session.execute(delete(table))
    await _keep_episodes(context, None)
    await _note(context, now)


async def _note(context: Context, now: datetime) -> None:
    """Of the episodes: all are there."""
    async with context.database.transaction() as session:
        await session.merge(
            Rollup(name=NAME, zone=context.settings.zone.key, version=VERSION, made_at=now)
        )


async def _keep_episodes(context: Context, since: datetime | None) -> None:
    """Of invoices with a charge that failed since then, or ever."""
    row, last = ChargeRow, ""
    recent = [row.created_at >= since] if since is not None else []
    while True:
        async with context.database.serialised(BOOKS_LOCK) as session:
            ids = list(
                await session.scalars(
                    select(row.invoice_id)
                    .where(FAILED, row.invoice_id > last, *recent)
                    .distinct()
                    .order_by(row.invoice_id)
                    .limit(_INVOICES_AT_ONCE)
                )
            )
            found = [each for each in ids if each is not None]
            if not found:
                return
            await keep_episodes(session, found)
        last = found[-1]


async def _days(context: Context, today: date) -> list[date]:
    """Those to add up, the last first."""
    zone = context.settings.zone
    moments = (
        BalanceRow.created_at, ChargeRow.created_at, RefundRow.created_at, DisputeRow.created_at,
        InvoiceRow.paid_at,
    )  # fmt: skip
    settled = or_(
        BookedDay.rolled_at >= midnight(today, zone), BookedDay.day < today - SETTLED_AFTER
    )
    async with context.database.reading() as session:
        firsts = [await session.scalar(select(func.min(each))) for each in moments]
        done = set(await session.scalars(select(BookedDay.day).where(settled)))
    since = min((each for each in firsts if each is not None), default=None)
    if since is None:
        return []
    first = since.astimezone(zone).date()
    days = (today - n * _ONE_DAY for n in range(1, (today - first).days + 1))
    return [day for day in days if day not in done]


def _runs(days: list[date]) -> Iterator[tuple[date, date]]:
    """Some days in a row at a time, the first and the last of each; the days descend."""
    start = 0
    for n in range(1, len(days) + 1):
        if n == len(days) or n - start == DAYS_AT_ONCE or days[n - 1] - days[n] > _ONE_DAY:
            yield days[n - 1], days[start]
            start = n


async def _roll(session: AsyncSession, asked: Asked) -> None:
    """Of each day of the period."""
    first, last = asked.period.first, asked.period.last
    when = on_days(first, last, asked.home)
    for table, rows, sums in _TABLES:
        await session.execute(delete(table).where(table.day.between(first, last)))
        columns = tuple(each.key for each in table.__table__.columns)
        found = await session.execute(_added_up(asked, rows(when), columns[1:], sums))
        values = [(first + step * _ONE_DAY, *map(_plain, others)) for step, *others in found]
        await _insert(session, table, columns, values)
    await session.execute(delete(BookedDay).where(BookedDay.day.between(first, last)))
    marks = [(first + n * _ONE_DAY, asked.now) for n in range((last - first).days + 1)]
    await _insert(session, BookedDay, ("day", "rolled_at"), marks)


async def _insert(
    session: AsyncSession, table: type[Base], columns: tuple[str, ...], rows: list[tuple[Any, ...]]
) -> None:
    connection = await session.connection()
    await connection.run_sync(lambda sync: insert_rows(sync, table, columns, rows))


def _added_up(asked: Asked, rows: FromClause, names: Sequence[str], sums: frozenset[str]) -> Any:
    day = select(
        asked.step_at(rows.c.at).label("step"), *(rows.c[name] for name in names)
    ).subquery("by_day")
    grouping = [day.c.step, *(day.c[name] for name in names if name not in sums)]
    columns = [func.sum(day.c[name]) if name in sums else day.c[name] for name in names]
    return select(day.c.step, *columns).group_by(*grouping)


def _plain(value: Any) -> str | int:
    """PostgreSQL's sums are decimals."""
    return value if isinstance(value, str) else int(value)
