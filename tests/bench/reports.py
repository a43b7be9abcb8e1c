"""Each report over the last twelve months, beside many times as many subscribers, on PostgreSQL."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from resource import RUSAGE_SELF, getrusage
from statistics import median
from time import perf_counter

from sqlalchemy import text

from service.clock import Clocks
from service.db import migrate
from service.db.context import Context
from service.db.session import Database
from service.demo.multitude import Multitude
from service.demo.multitude_fill import fill
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
Say = Callable[[str], None]
Asking = tuple[str, str]
"""Figure and split."""
Times = dict[Asking, float]


async def measured(url: str, subscribers: int, rounds: int, say: Say) -> Times:
    """The median milliseconds of each figure, in a database that is filled and added up first."""
    settings = Settings(_env_file=None, database_url=url, time_zone="UTC")
    await migrate.prepare(url)
    database, clocks = Database(url, patience=PATIENCE), Clocks()
    try:
        began = perf_counter()
        of = Multitude(subscribers, clocks.business().date())
        async with without_indexes(database):
            await fill(database, of, lambda line: say(f"{perf_counter() - began:6.0f} s  {line}"))
        say(f"{perf_counter() - began:6.0f} s  indexed, with {_memory():,} MB of memory")
        await _add_up(Context(settings, clocks, database), say)
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


async def _add_up(context: Context, say: Say) -> None:
    """As the background tasks do, from nothing."""
    began = perf_counter()

    def progress(line: str) -> None:
        say(f"{perf_counter() - began:6.0f} s  {line}")

    def some_readers(done: int) -> None:
        if done % _MANY_READERS == 0:
            progress(f"movements of {done:,} readers added up")

    await roll_up_movements(context, some_readers)
    progress("movements added up")
    await roll_up_sources(context, some_readers)
    progress("movements added up by source")
    await roll_up_money(context)
    progress("money added up")
    await count_renewals(context)
    progress("renewals counted")
    await look_up_trials(context)
    progress("trials looked up")
    await look_up_promotions(context)
    progress("promotion codes looked up")
    await look_up_scheduled(context)
    progress("scheduled ends looked up")
    await count_days(context, lambda day: progress(f"{day} counted") if day.day == 1 else None)
    progress("days counted")
    await count_article_sales(context)
    progress("sales of articles counted")
    async with context.database.transaction() as session:
        await session.execute(text("ANALYZE"))


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
    one = asyncio.run(measured(make("PostgreSQL"), SUBSCRIBERS, rounds, say))
    many = asyncio.run(measured(make("PostgreSQL"), SUBSCRIBERS * scale, rounds, say))
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
