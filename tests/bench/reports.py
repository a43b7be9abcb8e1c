"""Each report over the last twelve months, beside many times as many subscribers, on PostgreSQL."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from resource import RUSAGE_SELF, getrusage
from statistics import median
from time import perf_counter

from sqlalchemy import delete, select, text

from service.clock import Clocks
from service.db import migrate
from service.db.context import Context
from service.db.load import load
from service.db.session import Database
from service.db.tables import (
    ArticleSaleDay,
    HabitDay,
    HolderReturn,
    RolledDay,
    SourceDay,
    StepDepth,
)
from service.demo.multitude import Multitude
from service.problems import Problem
from service.reports.article_sale_rollup import count_article_sales
from service.reports.asked import Asked
from service.reports.day_rollup import count_days
from service.reports.figure import Figure
from service.reports.money_rollup import roll_up_money
from service.reports.movement_rollup import roll_up_movements
from service.reports.period import parse_period
from service.reports.promotion_rollup import look_up_promotions
from service.reports.registry import FIGURES
from service.reports.renewal_rollup import count_renewals
from service.reports.scheduled_rollup import look_up_scheduled
from service.reports.source_rollup import roll_up_sources
from service.reports.trial_rollup import look_up_trials
from service.settings import Settings
from tests.bench.bare import without_indexes

SUBSCRIBERS = 10_000
"""At scale 1."""
MOST_MS = 1_000
PATIENCE = 3_600.0
"""Seconds: an index of twenty million rows takes its time."""
TOO_LONG = float("inf")
_MANY_READERS = 100_000
_COUNTS = (RolledDay, HolderReturn, StepDepth, HabitDay, SourceDay, ArticleSaleDay)
Say = Callable[[str], None]
Asking = tuple[str, str]
"""Figure and split."""
Times = dict[Asking, float]


async def measured(
    url: str, subscribers: int, rounds: int, say: Say, *, counted: str | None = None
) -> Times:
    """The median milliseconds of each figure, in a database that is filled and added up first.

    The counts of holders' days are those of the smaller database `counted`, where there is one: to count takes by
    far the longest, and there are hardly more of them, by day and day before.
    """
    settings = Settings(_env_file=None, database_url=url, time_zone="UTC")
    await migrate.prepare(url)
    database, clocks = Database(url, patience=PATIENCE), Clocks()
    try:
        began = perf_counter()
        of = Multitude(subscribers, clocks.business().date())
        async with without_indexes(database):
            await _fill(url, of, say)
            say(f"{perf_counter() - began:6.0f} s  filled")
        say(f"{perf_counter() - began:6.0f} s  indexed, with {_memory():,} MB of memory")
        await _add_up(Context(settings, clocks, database), say, counted)
    finally:
        await database.dispose()
    # As the service asks: what takes longer than it waits is ended.
    database = Database(url)
    try:
        period = parse_period({}, today=clocks.business().date(), zone=settings.zone)
        asked = Asked(period, clocks.business(), settings.zone)
        return {
            (each.slug, split): await _time(database, each, replace(asked, split=split), rounds)
            for each in FIGURES
            for split in ("", *each.splits)
        }
    finally:
        await database.dispose()


async def _fill(url: str, of: Multitude, say: Say) -> None:
    """In two processes, a half of the tables each."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        await asyncio.gather(
            *(loop.run_in_executor(pool, _fill_half, url, of, half, say) for half in (0, 1))
        )


def _fill_half(url: str, of: Multitude, half: int, say: Say) -> None:
    async def run() -> None:
        database = Database(url, patience=PATIENCE)
        for number, (table, columns, rows) in enumerate(of.tables()):
            if number % 2 == half:
                began, count = perf_counter(), 0
                async for done in load(database, table, columns, rows):
                    count = done
                took = perf_counter() - began
                say(f"         {table.__tablename__}: {count:,} rows in {took:.0f} s")
        await database.dispose()

    asyncio.run(run())


async def _add_up(context: Context, say: Say, counted: str | None) -> None:
    """As the background tasks do, from nothing."""
    began = perf_counter()

    def progress(line: str) -> None:
        say(f"{perf_counter() - began:6.0f} s  {line}")

    def some_readers(done: int) -> None:
        if done % _MANY_READERS == 0:
            progress(f"movements of {done:,} readers added up")

    async def movements() -> None:
        await roll_up_movements(context, some_readers)
        progress("movements added up")
        await roll_up_sources(context, some_readers)
        progress("movements added up by source")

    async def books() -> None:
        await roll_up_money(context)
        progress("money added up")
        await look_up_trials(context)
        progress("trials looked up")
        await look_up_promotions(context)
        progress("promotion codes looked up")
        await look_up_scheduled(context)
        progress("scheduled ends looked up")

    async with context.database.transaction() as session:
        await session.execute(text("ANALYZE"))
    await asyncio.gather(movements(), books())
    await count_renewals(context)
    progress("renewals counted")
    if counted is None:
        await count_days(context, lambda day: progress(f"{day} counted") if day.day == 1 else None)
        await count_article_sales(context)
    else:
        await _take_counts(context.database, counted)
    progress("days and sales of articles counted")
    async with context.database.transaction() as session:
        await session.execute(text("ANALYZE"))


async def _take_counts(database: Database, counted: str) -> None:
    """Those of another database in place of its own."""
    other = Database(counted)
    for table in _COUNTS:
        columns = [each.key for each in table.__table__.columns]
        async with other.reading() as session:
            rows = [tuple(row) for row in await session.execute(select(table.__table__))]
        async with database.transaction() as session:
            await session.execute(delete(table))
        async for _ in load(database, table, columns, rows):
            pass
    await other.dispose()


async def _time(database: Database, figure: Figure, asked: Asked, rounds: int) -> float:
    """Without the first time, in which the driver prepares its statements."""
    times = []
    for _ in range(rounds + 1):
        began = perf_counter()
        try:
            async with database.slow_reading("reports") as session:
                await figure.lines(session, asked)
        except Problem as problem:
            if problem.slug != "takes-too-long":
                raise
            return TOO_LONG
        times.append((perf_counter() - began) * 1000)
    return median(times[1:])


def _memory() -> int:
    """The most megabytes that this process had."""
    return getrusage(RUSAGE_SELF).ru_maxrss // 1024


def bench(make: Callable[[str], str], scale: int, rounds: int, say: Say) -> None:
    """A table of all figures at both scales."""
    small = make("PostgreSQL")
    one = asyncio.run(measured(small, SUBSCRIBERS, rounds, say))
    large = make("PostgreSQL")
    many = asyncio.run(measured(large, SUBSCRIBERS * scale, rounds, say, counted=small))
    say(f"Counts of holders' days are those of {SUBSCRIBERS:,} subscribers at both scales.")
    for line in table(one, many, scale):
        say(line)


def table(one: Times, many: Times, scale: int) -> list[str]:
    """A figure a line, the splits of a figure together: the slowest of them."""
    lines = [
        "",
        f"| report | ms at 1× | ms at {scale}× | growth | its slowest split | ms at 1× | ms at {scale}× |",
        "|---|---|---|---|---|---|---|",
    ]
    for slug, split in one:
        if split:
            continue
        small, large = one[slug, ""], many[slug, ""]
        growth = f"{large / small:.1f}" if large < TOO_LONG else ""
        splits = [each for of, each in one if of == slug and each]
        row = [slug, _ms(small), _ms(large), growth, "", "", ""]
        if splits:
            slowest = max(splits, key=lambda each: many[slug, each])
            row[4:] = [slowest, _ms(one[slug, slowest]), _ms(many[slug, slowest])]
        lines.append(f"| {' | '.join(row)} |")
    slow = [" by ".join(filter(None, key)) for key, ms in many.items() if ms > MOST_MS]
    return [*lines, "", f"Above {MOST_MS:,} ms: {', '.join(slow) or 'none'}."]


def _ms(of: float) -> str:
    return f"{of:,.0f}" if of < TOO_LONG else "ended"
