"""A period as a whole on the pages: no money is left out, and what is told apart is a table with links."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from service.operators.reports.board import all_tiles
from service.operators.reports.shown import articles, summary, tiles
from service.reports.asked import Asked
from service.reports.cells import Cell, Line, line_of, ratio
from service.reports.period import Period
from service.reports.registry import BY_SLUG
from service.reports.report_schemas import Report

ZONE = ZoneInfo("Europe/Lisbon")
PERIOD = Period(date(2026, 3, 1), date(2026, 3, 31), "month", ZONE, "before")
CURRENCIES = ("EUR", "USD")


def line(series: str, value: int, split: str = "", currency: str = "", article: str = "") -> Line:
    return line_of(
        lambda _: Cell(value), 1, series, split=split, currency=currency, article=article
    )


def report(slug: str, *lines: Line, before: tuple[Line, ...] = (), split: str = "") -> Report:
    asked = Asked(PERIOD, datetime(2026, 4, 1, tzinfo=UTC), ZONE, split)
    return Report(BY_SLUG[slug], asked, lines, None, before)


@pytest.mark.parametrize("slug", ["revenue", "mrr-movements"])
def test_the_first_page_leaves_out_no_money(slug: str) -> None:
    figure = BY_SLUG[slug]
    found = report(
        slug, *(line(each.key, 100, "", currency) for currency in CURRENCIES for each in figure.series)
    )  # fmt: skip
    shown = [each.words for each in all_tiles(found)]
    assert len(shown) == 2 * len(figure.series)
    assert len(set(shown)) == len(shown)
    last = figure.series[-1].words
    assert {f"{last}, EUR", f"{last}, USD"} <= set(shown)


def test_of_many_tiles_those_of_nothing_are_left_out() -> None:
    keys = [each.key for each in BY_SLUG["revenue"].series]
    found = report("revenue", *(line(key, n % 2 * 100, "", "EUR") for n, key in enumerate(keys)))
    assert [each.value for each in all_tiles(found)] == ["€1.00"] * (len(keys) // 2)


def test_two_tiles_never_have_one_name() -> None:
    both = [line("all", 900, "", currency) for currency in CURRENCIES]
    assert [each.words for each in tiles(report("mrr", *both))] == ["EUR", "USD"]
    assert [each.words for each in tiles(report("mrr", both[0]))] == ["MRR"]


def test_what_is_told_apart_is_a_row_with_all_that_is_counted_of_it() -> None:
    found = report(
        "promotions",
        line("used", 4, "SPRING"), line("paid", 1000, "SPRING", "EUR"), line("used", 2, "AUTUMN"),
        before=(line("used", 3, "SPRING"),), split="code",
    )  # fmt: skip
    table = summary(found)
    assert table.columns == ("Used", "Paid, EUR")
    assert [(name, [each.text for each in cells]) for name, cells in table.rows] == [
        ("SPRING", ["4", "€10.00"]), ("AUTUMN", ["2", "—"]),
    ]  # fmt: skip
    assert table.rows[0][1][0].before == "3"
    assert len(summary(found, 1).rows) == 1


def test_what_a_share_of_money_is_made_of_is_money() -> None:
    share = line_of(
        lambda _: ratio(32_400, 3_105_100, of="charge"), 1, "refunded_rate", currency="EUR"
    )
    (tile,) = tiles(report("refunds-and-disputes", share))
    assert tile.of == "€324.00 of €31,051.00"


def test_an_article_is_known_by_its_slug() -> None:
    found = report(
        "articles", line("sales", 2, "The flood", article="flood"), line("sales", 1, "art_9")
    )
    assert articles(found) == {"The flood": "flood"}
