"""A wall that a page shows on arrival is in the ledger: once a day, holder and article."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from service.db.session import Database
from service.db.tables import AccessEntry, Reader
from service.metering.ledger import Ledger
from service.problems import Problem
from service.web.walls_seen import WallsSeen
from tests.databases import on_sqlite
from tests.reports import rows
from tests.web.conftest import Newspaper


async def recorded(newspaper: Newspaper) -> list[AccessEntry]:
    """The rows of the walled article, the oldest first."""
    await newspaper.app.running.get(Ledger).flush(newspaper.database)
    await newspaper.app.running.get(WallsSeen).flush(newspaper.database)
    async with newspaper.database.reading() as session:
        found = await session.scalars(
            select(AccessEntry)
            .where(AccessEntry.reason.in_(["subscribers_only", "comp"]))
            .order_by(AccessEntry.at)
        )
        return list(found)


@pytest.fixture
async def walled(newspaper: Newspaper) -> Newspaper:
    """With an article for subscribers, and a browser that has read another one."""
    await newspaper.publish("ferry")
    await newspaper.publish("ledger", level="subscribers")
    await newspaper.browser.post("/articles/ferry")
    return newspaper


async def test_a_wall_is_recorded_once_a_day(walled: Newspaper) -> None:
    address = "/articles/ledger?utm_campaign=spring"
    for _ in range(3):
        await walled.browser.get(address, headers={"Referer": "https://search.example/find"})
        (row,) = await recorded(walled)
    assert (row.granted, row.consumed, row.wall, row.once) == (False, False, "subscribe", False)
    assert (row.referrer_host, row.campaign) == ("search.example", "spring")
    assert row.prompt
    assert row.device_id
    assert row.holder == f"device:{row.device_id}"
    walled.clocks.travel(timedelta(days=1))
    await walled.browser.get("/articles/ledger")
    assert len(await recorded(walled)) == 2


@on_sqlite
@pytest.mark.parametrize(
    ("method", "headers"), [("HEAD", {}), ("GET", {"Sec-Purpose": "prefetch;prerender"})]
)
async def test_a_page_that_nobody_looks_at_shows_no_wall(
    walled: Newspaper, method: str, headers: dict[str, str]
) -> None:
    await walled.browser.request(method, "/articles/ledger", headers=headers)
    assert await recorded(walled) == []


@on_sqlite
async def test_a_crawler_without_cookies_is_no_reader_who_was_stopped(
    newspaper: Newspaper,
) -> None:
    await newspaper.publish("ledger", level="subscribers")
    await newspaper.browser.get("/articles/ledger")
    assert await recorded(newspaper) == []


@on_sqlite
async def test_the_wall_that_unlock_met_isnt_recorded_again(walled: Newspaper) -> None:
    answer = await walled.browser.post("/articles/ledger")
    assert answer.status_code == 402
    await recorded(walled)
    await walled.browser.get("/articles/ledger")
    assert len(await recorded(walled)) == 1


@on_sqlite
async def test_a_page_that_reads_on_by_itself_records_its_wall_once(walled: Newspaper) -> None:
    """What the script does: the page arrives with room in the meter, and its POST meets the wall."""
    for slug in ("two", "three", "four"):
        await walled.publish(slug)
    arrived = await walled.browser.get("/articles/four")
    assert "data-reads" in arrived.text
    for slug in ("two", "three"):
        await walled.browser.post(f"/articles/{slug}")
    assert (await walled.browser.post("/articles/four")).status_code == 402
    await recorded(walled)
    async with walled.database.reading() as session:
        walls = await session.scalars(select(AccessEntry).where(AccessEntry.wall.is_not(None)))
        assert len(list(walls)) == 1


async def test_who_subscribes_after_the_wall_has_the_read_recorded_too(walled: Newspaper) -> None:
    reader = rows.reader(email="ana@example.org")
    await walled.store(reader)
    await walled.sign_in(reader.id)
    await walled.browser.get("/articles/ledger")
    await recorded(walled)
    await walled.store(rows.grant(reader))
    walled.clocks.travel(timedelta(minutes=1))
    await walled.browser.get("/articles/ledger")
    assert [(row.granted, row.reason) for row in await recorded(walled)] == [
        (False, "subscribers_only"), (True, "comp"),
    ]  # fmt: skip


async def test_two_processes_write_one_row(walled: Newspaper) -> None:
    await walled.browser.get("/articles/ledger")
    one, other = walled.app.running.get(WallsSeen), WallsSeen()
    for entry in one._noted.values():
        other.note(entry)
    await asyncio.gather(one.flush(walled.database), other.flush(walled.database))
    assert len(await recorded(walled)) == 1


@on_sqlite
async def test_an_erased_reader_leaves_no_row_behind(walled: Newspaper) -> None:
    reader = rows.reader(email="ana@example.org")
    await walled.store(reader)
    await walled.sign_in(reader.id)
    await walled.browser.get("/articles/ledger")
    async with walled.database.transaction() as session:
        await session.execute(update(Reader).values(erased_at=walled.clocks.wall()))
    assert await recorded(walled) == []


@on_sqlite
async def test_what_the_database_cant_take_yet_waits(walled: Newspaper) -> None:
    await walled.browser.get("/articles/ledger")
    away = Database("postgresql://nobody@127.0.0.1:1/away", patience=0.5)
    with pytest.raises(Problem, match="database-unavailable"):
        await walled.app.running.get(WallsSeen).flush(away)
    await away.dispose()
    assert len(await recorded(walled)) == 1
