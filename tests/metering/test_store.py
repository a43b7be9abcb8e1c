"""The meter's contract, on both databases."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from service.db.session import Database
from service.db.tables import AccessEntry, MeterWindow, Reader, Touches
from service.identity.touches import Touch
from service.metering import ledger as module
from service.metering.attempt import Attempt
from service.metering.group_commit import write
from service.metering.ledger import Entry, Ledger, entry_at, write_all
from service.metering.store import read_meter, reader_holder
from service.metering.window import Window

LISBON = ZoneInfo("Europe/Lisbon")
JANUARY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
FEBRUARY = Window(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
NOW = datetime(2026, 1, 10, tzinfo=UTC)


async def count(database: Database, article: str, limit: int = 3, window: Window = JANUARY) -> bool:
    row = entry_at(
        NOW, LISBON, holder="device:d", article_id=article, reader_id=None, device_id="d",
        reason="meter", consumed=True,
    )  # fmt: skip
    attempt = Attempt("device:d", row, None, window, limit)
    recorded = await database.by_statement(partial(write, batch=[attempt], now=NOW))
    return recorded[0].counted


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


def noted(at: datetime, reader_id: str, article: str, device: str | None = None) -> Entry:
    """A subscriber's read by token or page."""
    return entry_at(
        at, LISBON, holder=reader_holder(reader_id), article_id=article, reader_id=reader_id,
        device_id=device, reason="subscription", once=True,
    )  # fmt: skip


async def test_noted_reads_are_written_once_a_day_reader_and_article(database: Database) -> None:
    first, second = Ledger(), Ledger()
    for ledger in (first, second, first):
        for day in (1, 2):
            ledger.note(noted(datetime(2026, 1, day, 12, tzinfo=UTC), "r", "a"))
        ledger.note(noted(datetime(2026, 1, 2, 12, tzinfo=UTC), "r", "b"))
        await ledger.flush(database)
    assert await first.flush(database) == 0
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(AccessEntry)) == 3


async def test_the_day_is_the_publications(database: Database) -> None:
    """In June 23:30 UTC is the next day in Lisbon, and one day until 23:00 UTC."""
    ledger = Ledger()
    for hour, minute in ((0, 10), (22, 50), (23, 30)):
        ledger.note(noted(datetime(2026, 6, 1, hour, minute, tzinfo=UTC), "r", "a"))
    await ledger.flush(database)
    async with database.reading() as session:
        days = await session.scalars(select(AccessEntry.day).order_by(AccessEntry.day))
        assert list(days) == [date(2026, 6, 1), date(2026, 6, 2)]


async def test_a_row_keeps_its_place_among_those_of_its_instant(database: Database) -> None:
    articles = [f"art_{number}" for number in range(20)]
    for article in articles:
        await database.in_one_go(partial(write_all, entries=[noted(NOW, "r", article)]))
    async with database.reading() as session:
        rows = await session.scalars(select(AccessEntry.article_id).order_by(AccessEntry.id))
        assert list(rows) == articles


async def test_a_noted_read_names_no_device_of_whom_was_erased_since(database: Database) -> None:
    """However late it is written: here after the database was away for hours."""
    readers = [f"rdr_{n:04}" for n in range(1_001)]
    ledger = Ledger()
    for reader_id in readers:
        ledger.note(noted(NOW, reader_id, "a", device=f"dev_{reader_id}"))
    async with database.transaction() as session:
        for reader_id in readers[-2:]:
            session.add(Reader(id=reader_id, created_at=NOW))
        (await session.get_one(Reader, readers[-1])).erased_at = NOW + timedelta(minutes=1)
    assert await ledger.flush(database) == len(readers)
    async with database.reading() as session:
        found = {row.reader_id: row.device_id for row in await session.scalars(select(AccessEntry))}
    assert found == {each: f"dev_{each}" for each in readers[:-1]} | {readers[-1]: None}


async def test_what_cant_be_written_stays_noted_and_the_oldest_go_first(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_NOTED", 5)
    nowhere = Database("postgresql://nobody@127.0.0.1:1/none", patience=0.2)
    ledger = Ledger()
    for number in range(7):
        met = entry_at(
            NOW, LISBON, holder="device:d", article_id=f"a{number}", reader_id=None,
            device_id="d", reason="meter_exhausted", granted=False, wall="subscribe",
        )  # fmt: skip
        ledger.note(met, Touch(source="letter") if number == 3 else None)
    ledger.note(noted(NOW, "r", "once"))
    assert await ledger.flush(nowhere) == 0
    assert await ledger.flush(database) == 5
    async with database.reading() as session:
        rows = await session.scalars(select(AccessEntry.article_id).order_by(AccessEntry.id))
        assert list(rows) == ["a3", "a4", "a5", "a6", "once"]
        assert list(await session.scalars(select(Touches.first_source))) == ["letter"]
    await nowhere.dispose()


async def test_rows_whose_answer_was_lost_are_written_once_and_stop_nothing(
    database: Database,
) -> None:
    """The commit was done, and nobody heard of it: the rows stay noted, and are there already."""
    ledger, met = Ledger(), noted(NOW, "r", "a")._replace(once=False)
    ledger.note(met)
    await ledger.flush(database)
    for row in (met, noted(NOW, "r", "b")._replace(once=False)):
        ledger.note(row)
    await ledger.flush(database)
    async with database.reading() as session:
        rows = await session.scalars(select(AccessEntry.article_id).order_by(AccessEntry.id))
        assert list(rows) == ["a", "b"]


async def test_what_led_a_reader_here_isnt_noted_once_they_are_erased(database: Database) -> None:
    ledger = Ledger()
    for reader_id in ("rdr_here", "rdr_gone"):
        row = noted(NOW, reader_id, "a")._replace(once=False, holder=f"device:{reader_id}")
        ledger.note(row, Touch(source="letter"))
    async with database.transaction() as session:
        session.add(Reader(id="rdr_gone", created_at=NOW, erased_at=NOW))
    await ledger.flush(database)
    async with database.reading() as session:
        assert list(await session.scalars(select(Touches.holder))) == ["device:rdr_here"]


async def test_a_flush_ends_though_reads_go_on(database: Database) -> None:
    ledger = Ledger()
    ledger.note(noted(NOW, "r", "a")._replace(once=False))
    flushing = asyncio.create_task(ledger.flush(database))
    for number in range(500):
        ledger.note(noted(NOW, "r", f"b{number}")._replace(once=False))
        await asyncio.sleep(0)
    assert await flushing <= 501
    assert await ledger.flush(database) + await flushing == 501
