"""What is written in batches is as exact, and as surely there, as if each had been written alone."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, func, select

from service.db.session import Database
from service.db.tables import AccessEntry, GiftLink, GiftOpening, MeterWindow, Touches
from service.identity.touches import Touch
from service.limits.rate import Limit, take
from service.metering import meter
from service.metering.attempt import Attempt, Recorded, Said
from service.metering.group_commit import write
from service.metering.ledger import Entry, Ledger, entry_at
from service.metering.meter import Metering
from service.metering.window import MeterState, Window
from service.problems import Problem
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.interleaving import meanwhile

MARCH = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
NETWORK = Limit("cookieless", 2, timedelta(days=1), "Too many.")


def entry(holder: str, article: str) -> Entry:
    return entry_at(
        MARCH.start + timedelta(days=9), ZoneInfo("UTC"), holder=f"device:{holder}",
        article_id=article, reader_id=None, device_id=holder, reason="meter", consumed=True,
    )  # fmt: skip


async def read(
    metering: Metering,
    holder: str,
    article: str,
    limit: int = 3,
    network: tuple[Limit, str] | None = None,
) -> Recorded:
    row = entry(holder, article)
    return await metering.count(row.holder, row, Touch(), MARCH, limit, network)


def gift_opened(device: str) -> tuple[GiftLink, GiftOpening]:
    """A link that this device alone has come by."""
    then = MARCH.start
    link = GiftLink(
        id="l", reader_id="r", article_id="g", month=then, most_readers=5, readers=1, created_at=then,
        ends_at=then,
    )  # fmt: skip
    return link, GiftOpening(link_id="l", device_id=device, opened_at=then)


async def rows(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(AccessEntry)) or 0


@pytest.fixture
def metering(database: Database, clocks: MovingClocks) -> Metering:
    return Metering(database, clocks, Ledger())


async def test_at_the_last_free_article_one_of_many_passes(
    database: Database, clocks: MovingClocks, metering: Metering
) -> None:
    other = Metering(database, clocks, Ledger())  # as another process has it
    for article in "ab":
        await read(metering, "d", article)
    results = await asyncio.gather(
        *(read((metering, other)[n % 2], "d", f"a{n}") for n in range(50))
    )
    assert sum(each.counted for each in results) == 1
    assert {len(each.state.counted) for each in results} == {3}
    assert await rows(database) == 3


async def test_two_connections_to_one_database_count_exactly(
    database: Database, clocks: MovingClocks, metering: Metering
) -> None:
    """As a command beside the service: nothing in memory keeps the two apart."""
    beside = Database(database.url)
    try:
        other = Metering(beside, clocks, Ledger())
        results = await asyncio.gather(
            *(read((metering, other)[n % 2], "d", f"a{n // 2}", limit=4) for n in range(40))
        )
    finally:
        await beside.dispose()
    assert sum(each.counted for each in results) == 4
    assert {each.state.counted for each in results[-2:]} == {results[-1].state.counted}
    assert len(results[-1].state.counted) == 4
    assert await rows(database) == 4


async def test_what_comes_at_once_is_written_together(
    database: Database, metering: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []

    def counted(connection: Connection, batch: Sequence[Attempt], now: datetime) -> list[Recorded]:
        batches.append(len(batch))
        return write(connection, batch, now)

    monkeypatch.setattr(meter, "write", counted)
    results = await asyncio.gather(*(read(metering, f"d{n}", "a") for n in range(60)))
    assert all(each.counted for each in results)
    assert batches == [60]
    assert await rows(database) == 60
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Touches)) == 60


@on_sqlite
async def test_one_holder_has_one_change_a_batch(database: Database, metering: Metering) -> None:
    results = await asyncio.gather(*(read(metering, "d", article) for article in "aabcd"))
    assert [each.counted for each in results] == [True, False, True, True, False]
    assert await rows(database) == 3


async def test_a_network_is_full_for_those_who_begin_alone(
    database: Database, clocks: MovingClocks, metering: Metering
) -> None:
    await read(metering, "old", "a")
    names = ["old", *(f"new{n}" for n in range(5))]
    results = await asyncio.gather(
        *(read(metering, name, "b", network=(NETWORK, "here")) for name in names)
    )
    assert results[0].counted
    assert sum(each.counted for each in results[1:]) == 2
    assert sum(each.closed for each in results[1:]) == 3
    async with database.reading() as session:
        holders = set(await session.scalars(select(MeterWindow.holder)))
    assert len(holders) == 3
    assert await rows(database) == 4
    clocks.travel(timedelta(days=1))
    assert (await read(metering, "tomorrow", "b", network=(NETWORK, "here"))).counted
    assert (await read(metering, "elsewhere", "b", network=(NETWORK, "there"))).counted


async def test_a_device_that_a_gift_link_opened_takes_no_place_of_its_network(
    database: Database, metering: Metering
) -> None:
    async with database.transaction() as session:
        session.add_all(gift_opened("given"))
    here = Limit("cookieless", 1, timedelta(days=1), "Too many."), "here"
    results = [await read(metering, name, "x", network=here) for name in ("given", "new", "later")]
    assert [each.closed for each in results] == [False, False, True]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("by", ["the meter", "a gift link"])
async def test_what_another_tab_takes_while_it_is_counted_is_the_devices_own(
    database: Database, clocks: MovingClocks, metering: Metering, by: str
) -> None:
    here = Limit("cookieless", 1, timedelta(days=1), "Too many."), "here"
    async with database.transaction() as session:
        if by == "the meter":
            tab = Attempt("device:d", entry("d", "a"), None, MARCH, 3, here)
            connection = await session.connection()
            (first,) = await connection.run_sync(write, [tab], clocks.wall())
            assert first.counted
        else:
            assert await take(session, *here, clocks.wall()) is None
            session.add_all(gift_opened("d"))
            await session.flush()
        mine = await meanwhile(database, read(metering, "d", "b", network=here))
        others = asyncio.ensure_future(read(metering, "e", "b", network=here))
    assert (await mine).counted
    assert (await others).closed
    assert (await read(metering, "d", "c", limit=1, network=here)).counted is False


async def test_a_network_is_counted_anew_once_a_clock_was_set_back(
    clocks: MovingClocks, metering: Metering
) -> None:
    for name in "ab":
        assert (await read(metering, name, "x", network=(NETWORK, "here"))).counted
    assert (await read(metering, "c", "x", network=(NETWORK, "here"))).closed
    clocks.travel(timedelta(days=-400))
    assert (await read(metering, "d", "x", network=(NETWORK, "here"))).counted


async def test_a_batch_counts_for_each_by_its_own_limit(
    database: Database, metering: Metering
) -> None:
    """Anonymous devices and registered readers are counted together."""
    limits = {"one": 1, "two": 2, "none": 0}
    for article in "ab":
        await asyncio.gather(
            *(read(metering, name, article, limit) for name, limit in limits.items())
        )
    results = await asyncio.gather(
        *(read(metering, name, "c", limit) for name, limit in limits.items())
    )
    assert [each.counted for each in results] == [False] * 3
    assert [each.state.used for each in results] == [1, 2, 0]
    assert await rows(database) == 3


@on_sqlite
async def test_what_was_seen_is_remembered_for_a_minute(
    metering: Metering, clocks: MovingClocks
) -> None:
    assert metering.remembered("device:d", MeterState(MARCH, 3)) is None
    await read(metering, "d", "a")
    seen = metering.remembered("device:d", MeterState(MARCH, 5))
    assert seen is not None
    assert (seen.counted, seen.limit) == (frozenset("a"), 5)
    clocks.travel(timedelta(seconds=61))
    assert metering.remembered("device:d", MeterState(MARCH, 3)) is None


@on_sqlite
async def test_everybody_is_told_of_a_failure_and_the_next_are_served(
    database: Database, metering: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:

        def fail(*_: object, **__: object) -> None:
            raise Problem("database-unavailable")

        broken.setattr(meter, "write", fail)
        results = await asyncio.gather(
            *(read(metering, f"d{n}", "a") for n in range(5)), return_exceptions=True
        )
    assert [type(each) for each in results] == [Problem] * 5
    assert await rows(database) == 0
    assert (await read(metering, "d0", "a")).counted


@on_sqlite
async def test_the_queue_is_bounded(metering: Metering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "MOST_WAITING", 10)
    results = await asyncio.gather(
        *(read(metering, f"d{n}", "a") for n in range(15)), return_exceptions=True
    )
    assert [type(each) for each in results] == [Recorded] * 10 + [Problem] * 5


@on_sqlite
async def test_one_reader_has_a_share_of_the_queue(metering: Metering) -> None:
    """A device with two thousand connections keeps nobody else out."""
    flood = [asyncio.create_task(read(metering, "d", f"a{n}")) for n in range(meter.MOST_WAITING)]
    await asyncio.sleep(0)
    others = await asyncio.gather(*(read(metering, f"o{n}", "a") for n in range(50)))
    assert all(each.counted for each in others)
    results = await asyncio.gather(*flood, return_exceptions=True)
    waited = [each for each in results if isinstance(each, Recorded)]
    refused = [each for each in results if isinstance(each, Problem)]
    assert (len(waited), len(refused)) == (meter.MOST_OF_ONE, meter.MOST_WAITING - len(waited))
    assert {(each.slug, each.headers["Retry-After"]) for each in refused} == {
        ("too-many-requests", "1")
    }
    assert sum(each.counted for each in waited) == 3
    # Its share is free again once it has been answered, and after a failure too.
    assert not (await read(metering, "d", "another")).counted


@on_sqlite
async def test_a_failure_frees_every_share(
    metering: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "MOST_OF_ONE", 2)
    with monkeypatch.context() as broken:

        def fail(*_: object, **__: object) -> None:
            raise Problem("database-unavailable")

        broken.setattr(meter, "write", fail)
        for _ in range(3):
            results = await asyncio.gather(
                *(read(metering, "d", f"a{n}") for n in range(2)), return_exceptions=True
            )
            assert {each.slug for each in results if isinstance(each, Problem)} == {
                "database-unavailable"
            }
    assert all(
        each.counted for each in await asyncio.gather(*(read(metering, "d", a) for a in "ab"))
    )


@on_sqlite
async def test_who_leaves_holds_up_nobody(database: Database, metering: Metering) -> None:
    leaving = asyncio.create_task(read(metering, "gone", "a"))
    staying = [asyncio.create_task(read(metering, f"d{n}", "a")) for n in range(3)]
    await asyncio.sleep(0)
    leaving.cancel()
    assert all(each.counted for each in await asyncio.gather(*staying))
    assert await rows(database) == 4


@on_sqlite
async def test_all_who_wait_hear_at_once_that_the_database_is_away(
    metering: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def fail(*_: object, **__: object) -> None:
        calls.append(1)
        raise Problem("database-unavailable")

    monkeypatch.setattr(meter, "write", fail)
    monkeypatch.setattr(meter, "MOST_AT_ONCE", 3)
    results = await asyncio.gather(
        *(read(metering, f"d{n}", "a") for n in range(12)), return_exceptions=True
    )
    assert [type(each) for each in results] == [Problem] * 12
    assert len(calls) == 1


async def test_the_row_says_what_was_said_beside_the_article_by_what_is_left(
    database: Database, clocks: MovingClocks
) -> None:
    """The meter alone knows it: here nothing of the window is remembered."""
    metering = Metering(database, clocks, Ledger())
    few, always = (Said("last", 0), Said("few", 2)), (Said("last", 0), Said("always"))
    for article in "abcd":
        row = entry("d", article)
        await metering.count(row.holder, row, Touch(), MARCH, 5, None, few)
    await metering.count("device:e", entry("e", "a"), Touch(), MARCH, 5, None)
    await metering.count("device:f", entry("f", "a"), Touch(), MARCH, 5, None, always)
    async with database.reading() as session:
        said = select(AccessEntry.device_id, AccessEntry.article_id, AccessEntry.prompt)
        found = {
            f"{device}{article}": prompt for device, article, prompt in await session.execute(said)
        }
    assert found == {
        "da": None, "db": None, "dc": "few", "dd": "few", "ea": None, "fa": "always",
    }  # fmt: skip
    row = entry("d", "e")
    await metering.count(row.holder, row, Touch(), MARCH, 5, None, few)
    async with database.reading() as session:
        last = select(AccessEntry.prompt).where(AccessEntry.article_id == "e")
        assert await session.scalar(last) == "last"
