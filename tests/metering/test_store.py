"""The meter's contract, on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from service.db.session import Database
from service.db.tables import AccessEntry, MeterWindow, Reader
from service.metering.ledger import Entry, Ledger, once_a_day
from service.metering.store import count_article, read_meter
from service.metering.window import Window

JANUARY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
FEBRUARY = Window(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
NOW = datetime(2026, 1, 10, tzinfo=UTC)


async def count(database: Database, article: str, limit: int = 3, window: Window = JANUARY) -> bool:
    async with database.transaction() as session:
        return await count_article(
            session, holder="device:d", window=window, limit=limit, article_id=article, now=NOW
        )


async def counted(database: Database) -> frozenset[str]:
    async with database.reading() as session:
        return (await read_meter(session, "device:d", JANUARY, 3)).counted


async def test_distinct_articles_count_and_rereads_do_not(database: Database) -> None:
    assert [await count(database, a) for a in ("a", "b", "a", "c", "b")] == [
        True, True, False, True, False,
    ]  # fmt: skip
    assert await counted(database) == {"a", "b", "c"}


async def test_a_full_window_counts_nothing_more_and_the_next_starts_empty(
    database: Database,
) -> None:
    assert [await count(database, a) for a in "abcd"] == [True, True, True, False]
    assert await count(database, "d", window=FEBRUARY)


async def test_limit_zero_opens_nothing_and_leaves_no_row(database: Database) -> None:
    assert not await count(database, "a", limit=0)
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(MeterWindow)) == 0


async def test_a_lowered_limit_takes_nothing_back(database: Database) -> None:
    for article in "abc":
        await count(database, article)
    assert not await count(database, "d", limit=1)
    assert await counted(database) == {"a", "b", "c"}


async def test_carried_articles_are_reread_freely_and_use_no_room(database: Database) -> None:
    async with database.transaction() as session:
        session.add(
            MeterWindow(
                holder="device:d",
                window_start=JANUARY.start,
                counted=[],
                carried=["x"],
                updated_at=NOW,
            )
        )
    assert not await count(database, "x")
    assert [await count(database, a) for a in "abcd"] == [True, True, True, False]


async def test_parallel_counts_of_different_articles_fill_the_window_exactly(
    database: Database,
) -> None:
    results = await asyncio.gather(*(count(database, f"a{n}", limit=3) for n in range(50)))
    assert sum(results) == 3
    assert len(await counted(database)) == 3


async def test_parallel_counts_of_one_article_count_once(database: Database) -> None:
    results = await asyncio.gather(*(count(database, "a") for _ in range(50)))
    assert sum(results) == 1
    assert await counted(database) == {"a"}


async def test_noted_reads_are_written_once_a_reader_article_and_day(database: Database) -> None:
    def entry(day: int, article: str = "a") -> Entry:
        at = datetime(2026, 1, day, 12, tzinfo=UTC)
        return Entry(
            at=at, article_id=article, reader_id="r", device_id=None, granted=True,
            consumed=False, reason="subscription", once_key=once_a_day("r", article, at),
        )  # fmt: skip

    first, second = Ledger(), Ledger()
    for ledger in (first, second, first):
        ledger.note(entry(1))
        ledger.note(entry(2))
        ledger.note(entry(2, "b"))
        await ledger.flush(database)
    assert await first.flush(database) == 0
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(AccessEntry)) == 3


async def test_a_noted_read_names_no_device_of_whom_was_erased_since(database: Database) -> None:
    """However late it is written: here after the database was away for hours."""
    readers = [f"rdr_{n:04}" for n in range(1_001)]
    ledger = Ledger()
    for reader_id in readers:
        ledger.note(
            Entry(
                at=NOW, article_id="a", reader_id=reader_id, device_id=f"dev_{reader_id}",
                granted=True, consumed=False, reason="subscription",
                once_key=once_a_day(reader_id, "a", NOW),
            )
        )  # fmt: skip
    async with database.transaction() as session:
        for reader_id in readers[-2:]:
            session.add(Reader(id=reader_id, created_at=NOW))
        (await session.get_one(Reader, readers[-1])).erased_at = NOW + timedelta(minutes=1)
    assert await ledger.flush(database) == len(readers)
    async with database.reading() as session:
        found = {row.reader_id: row.device_id for row in await session.scalars(select(AccessEntry))}
    assert found == {each: f"dev_{each}" for each in readers[:-1]} | {readers[-1]: None}
