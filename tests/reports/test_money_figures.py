"""Figures of money, on both databases, against their rows counted again in plain Python."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from service.db.session import Database
from service.reports.asked import Asked
from service.reports.cells import Line
from service.reports.period import NotAsked
from service.reports.registry import BY_SLUG
from tests.reports.figures_asked import asked, lines_of, store, totals, values
from tests.reports.lists_behind import lists_agree
from tests.reports.money_histories import BEGIN, Key, Oracle, Told, paid_out, sales, share, told
from tests.reports.sampled import sampled
from tests.reports.test_sql_views import QUERIES, agree

LATER = BEGIN + timedelta(days=400)
ZONES = ("UTC", "Europe/Lisbon", "America/Santiago", "Pacific/Auckland")
SOME = sampled(2)


def test_figures_are_what_the_rows_say(database_url: str) -> None:
    @SOME
    @given(
        drawn=sales, payouts=paid_out, start=st.sampled_from([0, 15, 40]),
        days=st.sampled_from([1, 41, 66]), interval=st.sampled_from(["day", "week", "month"]),
        zone=st.sampled_from(ZONES), listed=st.sampled_from(("", "plan", "currency")),
    )  # fmt: skip
    def play(
        drawn: list[dict[str, Any]], payouts: list[tuple[int, int, str, str]], start: int, days: int,
        interval: str, zone: str, listed: str,
    ) -> None:  # fmt: skip
        first = BEGIN.date() + timedelta(days=start)
        period = (str(first), str(first + timedelta(days=days - 1)), interval)
        asyncio.run(_compare(database_url, told(drawn, payouts), period, zone, listed))

    play()


async def _compare(
    url: str, history: Told, period: tuple[str, str, str], zone: str, listed: str
) -> None:
    database = Database(url)
    everything = list(history.all())
    try:
        await store(database, *everything)
        # What is stored belongs to its session no more: read it as it was written.
        unsplit = asked(*period, now=LATER, zone=zone)
        for split in ("", *BY_SLUG["revenue"].splits):
            what = replace(unsplit, split=split)
            await _of_sales(database, what, Oracle(history, what.period, ZoneInfo(zone), split))
        for split in ("", *BY_SLUG["dunning"].splits):
            what = replace(unsplit, split=split)
            found = await lines_of(database, "dunning", what)
            of = Oracle(history, what.period, ZoneInfo(zone), split)
            _same([each for each in found if each.series != "rate"], of.dunning())
        for slug in ("refunds-and-disputes", "dunning"):
            await lists_agree(database, slug, replace(unsplit, split=listed))
        oracle = Oracle(history, unsplit.period, ZoneInfo(zone), "")
        _same(await lines_of(database, "payouts", unsplit), oracle.payouts())
        for slug in ("revenue", "refunds-and-disputes", "dunning", "payouts"):
            await agree(database, slug, QUERIES[slug], unsplit)
    finally:
        async with database.transaction() as session:
            for table in {type(each) for each in everything}:
                await session.execute(delete(table))
        await database.dispose()


async def _of_sales(database: Database, what: Asked, oracle: Oracle) -> None:
    revenue = await lines_of(database, "revenue", what)
    _same(revenue, oracle.revenue())
    _adds_up(revenue)
    back = await lines_of(database, "refunds-and-disputes", what)
    expected = oracle.money_back()
    _same([each for each in back if "rate" not in each.series], expected)
    _rates(back, expected)


def _same(lines: list[Line], expected: Mapping[Key, int]) -> None:
    found = {
        (line.series, line.split, line.currency, number): cell.value
        for line in lines
        for number, cell in (*enumerate(line.cells), (None, line.total))
        if cell.value
    }
    assert found == {key: value for key, value in expected.items() if value}


def _adds_up(lines: list[Line]) -> None:
    """Charged, less what went back and what it cost, is exactly what is left."""
    by: dict[tuple[str, str], dict[str, Any]] = {}
    for line in lines:
        by.setdefault((line.split, line.currency), {})[line.series] = line.total.value
    for of in by.values():
        charged = of["subscriptions"] + of["passes"] + of["gifts"]
        assert charged - of["refunded"] - of["disputed"] - of["fees"] == of["net"]


def _rates(lines: list[Line], expected: Mapping[Key, int]) -> None:
    def of(series: str, line: Line, number: int | None) -> int:
        return expected.get((series, line.split, line.currency, number), 0)

    for line in lines:
        for number, cell in (*enumerate(line.cells), (None, line.total)):
            match line.series:
                case "refund_rate" | "dispute_rate":
                    part = of(line.series.replace("_rate", "s"), line, number)
                    assert cell.value == share(part, of("charges", line, number))
                case "refunded_rate" | "disputed_rate":
                    part = of(line.series.removesuffix("_rate"), line, number)
                    whole = of("charged", line, number)
                    assert cell.value == (Fraction(part, whole) if whole else None)
                case _:
                    continue


async def test_currencies_never_mix_and_yen_have_no_cents(database: Database) -> None:
    """¥1000 less ¥59 and a tenth of it is ¥936; 9.00 EUR less 0.62 is 8.38."""
    base = {
        "sold": "subscription", "offer": 0, "method": "card", "country": "JP", "tax": 0, "hour": 900,
        "declines": [], "ends": "paid", "tried_again": False, "first_payment": False, "refunds": [],
        "dispute": None, "came_back": None,
    }  # fmt: skip
    history = told(
        [
            {**base, "currency": "JPY", "amount": 1000, "fee": 64},
            {**base, "currency": "EUR", "amount": 900, "fee": 62},
        ],
        [],
    )
    await store(database, *history.all())
    what = asked("2026-02-01", "2026-02-28", "month", now=LATER)
    found = values(await lines_of(database, "revenue", what))
    assert found["net", "", "JPY"] == [936, 936]
    assert found["net", "", "EUR"] == [838, 838]
    assert {currency for _, _, currency in found} == {"JPY", "EUR"}


async def test_nothing_is_known_of_nothing(database: Database) -> None:
    what = asked("2026-02-01", "2026-02-28", "month", now=LATER)
    assert await lines_of(database, "revenue", what) == []
    found = totals(await lines_of(database, "dunning", what))
    assert (found["begun"].value, found["rate"].value) == (0, None)
    assert found["rate"].why == "There was nothing to divide by."


async def test_what_a_figure_cannot_be_split_by_is_refused(database: Database) -> None:
    for slug, split in (("revenue", "decline"), ("payouts", "method"), ("dunning", "method")):
        with pytest.raises(NotAsked):
            await lines_of(database, slug, asked("2026-02-01", "2026-02-28", split=split))
