"""Totals over currencies: worked examples, and again in plain Python from random lines."""

from datetime import date, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.db.session import Database
from service.db.tables import ExchangeRate, PayoutRow
from service.reports.cells import NOT_YET, Cell, Line
from service.reports.conversion import Rate, Rates, totals
from service.reports.period import Period, parse_period
from service.reports.report import report_on
from tests.reports import rows
from tests.reports.figures_asked import HOME, asked, store
from tests.reports.rows import NOW

ZONE = ZoneInfo("Europe/Lisbon")
DAY = timedelta(days=1)
JAN, FEB = date(2026, 1, 1), date(2026, 2, 1)
RATES = [
    Rate("CHF", "EUR", JAN, Fraction("1.05")), Rate("CHF", "EUR", FEB, Fraction("1.10")),
    Rate("JPY", "EUR", FEB, Fraction("0.006")),
]  # fmt: skip


def line(currency: str, *values: int | None, split: str = "") -> Line:
    cells = tuple(Cell(each, NOT_YET if each is None else "") for each in values)
    begun = [each for each in values if each is not None]
    return Line("all", cells, Cell(begun[-1]), split, currency)


def period() -> Period:
    fields = {"from": "2026-01-01", "to": "2026-03-31", "interval": "month"}
    return parse_period(fields, today=date(2026, 3, 10), zone=ZONE)


@pytest.mark.parametrize(
    ("lines", "adds_up", "cells", "whole"),
    [
        # 10.00 + 1.05 × 2.00 = 12.10; from February on 10.00 + 1.10 × 2.00 = 12.20.
        ([line("EUR", 1000, 1000, 1000), line("CHF", 200, 200, 200)], False,
         [1210, 1220, 1220], 1220),
        ([line("EUR", 1000, 1000, 1000), line("CHF", 200, 200, 200)], True,
         [1210, 1220, 1220], 3650),
        # ¥500 is 3.00 in February; in January there is no rate, and no total.
        ([line("EUR", 100, 100, 100), line("JPY", 500, 500, 500)], False, [None, 400, 400], 400),
        ([line("EUR", 100, 100, 100), line("JPY", 500, 500, 500)], True, [None, 400, 400], None),
        # Nothing in a currency needs no rate; a step that hasn't begun has no total, and the period has.
        ([line("JPY", 0, 500, 500)], True, [0, 300, 300], 600),
        ([line("CHF", 200, 200, None)], True, [210, 220, None], 430),
        # All in the total's currency: there is nothing to convert.
        ([line("EUR", 1, 1, 1)], False, [], None),
        ([line("USD", 1, 1, 1)], False, [None, None, None], None),
    ],
)  # fmt: skip
def test_worked_examples(
    lines: list[Line], adds_up: bool, cells: list[int | None], whole: int | None
) -> None:
    found = totals(lines, period(), Rates(RATES), date(2026, 3, 10), adds_up=adds_up)
    if not cells:
        assert found == []
        return
    (only,) = found
    assert (only.currency, [each.value for each in only.cells], only.total.value) == (
        "EUR", cells, whole,
    )  # fmt: skip


def test_a_missing_rate_is_named() -> None:
    (found,) = totals([line("USD", 1, 1, 1)], period(), Rates(RATES), date(2026, 3, 10), adds_up=False)  # fmt: skip
    assert [each.why for each in found.cells] == [
        "There is no rate from USD to EUR on 2026-01-31.",
        "There is no rate from USD to EUR on 2026-02-28.",
        "There is no rate from USD to EUR on 2026-03-10.",
    ]


@settings(max_examples=60, deadline=None)
@given(
    rates=st.lists(
        st.builds(
            Rate, st.sampled_from(["CHF", "USD"]), st.sampled_from(["EUR", "CHF"]),
            st.integers(0, 80).map(lambda days: JAN + days * DAY),
            st.integers(1, 300).map(lambda hundredths: Fraction(hundredths, 100)),
        ),
        max_size=6, unique_by=lambda each: (each.currency, each.into, each.day),
    ),
    values=st.lists(
        st.tuples(
            st.sampled_from(["EUR", "CHF", "USD"]), st.sampled_from(["a", "b"]),
            st.lists(st.integers(-999, 999), min_size=3, max_size=3),
        ),
        max_size=5, unique_by=lambda each: each[:2],
    ),
)  # fmt: skip
def test_again_in_plain_python(
    rates: list[Rate], values: list[tuple[str, str, list[int]]]
) -> None:  # fmt: skip
    lines = [line(currency, *each, split=split) for currency, split, each in values]
    found = totals(lines, period(), Rates(rates), date(2026, 3, 31), adds_up=True)
    ends = [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)]
    for each in found:
        for step, end in enumerate(ends):
            expected: Fraction | None = Fraction(0)
            for currency, split, amounts in values:
                if split != each.split or not amounts[step] or expected is None:
                    continue
                known = [r for r in rates if (r.currency, r.into) == (currency, each.currency) and r.day <= end]  # fmt: skip
                if currency == each.currency:
                    expected += amounts[step]
                elif not known:
                    expected = None
                else:
                    expected += amounts[step] * max(known, key=lambda r: r.day).rate
            assert each.cells[step].value == expected


def rate(currency: str, text: str, day: date = JAN) -> ExchangeRate:
    return ExchangeRate(
        currency=currency, into="EUR", day=day, rate=text, entered_by="operator", entered_at=NOW
    )


async def test_reports_have_totals_where_currencies_are_not_told_apart(database: Database) -> None:
    offers = [rows.offer(currency=each, amount=900) for each in ("EUR", "CHF")]
    reader = rows.reader()
    bought = [rows.subscription(reader, each) for each in offers]
    payout = PayoutRow(
        id="po_1", amount=1000, currency="CHF", status="paid", failure="", is_automatic=True,
        created_at=NOW, arrives_at=NOW, asked_at=NOW,
    )  # fmt: skip
    await store(
        database, reader, *offers, *bought, payout, rate("CHF", "1.05"), rate("CHF", "1.1", FEB),
        *(rows.movement(each, 1, NOW - 20 * DAY) for each in bought),
    )  # fmt: skip
    march = ("2026-03-01", "2026-03-31", "month")

    async def total(slug: str, split: str = "", **chosen: str) -> list[object]:
        async with database.reading() as session:
            found = await report_on(
                session, slug, asked(*march, split=split, now=NOW, zone="", home=HOME, **chosen)
            )
        return [each.total.value for each in found.converted]

    assert await total("mrr") == [1890]
    assert await total("arr") == [12 * 1890]
    assert await total("payouts") == [1100]
    assert await total("mrr", split="plan") == [1890]
    assert await total("mrr", split="currency") == []
    assert await total("mrr", currency="CHF") == []
    assert await total("arpu") == []
    assert await total("mrr-movements") == []
