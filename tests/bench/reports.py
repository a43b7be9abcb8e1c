"""Each report over the last twelve months, beside many times as many subscribers, on PostgreSQL."""

import asyncio
from collections.abc import Callable
from statistics import median
from time import perf_counter

from service.clock import Clocks
from service.db import migrate
from service.db.context import Context
from service.db.session import Database
from service.demo.multitude import Multitude, fill
from service.reports.article_sale_rollup import count_article_sales
from service.reports.asked import Asked
from service.reports.day_rollup import count_days
from service.reports.figure import Figure
from service.reports.money_rollup import roll_up_money
from service.reports.movement_rollup import roll_up_movements
from service.reports.period import parse_period
from service.reports.registry import FIGURES
from service.reports.renewal_rollup import count_renewals
from service.settings import Settings

SUBSCRIBERS = 10_000
"""At scale 1."""
MOST_MS = 1_000
PATIENCE = 300.0
"""Seconds: what is too slow shall be measured too."""
Say = Callable[[str], None]
Times = dict[str, float]


async def measured(url: str, subscribers: int, rounds: int, say: Say) -> Times:
    """The median milliseconds of each figure, in a database that is filled and rolled up first."""
    settings = Settings(_env_file=None, database_url=url, time_zone="UTC")
    await migrate.prepare(url)
    database, clocks = Database(url, patience=PATIENCE), Clocks()
    try:
        began = perf_counter()
        await fill(database, Multitude(subscribers, clocks.business().date()), lambda _: None)
        say(f"{subscribers:,} subscribers are there after {perf_counter() - began:.0f} s.")
        began, context = perf_counter(), Context(settings, clocks, database)
        await roll_up_movements(context)
        await roll_up_money(context)
        await count_renewals(context)
        await count_days(context)
        await count_article_sales(context)
        say(f"They are added up after {perf_counter() - began:.0f} s.")
        period = parse_period({}, today=clocks.business().date(), zone=settings.zone)
        asked = Asked(period, clocks.business(), settings.zone)
        return {each.slug: await _time(database, each, asked, rounds) for each in FIGURES}
    finally:
        await database.dispose()


async def _time(database: Database, figure: Figure, asked: Asked, rounds: int) -> float:
    """Without the first time, in which the driver prepares its statements."""
    times = []
    for _ in range(rounds + 1):
        async with database.slow_reading("reports") as session:
            began = perf_counter()
            await figure.lines(session, asked)
            times.append((perf_counter() - began) * 1000)
    return median(times[1:])


def bench(make: Callable[[str], str], scale: int, rounds: int, say: Say) -> None:
    """A table of all figures at both scales."""
    one = asyncio.run(measured(make("PostgreSQL"), SUBSCRIBERS, rounds, say))
    many = asyncio.run(measured(make("PostgreSQL"), SUBSCRIBERS * scale, rounds, say))
    say(f"\n| report | ms at 1× | ms at {scale}× | growth |")
    say("|---|---|---|---|")
    for slug, small in one.items():
        say(f"| {slug} | {small:,.0f} | {many[slug]:,.0f} | {many[slug] / small:.1f} |")
    slow = [slug for slug, ms in many.items() if ms > MOST_MS]
    say(f"\nAbove {MOST_MS:,} ms: {', '.join(slow) or 'none'}.")
