"""The same reads beside many times as many articles, readers and rows of the ledger."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from service.clock import Clocks
from service.db.base import Base
from service.db.engines import async_url
from service.db.tables import AccessEntry, Article, MeterWindow, Reader
from service.metering.window import window_at
from service.settings import Settings
from tests.bench.load import load
from tests.bench.reads import READ, Given, Readers, port_of, routes_of, serving

ARTICLES, READERS, ROWS = 100, 1_000, 10_000
"""At scale 1."""


async def multiply(
    connection: AsyncConnection, table: type[Base], source: str, count: int, *renamed: str
) -> None:
    """Copy the one row that `source` selects as often, with a number added to the columns `renamed`."""
    names = [column.name for column in table.__table__.columns]
    values = (f"{name} || '-' || n" if name in renamed else name for name in names)
    await connection.execute(
        text(f"""
INSERT INTO {table.__tablename__} ({", ".join(names)})
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
SELECT {", ".join(values)} FROM {table.__tablename__} CROSS JOIN numbers WHERE {source}""")  # noqa: S608 names of ours
    )


async def fill(settings: Settings, scale: int) -> None:
    """Give the furnished database as many rows of the past, by statements alone."""
    engine = create_async_engine(async_url(settings.database_url))
    now = datetime.now(UTC)
    window = window_at(Clocks().business(), settings.meter_span, settings.zone)
    async with engine.begin() as connection:
        article = await connection.scalar(select(Article.id).where(Article.slug == READ))
        reader = dict.fromkeys(column.name for column in Reader.__table__.columns)
        await connection.execute(insert(Reader).values({**reader, "id": "r", "created_at": now}))
        await connection.execute(
            insert(MeterWindow).values(
                holder="device:r",
                window_start=window.start,
                counted=[article],
                carried=[],
                updated_at=now,
            )
        )
        await connection.execute(
            insert(AccessEntry).values(
                day=now.date(), holder="device:r", id="e", at=now, article_id=article,
                reader_id="r", device_id="r", granted=True, consumed=True, reason="metered",
                window_start=window.start, once=False,
            )
        )  # fmt: skip
        await multiply(connection, Article, f"slug = '{READ}'", scale * ARTICLES, "id", "slug")
        await multiply(connection, Reader, "id = 'r'", scale * READERS, "id")
        await multiply(connection, MeterWindow, "holder = 'device:r'", scale * READERS, "holder")
        await multiply(
            connection, AccessEntry, "id = 'e'", scale * ROWS, "id", "holder", "device_id"
        )
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("ANALYZE"))
    await engine.dispose()


def bench(make: Callable[[str], str], scale: int, given: Given, say: Callable[[str], None]) -> None:
    """Two services side by side, one of them with as many times the rows; rounds take turns."""
    for name in ("SQLite", "PostgreSQL"):
        say(f"\n{name}: {scale * ARTICLES:,} articles, {scale * READERS:,} readers, "
            f"{scale * ROWS:,} rows of the ledger\n")  # fmt: skip
        say(f"| route | {scale}× ÷ 1× | by CPU | target | requests/s | p99 ms |")
        say("|---|---|---|---|---|---|")
        with serving(make(name)) as (small, small_leader), serving(make(name)) as (large, leader):
            asyncio.run(fill(small, 1))
            asyncio.run(fill(large, scale))
            pairs = zip(
                routes_of(Readers(small), given.seconds), routes_of(Readers(large), given.seconds),
                strict=True,
            )  # fmt: skip
            for one, many in pairs:
                rounds = []
                for _ in range(given.rounds):
                    few, lots = (
                        load(
                            port_of(settings), pid, route.requests(),
                            seconds=given.seconds, connections=given.connections,
                        )
                        for settings, pid, route in ((small, small_leader, one), (large, leader, many))
                    )  # fmt: skip
                    rounds.append((few, lots))
                ratio = median(lots.rate / few.rate for few, lots in rounds)
                by_cpu = median(few.cpu / lots.cpu for few, lots in rounds)
                rate = median(lots.rate for _, lots in rounds)
                p99 = median(lots.p99 for _, lots in rounds)
                say(f"| {one.name} | {ratio:.2f} | {by_cpu:.2f} | 0.9 | {rate:,.0f} | {p99:.1f} |")
