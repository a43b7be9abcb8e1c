"""A PostgreSQL database with subscribers, two years of what they bought and paid, and a year of what they read."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from time import perf_counter, process_time

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from service.clock import Clocks
from service.db import migrate
from service.db.context import Context
from service.db.engines import async_url
from service.db.load import load
from service.db.session import Database
from service.db.tables import MovementRow
from service.demo.multitude import VERSION, Multitude
from service.reports.article_sale_rollup import count_article_sales
from service.reports.day_rollup import count_days, count_past_habits, note_few_habits
from service.reports.money_rollup import roll_up_money
from service.reports.movement_rollup import MOVEMENTS
from service.reports.promotion_rollup import look_up_promotions
from service.reports.renewal_rollup import count_renewals
from service.reports.rollups import roll_up
from service.reports.scheduled_rollup import look_up_scheduled
from service.reports.source_rollup import BY_SOURCE
from service.reports.trial_rollup import look_up_trials
from service.settings import Settings
from tests.bench import copied
from tests.bench.bare import without_indexes
from tests.bench.said import Say
from tests.postgres import PostgresServer

MOST_INVENTED = 50_000
"""Subscribers. Of more a part is invented, and copied."""
PATIENCE = 3_600.0
"""Seconds: an index of twenty million rows takes its time."""
_HALVES = 2


Fill = Callable[[str, int, Say], Coroutine[None, None, None]]
"""Fills the new database at an address with as many subscribers."""


@contextmanager
def filled(
    server: PostgresServer, subscribers: int, say: Say, *, is_kept: bool, fill: Fill | None = None
) -> Iterator[str]:
    """The address of a database with as many. Kept, one that was filled to its end is used again; else it is dropped.

    Its days end with the one on which it was filled.
    """
    name = f"filled_{VERSION}_{subscribers}"
    if is_kept and server.has_database(name):
        asyncio.run(_brought_up(server.url_of(name), subscribers, say))
        yield server.url_of(name)
        return
    fill = fill or _filled
    asyncio.run(fill(server.create_database(f"un{name}"), subscribers, say))
    if is_kept:
        yield server.rename_database(f"un{name}", name)
        return
    try:
        yield server.url_of(f"un{name}")
    finally:
        server.drop_database(f"un{name}")


async def _brought_up(url: str, subscribers: int, say: Say) -> None:
    """As old as it is said to be, with what a migration since then needs."""
    before, now = await migrate.migrate(url)
    settings, database = (
        Settings(_env_file=None, database_url=url, time_zone="UTC"),
        Database(url, patience=PATIENCE),
    )
    try:
        async with database.reading() as session:
            newest = await session.scalar(select(func.max(MovementRow.at)))
        assert newest is not None
        age = (Clocks().business().date() - newest.date()).days
        say(f"{subscribers:,} subscribers: filled before, up to {newest:%Y-%m-%d}, {age} days ago")
        if before != now:
            say(f"migrated from {before} to {now}, so added up again")
            await _add_up(Context(settings, Clocks(lambda: newest), database), say)
            await _look_over(url)
    finally:
        await database.dispose()


async def _filled(url: str, subscribers: int, say: Say) -> None:
    settings, clocks = Settings(_env_file=None, database_url=url, time_zone="UTC"), Clocks()
    await migrate.prepare(url)
    database, began = Database(url, patience=PATIENCE), perf_counter()
    times = -(-subscribers // MOST_INVENTED)
    of = Multitude(subscribers // times, clocks.business().date())

    def progress(line: str) -> None:
        say(f"{perf_counter() - began:6.0f} s  {line}")

    try:
        async with without_indexes(database):
            await _fill(url, of, say)
            progress(f"{of.subscribers:,} subscribers invented")
        progress(f"indexed, after {process_time():.0f} s of Python here")
        await _add_up(Context(settings, clocks, database), progress)
        if times > 1:
            async with without_indexes(database):
                await copied.multiply(database, times, say)
                progress(f"{of.subscribers * times:,} subscribers copied")
            # Of the copies, too.
            await note_few_habits(Context(settings, clocks, database))
            progress("indexed again")
        await copied.keep_ledger(database, clocks.business().date())
        await _look_over(url)
        progress("ledger of some holders stored, all tables looked over for the planner")
    finally:
        await database.dispose()


async def _look_over(url: str) -> None:
    """As the server does by itself in time: until then no index answers without the table."""
    engine = create_async_engine(async_url(url), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("VACUUM ANALYZE"))
    await engine.dispose()


async def _fill(url: str, of: Multitude, say: Say) -> None:
    """In two processes, a half of the tables each."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(_HALVES, mp_context=get_context("spawn")) as pool:
        await asyncio.gather(
            *(loop.run_in_executor(pool, _fill_half, url, of, half, say) for half in range(_HALVES))
        )


def _fill_half(url: str, of: Multitude, half: int, say: Say) -> None:
    async def run() -> None:
        database = Database(url, patience=PATIENCE)
        for number, (table, columns, rows) in enumerate(of.tables()):
            if number % _HALVES == half:
                began, count = perf_counter(), 0
                async for done in load(database, table, columns, rows):
                    count = done
                took = perf_counter() - began
                say(f"         {table.__tablename__}: {count:,} rows in {took:.0f} s")
        await database.dispose()

    asyncio.run(run())


async def _add_up(context: Context, progress: Say) -> None:
    """As the background tasks do, from nothing."""

    async def movements() -> None:
        await MOVEMENTS.roll_up(context)
        progress("movements added up")
        await BY_SOURCE.roll_up(context)
        progress("movements added up by source")

    async def books() -> None:
        await roll_up_money(context)
        progress("money added up")
        await look_up_trials(context)
        await look_up_promotions(context)
        await look_up_scheduled(context)
        progress("trials, promotion codes and scheduled ends looked up")

    async def days() -> None:
        await roll_up(context)
        await count_days(context)
        while await count_past_habits(context):
            pass
        await count_article_sales(context)
        progress("days of holders and sales of articles counted")

    async with context.database.transaction() as session:
        await session.execute(text("ANALYZE"))
    await asyncio.gather(movements(), books(), days())
    await count_renewals(context)
    progress("renewals counted")
