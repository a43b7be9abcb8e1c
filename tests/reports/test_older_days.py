"""Days that an older definition counted are counted anew, some each round; on both databases."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.session import Database
from service.db.tables import (
    AccessEntry,
    ArticleSaleDay,
    HabitDay,
    HolderDay,
    HolderReturn,
    RolledDay,
)
from service.problems import Problem
from service.reports import article_sale_rollup, day_rollup, returns
from service.reports.article_sale_rollup import count_article_sales
from service.reports.day_rollup import count_days, count_past_habits
from service.reports.older_days import count_older_days
from service.reports.queries import article_sales
from service.reports.rebuild import rebuild
from service.reports.rollups import roll_up
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.figures_asked import HOME, asked, lines_of, store, values
from tests.reports.rows import NOW

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FORMERLY = 99
"""What the older definition is said to have counted."""


@pytest.fixture
async def context(database: Database, settings: Settings, clocks: MovingClocks) -> Context:
    """Three days, of 7 to 9 March. On each a reader meets a wall, subscribes and buys a gift; all is counted."""
    offer, present, reader, article = (
        rows.offer(), rows.offer(kind="gift"), rows.reader(), rows.article("a", "A"),
    )  # fmt: skip
    days = [NOW - n * DAY for n in (3, 2, 1)]
    await store(
        database, offer, present, reader, article,
        *(rows.read(article, at, reader_id=reader.id, wall="subscribe") for at in days),
        *(rows.checkout(reader, each, at + HOUR) for at in days for each in (offer, present)),
    )  # fmt: skip
    clocks.time = NOW
    context = Context(settings.model_copy(update={"time_zone": HOME.key}), clocks, database)
    await roll_up(context)
    await count_days(context)
    await count_article_sales(context)
    return context


async def _as_counted_before(database: Database) -> None:
    """By a release that knew no gifts, and long ago."""
    async with database.transaction() as session:
        await session.execute(update(ArticleSaleDay).values(sold=FORMERLY, gifts=0))
        await session.execute(update(HolderReturn).values(holders=FORMERLY))
        await session.execute(delete(HolderReturn).where(HolderReturn.measure == "giving"))
        await session.execute(update(RolledDay).values(counted_version=1, sales_version=1))


async def _counted(database: Database) -> list[Any]:
    async with database.reading() as session:
        sold = select(ArticleSaleDay.day, ArticleSaleDay.sold, ArticleSaleDay.gifts)
        returns = select(HolderReturn.day, HolderReturn.measure, HolderReturn.holders)
        found = [*await session.execute(sold), *await session.execute(returns)]
    return sorted(tuple(map(str, each)) for each in found)


async def _versions(database: Database) -> list[tuple[int, int]]:
    """The latest day first."""
    async with database.reading() as session:
        row = RolledDay
        found = await session.execute(
            select(row.counted_version, row.sales_version).order_by(row.day.desc())
        )
        return [(counted, sales) for counted, sales in found]


async def test_they_are_counted_anew_long_after_they_were_settled(
    context: Context, database: Database, clocks: MovingClocks
) -> None:
    """The latest first, one or two a round here."""
    now = await _counted(database)
    clocks.travel(300 * DAY)
    for at_once, rounds in ((1, 3), (2, 2)):
        await _as_counted_before(database)
        before = date.max
        for number in range(1, rounds + 1):
            before = await count_older_days(context, before, at_once=at_once)
            done = min(at_once * number, 3)
            versions = await _versions(database)
            assert versions == [(2, 2)] * done + [(1, 1)] * (3 - done)
        assert await _counted(database) == now


@on_sqlite
async def test_a_night_does_not_wait_for_them(
    context: Context, database: Database, clocks: MovingClocks
) -> None:
    """Yesterday's holders, habits and sales are counted while years of days are of an older definition."""
    clocks.travel(300 * DAY)
    today, yesterday = clocks.time.date(), clocks.time.date() - DAY
    await _as_counted_before(database)
    await store(database, RolledDay(day=yesterday, rows=0, rolled_at=clocks.time))
    await count_days(context)
    await count_article_sales(context)
    assert (await _versions(database))[1:] == [(1, 1)] * 3
    async with database.reading() as session:
        habits = await session.get(HabitDay, yesterday)
        day = await session.get_one(RolledDay, yesterday)
    assert habits is not None
    assert (day.counted_on, day.depths_counted_on, day.sales_counted_on) == (today, today, today)


async def test_what_looked_back_to_deleted_days_has_new_buyers_and_former_holders(
    context: Context, database: Database, clocks: MovingClocks
) -> None:
    """The first day of the three is deleted, of holders and of the ledger."""
    clocks.travel(300 * DAY)
    await _as_counted_before(database)
    first = (NOW - 3 * DAY).date()
    async with database.transaction() as session:
        for table in (AccessEntry, HolderDay):
            await session.execute(delete(table).where(table.day == first))
    assert await count_older_days(context) == date.max
    found = values(
        await lines_of(
            database, "funnel", asked("2026-03-07", "2026-03-09", "day", now=clocks.time)
        )
    )
    one_buyer = [1, 1, 1, 1]
    assert [found[name, "", ""] for name in ("started", "paid", "gifts")] == [one_buyer] * 3
    assert found["walled", "", ""] == [FORMERLY] * 4
    async with database.reading() as session:
        sold = list(await session.scalars(select(ArticleSaleDay.sold).order_by(ArticleSaleDay.day)))
    assert sold == [FORMERLY, 1, 1]
    assert await _versions(database) == [(2, 2), (2, 2), (2, 1)]
    before = await _counted(database)
    await count_older_days(context)
    assert await _counted(database) == before


@on_sqlite
async def test_a_day_that_takes_too_long_holds_up_no_other(
    context: Context, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _as_counted_before(database)
    slow = (NOW - DAY).date()

    async def returns_of(session: AsyncSession, zone: Any, days: list[date]) -> Any:
        if days == [slow]:
            raise Problem("takes-too-long")
        return await returns.returns_of(session, zone, days)

    monkeypatch.setattr(day_rollup, "returns_of", returns_of)
    before = date.max
    for _ in range(3):
        before = await count_older_days(context, before, at_once=1)
    assert [counted for counted, _ in await _versions(database)] == [1, 2, 2]
    assert await count_older_days(context, before, at_once=1) == date.max
    monkeypatch.undo()
    await count_older_days(context, at_once=1)
    assert [counted for counted, _ in await _versions(database)] == [2, 2, 2]


@on_sqlite
async def test_no_sales_wait_behind_those_of_a_day_that_takes_too_long(
    context: Context, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latest day comes first, and is the slow one."""
    now = await _counted(database)
    slow = (NOW - DAY).date()
    async with database.transaction() as session:
        await session.execute(delete(ArticleSaleDay))
        await session.execute(update(RolledDay).values(sales_counted_on=None))

    async def sold_on(session: AsyncSession, day: date, zone: Any) -> Any:
        if day == slow:
            raise Problem("takes-too-long")
        return await article_sales.sold_on(session, day, zone)

    monkeypatch.setattr(article_sale_rollup, "sold_on", sold_on)
    await count_article_sales(context)
    async with database.reading() as session:
        missing = select(RolledDay.day).where(RolledDay.sales_counted_on.is_(None))
        assert list(await session.scalars(missing)) == [slow]
    monkeypatch.undo()
    await count_article_sales(context)
    assert await _counted(database) == now


async def test_a_rebuild_counts_all_of_them(context: Context, database: Database) -> None:
    now = await _counted(database)
    await _as_counted_before(database)
    await rebuild(context, lambda _: None)
    assert await _counted(database) == now


async def _lacking_habits(database: Database, clocks: MovingClocks, number: int) -> list[date]:
    """This many settled days before the three, without reads."""
    clocks.travel(300 * DAY)
    first = (NOW - 3 * DAY).date()
    days = [first - n * DAY for n in range(number, 0, -1)]
    await store(database, *(RolledDay(day=each, rows=0, rolled_at=clocks.time) for each in days))
    return days


async def _habit_days(database: Database) -> set[date]:
    async with database.reading() as session:
        return set(await session.scalars(select(HabitDay.day)))


@on_sqlite
async def test_habits_of_past_days_are_counted_some_a_round_after_all_else(
    context: Context, database: Database, clocks: MovingClocks
) -> None:
    """The latest first; the night's own count looks at none of them."""
    had = await _habit_days(database)
    days = await _lacking_habits(database, clocks, 3)
    await count_days(context)
    assert await _habit_days(database) == had
    assert await count_past_habits(context, at_once=2)
    assert await _habit_days(database) == had | {*days[1:]}
    assert not await count_past_habits(context, at_once=2)
    assert await _habit_days(database) == had | {*days}


@on_sqlite
async def test_what_an_earlier_release_notes_beside_this_one_is_counted(
    context: Context, database: Database, clocks: MovingClocks
) -> None:
    """It counts habits of no past day but the ends of weeks and months, and notes that it did; what it counted stays."""
    had = await _habit_days(database)
    days = await _lacking_habits(database, clocks, 3)
    assert not await count_past_habits(context)
    row, whole = RolledDay, had | {*days}
    async with database.transaction() as session:
        for day in days[:2]:
            await session.execute(delete(HabitDay).where(HabitDay.day == day))
        noted = {"habits_counted_on": clocks.time.date(), "habits_version": 0}
        await session.execute(update(row).where(row.day.in_(days)).values(noted))
        await session.execute(
            update(HabitDay).where(HabitDay.day == days[2]).values(readers=FORMERLY)
        )
    assert not await count_past_habits(context)
    assert await _habit_days(database) == whole
    async with database.reading() as session:
        assert (await session.get_one(HabitDay, days[2])).readers == FORMERLY


@on_sqlite
async def test_habits_that_take_too_long_end_a_round(
    context: Context, database: Database, clocks: MovingClocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together once, then each by itself; of what took too long it is noted, and the next round is of others."""
    had = await _habit_days(database)
    days = await _lacking_habits(database, clocks, 4)
    tried: list[list[date]] = []

    async def too_slow(session: AsyncSession, what: Any, some: list[date]) -> Any:
        tried.append([*some])
        raise Problem("takes-too-long")

    monkeypatch.setattr(day_rollup, "habits_of", too_slow)
    assert await count_past_habits(context, at_once=2)
    assert tried == [days[2:], days[2:3], days[3:]]
    tried.clear()
    assert await count_past_habits(context, at_once=2)
    assert not await count_past_habits(context, at_once=2)
    assert tried == [days[:2], days[:1], days[1:2]]
    assert await _habit_days(database) == had
