"""A figure of a sample reads the rows of its holders and of no others, of which a year may have a hundred million."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import Database
from service.db.tables import AccessEntry, HolderDay, RolledDay
from service.reports.led import SOURCES
from service.reports.queries.article_readers import all_readers
from service.reports.registry import BY_SLUG
from tests.bench.scaled import multiply
from tests.reports import rows
from tests.reports.figures_asked import asked, store
from tests.reports.rows import NOW

ROWS, A_DAY = 3_000, timedelta(days=1)
OF_ONE_DAY = 1_000
"""Those of a day that isn't added up are counted."""
FIRST, TODAY = date(2026, 3, 1), NOW.date()
DAYS = [FIRST + n * A_DAY for n in range((TODAY - FIRST).days)]
_READ = re.compile(
    r"Scan .*on access_ledger.*\(actual .*rows=([0-9.]+) loops=([0-9]+)\)"
    r"|Rows Removed by (?:Filter|Index Recheck): ([0-9]+)"
)
FIGURES = (
    ("what-if-meter", ""), ("stop-rate", "section"), ("stop-rate", "source"), ("paid-after-a-wall", "wall"),
    ("paid-after-a-wall", "last_source"), ("wall-funnel", ""), ("prompt-funnel", ""), ("meter-depth", "meter"),
    ("meter-depth", "campaign"), ("article-conversion", ""), ("registration-funnel", "source"),
)  # fmt: skip


async def _plans(session: AsyncSession, slug: str, split: str) -> list[str]:
    """Of the figure's statements, with how many rows each step read, as PostgreSQL counts them."""
    what = asked(str(FIRST), str(TODAY), "day", split=split)
    connection = await session.connection()
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        sent.append((statement, given))

    engine = connection.sync_connection
    event.listen(engine, "before_cursor_execute", note)
    if slug:
        await BY_SLUG[slug].lines(session, what)
    else:
        await session.execute(await all_readers(session, what))
    event.remove(engine, "before_cursor_execute", note)
    return [
        "\n".join(
            row[0]
            for row in await connection.exec_driver_sql(
                f"EXPLAIN (ANALYZE, TIMING off) {statement}", given
            )
        )
        for statement, given in [*sent]
    ]


def _read(plans: list[str]) -> int:
    """How many rows of the ledger they read."""
    return sum(
        round(float(found) * int(loops)) if found else int(removed)
        for plan in plans
        if "access_ledger" in plan
        for found, loops, removed in _READ.findall(plan)
    )


def _known_days() -> list[RolledDay]:
    """What each is said to have makes a sample small."""
    return [
        RolledDay(
            day=day, rows=10_000_000, rolled_at=NOW, counted_on=TODAY, depths_counted_on=TODAY
        )
        for day in DAYS
    ]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_sample_is_all_that_is_read(database: Database) -> None:
    """Those who aren't in it are most of the ledger."""
    article, at = rows.article("a", "A"), NOW - 5 * A_DAY
    sampled = rows.read(article, at, holder="device:dev_77777777", window_start=at, prompt="words")
    other = rows.read(article, at, holder="device:dev_1", window_start=at, prompt="words")
    await store(database, article, *_known_days(), sampled, other)
    async with database.transaction() as session:
        connection = await session.connection()
        await multiply(connection, AccessEntry, f"id = '{other.id}'", ROWS, "id", "holder")
        await connection.exec_driver_sql("ANALYZE")
    async with database.reading() as session:
        read = {
            (slug, split): _read(await _plans(session, slug, split))
            for slug, split in (*FIGURES, ("", ""))
        }
    assert not {of: number for of, number in read.items() if number >= ROWS}, read


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_days_of_a_sample_are_read_from_an_index_alone(database: Database) -> None:
    """In the table each of them is on a page of its own."""
    day = HolderDay(day=FIRST, holder="device:dev_1", reads=1, counted=0)
    await store(database, *_known_days(), day)
    async with database.transaction() as session:
        await multiply(await session.connection(), HolderDay, "true", ROWS, "holder")
    async with database._committing_each.connect() as connection:
        # As the server does in time: until then no index answers without its table.
        await connection.exec_driver_sql("VACUUM ANALYZE holder_days")
    by_source = [(slug, split) for slug, split in FIGURES if split in SOURCES]
    async with database.reading() as session:
        plans = [plan for of in by_source for plan in await _plans(session, *of)]
    scans = [line for plan in plans for line in plan.splitlines() if " on holder_days" in line]
    assert scans
    # The indexes of walls cost as little, since nobody met one.
    assert not [line for line in scans if "Index Only Scan using ix_holder_days_" not in line]
