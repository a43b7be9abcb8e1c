"""A sample of holders is whole holders: what it says is what the same figure says of these alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import Base
from service.db.session import Database
from service.db.tables import (
    AccessEntry,
    Article,
    Checkout,
    HolderDay,
    HolderReturn,
    LedgerDay,
    MovementRow,
    Offer,
    Reader,
    ReaderDevice,
    RolledDay,
    SignInAsk,
    Subscription,
    Touches,
)
from service.reports.asked import Asked
from service.reports.cells import Line
from service.reports.queries.article_conversion import article_conversion
from service.reports.queries.first_walls import paid_after_a_wall, registration_funnel
from service.reports.queries.kept_rows import MOST_IN_DAYS, sample_of_days
from service.reports.queries.wall_funnel import wall_funnel
from service.reports.queries.walls import meter_depth, stop_rate
from service.reports.returns import ANY, NEVER, WALL
from service.reports.rollups import roll_day
from tests.reports import rows
from tests.reports.figures_asked import asked, store
from tests.reports.ledger_histories import BEGIN, DAYS, LATER, ledgers
from tests.reports.sampled import sampled

SOME = sampled(2)
DAY = timedelta(days=1)
UTC_ZONE = ZoneInfo("UTC")
INSIDE, OUTSIDE = "rdr_7", "rdr_1"
NAMED = {
    "reader:rdr_1": f"reader:{INSIDE}", "reader:rdr_2": f"reader:{OUTSIDE}",
    "device:d1": "device:dev_70", "device:d2": "device:dev_10", "device:d3": "device:dev_71",
    "device:d4": "device:dev_72",
}  # fmt: skip
LINKED = {"dev_70": INSIDE, "dev_10": INSIDE, "dev_71": OUTSIDE}
LEFT_OUT = (f"reader:{OUTSIDE}", "device:dev_71", "device:dev_12")
"""Holders that aren't in the sample; one of them has a name like those that are."""
ENLARGED = {"depth", "articles", "from a wall", "registration"}
"""Of these the numbers of holders are multiplied."""
MOST = 10
"""Rows, of which there are from twice to twelve times as many: one digit."""
Ask = Callable[[AsyncSession, Asked, int], Awaitable[list[Line]]]
FIGURES: dict[str, tuple[Ask, tuple[str, ...]]] = {
    "stop rate": (lambda of, what, most: stop_rate(of, what, most, most), ("source", "section")),
    "paid after a wall": (
        lambda of, what, most: paid_after_a_wall(of, what, most, most), ("source", "section"),
    ),
    "registration": (registration_funnel, ("source",)),
    "depth": (meter_depth, ("source", "meter")),
    "from a wall": (wall_funnel, ("", "source", "offer")),
    "articles": (article_conversion, ("",)),
}  # fmt: skip
_TABLES: tuple[type[Base], ...] = (
    AccessEntry, HolderDay, LedgerDay, RolledDay, SignInAsk, Touches, MovementRow, Checkout, Subscription,
    ReaderDevice, Article, Offer, Reader,
)  # fmt: skip


def test_a_sample_is_what_the_same_holders_are_alone(database_url: str) -> None:
    @SOME
    @given(
        ledger=ledgers, nobodys=st.integers(0, 5), rolled=st.integers(0, DAYS),
        after=st.integers(0, 60 * 24),
    )  # fmt: skip
    def play(ledger: list[AccessEntry], nobodys: int, rolled: int, after: int) -> None:
        for number, row in enumerate(ledger):
            row.id = f"{number:06}"
            is_nobodys = number % 6 == nobodys
            row.holder = "device:dev_12" if is_nobodys else NAMED[row.holder]
        # So that the first row of all is one of the sample.
        ledger[0].at, ledger[0].day, ledger[0].holder = BEGIN, BEGIN.date(), f"reader:{INSIDE}"
        days = {BEGIN.date() + number * DAY for number in range(rolled)}
        asyncio.run(_compare(database_url, ledger, days, timedelta(hours=after)))

    play()


async def _compare(url: str, ledger: list[AccessEntry], rolled: set[Any], after: timedelta) -> None:
    database, first = Database(url), BEGIN.date()
    what = asked(str(first), str(first + DAYS * DAY), "week", now=LATER, zone="UTC", home=UTC_ZONE)
    try:
        await _fill(database, ledger, after)
        for day in rolled:
            await roll_day(database, day, now=LATER)
        some = {(name, split): lines async for name, split, lines in _ask(database, what, MOST)}
        async with database.transaction() as session:
            for table in (AccessEntry, HolderDay):
                await session.execute(delete(table).where(table.holder.in_(LEFT_OUT)))
        async for name, split, alone in _ask(database, what, 10_000):
            (part,) = (each for each in some[name, split] if each.series == "sample")
            assert part.total.value == Fraction(1, 16)
            times = 16 if name in ENLARGED else 1
            assert _cells(some[name, split], name) == _cells(alone, name, times), (name, split)
    finally:
        await database.dispose()


async def _ask(
    database: Database, what: Asked, most: int
) -> AsyncIterator[tuple[str, str, list[Line]]]:
    async with database.reading() as session:
        for name, (ask, splits) in FIGURES.items():
            for split in splits:
                yield name, split, await ask(session, replace(what, split=split), most)


def _cells(lines: list[Line], name: str, times: int = 1) -> dict[Any, list[Any]]:
    """What was bought isn't sampled. Shares and averages stay as they are."""
    known = [each for each in lines if each.series != "sample"]
    if name == "articles":
        known = [each for each in known if each.series == "holders"]
    return {
        (each.series, each.split): [
            (cell.value and cell.value * (times if cell.part is None else 1), cell.part, cell.whole)
            for cell in (*each.cells, each.total)
        ]
        for each in known
    }


async def _fill(database: Database, ledger: list[AccessEntry], after: timedelta) -> None:
    """Each holder asked, registered, began a checkout and paid some time after the first row."""
    async with database.transaction() as session:
        for table in _TABLES:
            await session.execute(delete(table))
    at, offer = BEGIN + after, rows.offer()
    readers = [rows.reader(id=each, email_verified_at=at) for each in (INSIDE, OUTSIDE)]
    articles = [rows.article(each, each) for each in ("art_1", "art_2")]
    for each in articles:
        each.id, each.section = each.slug, {"art_1": "News"}.get(each.slug)
    bought = [rows.subscription(each, offer) for each in readers]
    anonymous = ("dev_72", "dev_12", "dev_10", "dev_71")
    clicks = [
        *(rows.checkout(each, offer, at) for each in readers),
        *(
            rows.checkout(readers[0], offer, at, reader_id=None, device_id=each)
            for each in anonymous
        ),
    ]
    await store(database, offer, *articles, *readers, *bought, *clicks)
    holders = {each.holder for each in ledger}
    await store(
        database,
        *(ReaderDevice(device_id=d, reader_id=r, linked_at=BEGIN) for d, r in LINKED.items()),
        *(SignInAsk(holder=each, at=at) for each in holders),
        *(
            Touches(holder=each, first_at=BEGIN, last_at=BEGIN, first_source=each[-2:])
            for each in sorted(holders)[::2]
        ),
        *(
            rows.movement(each, 1, at, customer=f"ctm_{number}")
            for number, each in enumerate(bought)
        ),
    )
    columns = [each.key for each in AccessEntry.__table__.columns]
    await store(
        database, *(AccessEntry(**{name: getattr(row, name) for name in columns}) for row in ledger)
    )


async def test_holders_of_a_sample_are_multiplied_and_their_shares_are_not(
    database: Database,
) -> None:
    """32 devices met both walls, 2 of them in the sample, of which one bought: 16 ÷ 32."""
    at, offer, article = BEGIN, rows.offer(), rows.article("art", "A")
    names = [f"dev_{number:02x}ff" for number in (0x70, 0x7F, *range(0x20, 0x3E))]
    met = [
        rows.read(article, at, holder=f"device:{each}", wall=wall)
        for each in names
        for wall in ("register", "subscribe")
    ]
    clicks = [
        rows.checkout(rows.reader(), offer, at + DAY, reader_id=None, device_id=each)
        for each in names[1:9]
    ]
    await store(database, article, offer, *met, *clicks)
    day = str(BEGIN.date())
    what = asked(day, day, "day", now=at + 40 * DAY, zone="UTC", home=UTC_ZONE)
    async with database.reading() as session:
        by_source = await registration_funnel(session, replace(what, split="source"), 63)
        from_a_wall = await wall_funnel(session, what, 63)
    registration = {each.series: each.total for each in by_source}
    walls = {each.series: each.total for each in from_a_wall}
    assert (registration["met"].value, registration["registered"].whole) == (32, 2)
    assert [walls[name].value for name in ("met", "started", "paid")] == [32, 16, 16]
    assert (walls["started_rate"].part, walls["started_rate"].whole) == (1, 2)


@pytest.mark.parametrize(
    ("holders", "digits"),
    [((40_000, 0), 0), ((40_000, 1), 1), ((640_000, 0), 1), ((640_000, 1), 2)],
)
async def test_a_sample_of_days_has_not_too_many_holders(
    database: Database, holders: tuple[int, int], digits: int
) -> None:
    """Who came before in the period is one of them already; who came in an earlier period isn’t."""
    first, last = date(2026, 3, 2), date(2026, 3, 4)

    def came(day: date, previous: date, number: int, measure: str = ANY) -> HolderReturn:
        return HolderReturn(measure=measure, day=day, previous=previous, holders=number)

    on_first, on_last = holders
    await store(
        database, came(first, NEVER, on_first), came(last, first - DAY, on_last),
        came(last, first, 10_000_000), came(first - DAY, NEVER, 10_000_000),
        came(last, NEVER, 10_000_000, WALL),
    )  # fmt: skip
    async with database.reading() as session:
        assert await sample_of_days(session, first, last, MOST_IN_DAYS) == digits
