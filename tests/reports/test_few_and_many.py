"""What is looked up one by one where it is many gives the same as where it is few."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import String, cast, null, select, union_all

from service.db.context import Context
from service.db.session import Database
from service.db.tables import (
    CheckoutTouches,
    FewHabit,
    MovementRow,
    Reader,
)
from service.reports.day_rollup import count_days
from service.reports.few_readers import FEW, is_among, is_named
from service.reports.led import SOURCES
from service.reports.movement_list import list_movements
from service.reports.queries.listed_habits import SEARCHED, habit_rows
from service.reports.rollups import roll_up
from service.reports.source_rollup import BY_SOURCE
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.reports import rows
from tests.reports.figures_asked import HOME, asked, store
from tests.reports.rolled import context_in
from tests.reports.rows import NOW
from tests.statements import statements

MARCH = asked("2026-03-01", "2026-03-31")


@pytest.mark.parametrize("few", [0, FEW])
async def test_few_who_read_often_are_named(database: Database, few: int) -> None:
    """To look up on how many days each of a million readers read took longer than a statement may."""
    days = [NOW - timedelta(days=each) for each in range(1, 21)]
    offer, article = rows.offer(), rows.article("a", "A")
    both = [rows.reader(pseudonym=f"ctm_{each}") for each in range(2)]
    bought = [rows.subscription(each, offer) for each in both]
    paid = [
        rows.movement(each, 1, NOW - timedelta(days=90), customer=reader.pseudonym)
        for each, reader in zip(bought, both, strict=True)
    ]
    reads = [rows.read(article, day, holder=f"reader:{both[0].id}") for day in days]
    await store(database, offer, article, *both, *bought, *paid, *reads)
    for series in ("days_20", "days_1"):
        async with database.reading() as session:
            listed = await habit_rows(session, MARCH, (series,), few=few)
            found = [row.reader_id for row in await session.execute(listed)]
        assert found == ([both[0].id] if series == "days_20" else [])
        assert ("readers.id IN" in str(listed)) == bool(few or not found)


async def test_few_who_read_often_are_noted_each_night(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    """To find them in all that was read in a month took three seconds of a processor. Many aren't noted."""
    article, offer = rows.article("a", "A"), rows.offer()
    often, seldom = (rows.reader(pseudonym=f"ctm_{each}") for each in range(2))
    bought = {each.id: rows.subscription(each, offer) for each in (often, seldom)}
    paid = [
        rows.movement(bought[each.id], 1, NOW - timedelta(days=90), customer=each.pseudonym)
        for each in (often, seldom)
    ]
    reads = [
        rows.read(article, NOW - timedelta(days=day), holder=f"reader:{reader.id}")
        for reader, days in ((often, range(1, 21)), (seldom, (*range(31, 40), 1)))
        for day in days
    ]
    await store(database, article, offer, often, seldom, *bought.values(), *paid, *reads)
    expected = {"at_risk": [seldom.id], "days_1": [seldom.id], "days_20": [often.id]}
    assert await _who_reads(database) == (expected, True)
    clocks.time = NOW
    context = Context(settings.model_copy(update={"time_zone": HOME.key}), clocks, database)
    await roll_up(context)
    await count_days(context)
    assert await _who_reads(database) == (expected, False)
    clocks.time = NOW + timedelta(days=1)
    article_read = rows.read(article, NOW, holder=f"reader:{seldom.id}")
    await store(database, article_read)
    await roll_up(context)
    await count_days(context)
    async with database.reading() as session:
        assert set(await session.scalars(select(FewHabit.day))) == {NOW.date()}


async def _who_reads(database: Database) -> tuple[dict[str, list[str]], bool]:
    """By series who is listed, and whether days of others were looked through for them."""
    with statements() as sent:
        async with database.reading() as session:
            found = {
                series: [
                    row.reader_id
                    for row in await session.execute(await habit_rows(session, MARCH, (series,)))
                ]
                for series in SEARCHED
            }
    return {series: each for series, each in found.items() if each}, any(
        "days_read" in each for each in sent
    )


@pytest.mark.parametrize("query", ["ana@", "example.org", "rdr_ana", "sub_ben", "cus_ben", "%"])
async def test_few_and_many_are_the_same_readers(database: Database, query: str) -> None:
    """Those who are named in the statement, and those who are looked up one by one."""
    ana, ben = (
        rows.reader(id=f"rdr_{name}", email=f"{name.title()}@example.org")
        for name in ("ana", "ben")
    )
    offer = rows.offer()
    bought = rows.subscription(ben, offer)
    bought.id, bought.customer_id = "sub_ben", "cus_ben"
    await store(database, ana, ben, offer, bought)
    found: list[list[str]] = []
    async with database.reading() as session:
        for few in (0, 5):
            fits = await is_named(session, query, few=few)
            found.append(
                [*await session.scalars(select(Reader.id).where(fits).order_by(Reader.id))]
            )
    expected = {
        "ana@": ["rdr_ana"],
        "rdr_ana": ["rdr_ana"],
        "%": [],
        "example.org": ["rdr_ana", "rdr_ben"],
    }
    assert found == [expected.get(query, ["rdr_ben"])] * 2


@pytest.mark.parametrize("few", [0, 1, 2, 3, 5, 6])
async def test_readers_named_often_or_not_at_all_leave_nobody_out(
    database: Database, few: int
) -> None:
    """As of subscriptions, of which one reader has several, and of checkouts, which may be nobody's."""
    three = [rows.reader(id=f"rdr_{name}") for name in ("ana", "ben", "cem")]
    await store(database, *three)
    of_checkouts = (null(), "rdr_ana", "rdr_ana", "rdr_ana", "rdr_ben", null())
    ids = union_all(*(select(cast(each, String).label("id")) for each in of_checkouts)).subquery()
    async with database.reading() as session:
        fits = await is_among(session, select(ids.c.id), few=few)
        found = await session.scalars(select(Reader.id).where(fits).order_by(Reader.id))
        assert [*found] == ["rdr_ana", "rdr_ben"]


@pytest.mark.parametrize("name", SOURCES)
async def test_few_and_many_are_the_same_movements(database: Database, name: str) -> None:
    """By what led there: added up, added up before an erasure, to be added up, and after an erasure added up no more."""
    offer, value = rows.offer(), "elsewhere"
    readers = [rows.reader(id=f"rdr_{number}") for number in range(5)]
    bought = [rows.subscription(each, offer) for each in readers]
    checkouts = [
        rows.checkout(reader, offer, NOW, stripe_subscription_id=each.id)
        for reader, each in zip(readers, bought, strict=True)
    ]
    led = {"first_source": value, "last_source": value, "first_campaign": value}
    touches = [
        CheckoutTouches(checkout_id=each.id, first_at=NOW, last_at=NOW, **(led if number else {}))
        for number, each in enumerate(checkouts)
    ]

    def movements(number: int, which: int) -> MovementRow:
        make = rows.movement if which == 1 else rows.ending
        return make(bought[number], which, NOW - timedelta(hours=number), customer=f"ctm_{number}")

    await store(database, offer, *readers, *bought, *checkouts, *touches)
    await store(database, *(movements(number, 1) for number in (0, 1, 2, 4)))
    await BY_SOURCE.roll_up(context_in(database, HOME))
    async with database.transaction() as session:
        for number in (2, 4):
            await session.delete(await session.get_one(CheckoutTouches, checkouts[number].id))
    await store(database, movements(3, 1), movements(4, 2))
    found = []
    async with database.reading() as session:
        for few in (0, FEW):
            what = replace(MARCH, chosen={name: value})
            page = await list_movements(session, what, None, cursor=None, limit=9, few=few)
            found.append([(each.row.subscription_id, each.row.number) for each in page.items])
    expected = [(1, 1), (2, 1), (3, 1), (4, 2), (4, 1)]
    assert found == [[(bought[number].id, which) for number, which in expected]] * 2
