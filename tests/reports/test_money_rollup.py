"""Money that is added up by day says what its rows say, also where they changed since."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from service.db.base import Base
from service.db.context import Context
from service.db.session import Database
from service.db.tables import (
    BalanceRow,
    BookedDay,
    ChargeRow,
    DisputeRow,
    DunningEpisode,
    InvoiceRow,
    MoneyBackDay,
    RefundRow,
    RevenueDay,
    Rollup,
)
from service.finance.changed_days import forget_changed_days
from service.finance.episodes import keep_episodes
from service.reports.cells import Line
from service.reports.money_rollup import forget_money, roll_up_money
from service.reports.queries import money_days
from service.reports.registry import BY_SLUG
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.reports.figures_asked import asked, lines_of, store
from tests.reports.money_histories import BEGIN, Told, sales, told
from tests.reports.sampled import sampled

LATER = BEGIN + timedelta(days=130)
ZONES = ("UTC", "Europe/Lisbon", "America/Santiago", "Pacific/Auckland")
FIGURES = ("revenue", "refunds-and-disputes", "dunning")
ADDED_UP = (BookedDay, RevenueDay, MoneyBackDay, DunningEpisode, Rollup)
SOME = sampled(2)
SALE = {
    "sold": "subscription", "offer": 0, "currency": "EUR", "method": "card", "country": "DE",
    "amount": 900, "fee": 50, "tax": 30, "hour": 240, "declines": [], "ends": "paid",
    "tried_again": False, "first_payment": False, "refunds": [(480, 100, "succeeded")],
    "dispute": (720, "lost"), "came_back": None,
}  # fmt: skip


def test_figures_are_the_same_with_and_without_it(database_url: str) -> None:
    @SOME
    @given(
        drawn=sales, seed=st.integers(0, 2**32), zone=st.sampled_from(ZONES),
        rolled=st.sampled_from(["before the changes", "again after them"]),
        days=st.sampled_from([1, 41, 66]), interval=st.sampled_from(["day", "week", "month"]),
    )  # fmt: skip
    def play(
        drawn: list[dict[str, Any]], seed: int, zone: str, rolled: str, days: int, interval: str,
    ) -> None:  # fmt: skip
        last = BEGIN.date() + timedelta(days=15 + days - 1)
        period = (str(BEGIN.date() + timedelta(days=15)), str(last), interval)
        again = rolled == "again after them"
        asyncio.run(_compare(database_url, told(drawn, []), seed, zone, period, again=again))

    play()


async def _compare(
    url: str, history: Told, seed: int, zone: str, period: tuple[str, str, str], *, again: bool
) -> None:  # fmt: skip
    database = Database(url)
    context = context_in(database, zone)
    try:
        await _store_and_change(context, history, Random(seed))  # noqa: S311
        if again:
            await roll_up_money(context)

        async def figures() -> list[list[Line]]:
            home = ZoneInfo(zone)
            return [
                await lines_of(database, slug, asked(*period, now=LATER, home=home, split=split))
                for slug in FIGURES
                for split in ("", *BY_SLUG[slug].splits)
            ]

        found = await figures()
        async with database.transaction() as session:
            await forget_money(session)
        assert found == await figures()
    finally:
        async with database.transaction() as session:
            tables: set[type[Base]] = {*ADDED_UP, *(type(each) for each in history.all())}
            for table in tables:
                await session.execute(delete(table))
        await database.dispose()


def context_in(database: Database, zone: str) -> Context:
    of = Settings(_env_file=None, database_url=database.url, time_zone=zone)
    return Context(of, MovingClocks(LATER), database)


async def _store_and_change(context: Context, history: Told, random: Random) -> None:
    """Some rows as they are, others as they were once when they are added up; these change then."""
    final = {_key(row): _values(row) for row in history.all()}
    early = {
        key: values
        for key, row in final.items()
        if (values := _once(key[0], row, random)) is not None
    }
    await store(context.database, *_rows(early))
    await roll_up_money(context)
    changed = {key: row for key, row in final.items() if early.get(key) != row}
    await _change(context, changed)


def _key(row: Base) -> tuple[type[Any], str]:
    return type(row), row.id  # type: ignore[attr-defined]


def _values(row: Base) -> dict[str, Any]:
    return {c.key: getattr(row, c.key) for c in row.__table__.columns}


def _rows(of: dict[tuple[type[Any], str], dict[str, Any]]) -> Iterable[Base]:
    return [table(**values) for (table, _), values in of.items()]


def _once(table: type[Any], row: dict[str, Any], random: Random) -> dict[str, Any] | None:
    """What was stored of the row before its last change; None: nothing."""
    before: dict[type[Any], list[dict[str, Any] | None]] = {
        InvoiceRow: [None, {"status": "open", "paid_at": None}, {"offer_id": None}],
        ChargeRow: [None, {"status": "pending"}, {"sold": "other", "offer_id": None, "invoice_id": None}],
        RefundRow: [None, {"status": "pending"}, {"status": "failed"}],
        DisputeRow: [None, {"status": "warning_needs_response"}],
        BalanceRow: [
            None, {"sold": "", "offer_id": None, "method": "", "country": "", "charge_id": None},
        ],
    }  # fmt: skip
    if table not in before or random.random() < 0.5:
        return row
    was = random.choice(before[table])
    return {**row, **was} if was is not None else None


async def _change(context: Context, changed: dict[tuple[type[Any], str], dict[str, Any]]) -> None:
    """As finance/ does: the rows, what they are about, and their marks in one transaction."""
    charges = {
        row["id"] if table is ChargeRow else row["charge_id"]
        for (table, _), row in changed.items()
        if table is not InvoiceRow
    }
    async with context.database.transaction() as session:
        for row in _rows(changed):
            await session.merge(row)
        await session.flush()
        paid = await session.scalars(select(ChargeRow.invoice_id).where(ChargeRow.id.in_(charges)))
        invoices = {each for each in paid if each} | {
            id_ for table, id_ in changed if table is InvoiceRow
        }
        await forget_changed_days(session, charges, invoices, context.settings.zone)
        await keep_episodes(session, invoices)


@pytest.fixture
async def context(database: Database) -> Context:
    return context_in(database, "UTC")


async def shown(context: Context, slug: str) -> dict[str, Any]:
    what = asked("2026-01-01", "2026-03-31", "month", now=LATER, home=context.settings.zone)
    lines = await lines_of(context.database, slug, what)
    return {line.series: line.total.value for line in lines}


@on_sqlite
async def test_what_is_added_up_is_what_a_figure_reads(context: Context) -> None:
    history = told([SALE], [])
    await store(context.database, *history.all())
    await roll_up_money(context)
    async with context.database.transaction() as session:
        await session.execute(update(RevenueDay).values(charged=RevenueDay.charged + 1))
        await session.execute(update(MoneyBackDay).values(number=MoneyBackDay.number + 1))
    revenue = await shown(context, "revenue")
    # A row each for the charge and the tax of one day, the refund and the dispute.
    assert revenue["subscriptions"] == 900 + 3
    assert (await shown(context, "refunds-and-disputes"))["refunds"] == 2


@on_sqlite
async def test_each_night_a_month_is_added_up_anew(context: Context) -> None:
    """The release before this one changes rows and leaves the marks."""
    history = told([{**SALE, "hour": 129 * 24, "refunds": [], "dispute": None},
                    {**SALE, "refunds": [], "dispute": None}], [])  # fmt: skip
    await store(context.database, *history.all())
    await roll_up_money(context)
    async with context.database.transaction() as session:
        await session.execute(update(BalanceRow).values(net=7))
    said: list[str] = []
    await roll_up_money(context, said.append)
    assert said == []
    assert isinstance(context.clocks, MovingClocks)
    context.clocks.travel(timedelta(days=1))
    await roll_up_money(context, said.append)
    assert said[0] == "money of 2026-05-05 to 2026-05-11 added up"
    assert said[-1] == "money of 2026-04-11 to 2026-04-13 added up"
    async with context.database.reading() as session:
        nets = select(RevenueDay.net).order_by(RevenueDay.day.desc())
        assert list(await session.scalars(nets)) == [7, 850]


@on_sqlite
async def test_another_zone_begins_anew(context: Context) -> None:
    await store(context.database, *told([SALE], []).all())
    await roll_up_money(context)
    lisbon = context_in(context.database, "America/Santiago")
    before = await shown(context, "revenue")
    await roll_up_money(lisbon)
    async with context.database.reading() as session:
        assert await session.scalar(select(Rollup.zone)) == "America/Santiago"
    assert await shown(lisbon, "revenue") == await shown(context, "revenue") == before


@on_sqlite
async def test_where_too_much_is_not_added_up_all_comes_from_rows(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(context.database, *told([SALE], []).all())
    await roll_up_money(context)
    before = await shown(context, "revenue")
    async with context.database.transaction() as session:
        await session.execute(delete(BookedDay).where(func.strftime("%d", BookedDay.day) == "05"))
        await session.execute(delete(RevenueDay))
    monkeypatch.setattr(money_days, "MOST_RANGES", 1)
    assert await shown(context, "revenue") == before
