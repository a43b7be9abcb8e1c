"""Worked examples of the sources that the definitions follow, each with its arithmetic."""

from datetime import timedelta
from fractions import Fraction

import pytest

from service.reports import growth
from service.reports.cells import Line
from service.reports.period import parse_period
from service.reports.tallies import BEFORE, Tallies
from tests.reports.figures_asked import HOME, totals
from tests.reports.rows import NOW

KEY = ("", "USD")


def money(opening: int, **changes: int) -> Tallies:
    """One step with these movements, after `opening`."""
    found = Tallies(1)
    found.add(KEY, "new", BEFORE, opening)
    for kind, amount in changes.items():
        found.add(KEY, kind, 0, amount)
    return found


def readers(opening: int, **changes: int) -> Tallies:
    return money(opening, **changes)


def value(lines: list[Line], series: str = "all") -> Fraction | int | None:
    return totals(lines)[series].value


def test_chartmoguls_mrr_churn() -> None:
    """100 at the start; 10 lost to churn, 10 to contraction; one customer pays 10 more.

    Gross: (10 + 10) ÷ 100 = 20 %. Net: ((10 + 10) − (10 + 0)) ÷ 100 = 10 %.
    Retained: 1 − 20 % = 80 % gross, 1 − 10 % = 90 % net.
    """
    lines = growth.mrr_churn(money(100, churn_voluntary=-10, contraction=-10, expansion=10))
    assert value(lines, "gross") == Fraction(20, 100)
    assert value(lines, "net") == Fraction(10, 100)
    assert value(lines, "gross_retained") == Fraction(80, 100)
    assert value(lines, "net_retained") == Fraction(90, 100)


def test_new_mrr_and_pauses_are_in_no_churn() -> None:
    """(0 + 10) ÷ 100, whatever is new or paused."""
    lines = growth.mrr_churn(money(100, new=50, pause=-30, resume=5, churn_involuntary=-10))
    assert (value(lines, "gross"), value(lines, "net")) == (Fraction(1, 10), Fraction(1, 10))


def test_net_churn_below_zero() -> None:
    """(5 − (20 + 5)) ÷ 100 = −20 %: those who stayed pay more than was lost; 120 % are retained."""
    lines = growth.mrr_churn(money(100, contraction=-5, expansion=20, reactivation=5))
    assert value(lines, "net") == Fraction(-20, 100)
    assert value(lines, "net_retained") == Fraction(120, 100)


def test_the_quick_ratio() -> None:
    """New 20,000, expansion 8,000, churn 5,000, contraction 3,000: (20 + 8) ÷ (5 + 3) = 3.5."""
    lines = growth.quick_ratio(
        money(0, new=20000, expansion=8000, churn_voluntary=-5000, contraction=-3000)
    )
    assert value(lines) == Fraction(7, 2)
    assert totals(growth.quick_ratio(money(0, new=1)))["all"].why == (
        "There is no lost MRR to divide by."
    )


def test_subscriber_churn_by_both_denominators() -> None:
    """100 active, 25 join, 3 leave by choice and 2 because payments failed; one more pauses.

    ChartMogul: (3 + 2) ÷ 100 = 5 %. Stripe: (3 + 2) ÷ (100 + 25) = 4 %.
    """
    lines = growth.subscriber_churn(
        readers(100, new=20, reactivated=5, voluntary=-3, involuntary=-2, paused=-1)
    )
    assert value(lines) == Fraction(5, 100)
    assert value(lines, "voluntary") == Fraction(3, 100)
    assert value(lines, "involuntary") == Fraction(2, 100)
    assert value(lines, "with_new") == Fraction(5, 125)


@pytest.mark.parametrize(
    ("opening", "why"),
    [
        (0, "There are no active subscribers at the start to divide by."),
        (19, "There are only 19 active subscribers at the start: fewer than 20."),
    ],
)
def test_churn_of_few_is_none(opening: int, why: str) -> None:
    cell = totals(growth.subscriber_churn(readers(opening, voluntary=-1)))["all"]
    assert (cell.value, cell.why) == (None, why)


def test_lifetime_value() -> None:
    """Baremetrics: ARPU ÷ churn. 95 readers pay 950.00 in all: ARPU 10.00. Of 100 who were active
    when the month began 5 left: 5 %. 10.00 ÷ 5 % = 200.00.
    """
    march = parse_period(
        {"from": "2026-03-01", "to": "2026-03-31", "interval": "month"}, today=NOW.date(), zone=HOME
    )
    active = readers(100, voluntary=-4, involuntary=-1)
    paid = money(100000, churn_voluntary=-4000, churn_involuntary=-1000)
    assert value(growth.revenue_a_reader(paid, active)) == 1000
    assert value(growth.lifetime_value(paid, active, march, march.steps[-1].until)) == 20000
    running = growth.lifetime_value(
        paid, active, march, march.steps[-1].until - timedelta(seconds=1)
    )
    assert "whole months" in totals(running)["all"].why
    nobody_left = growth.lifetime_value(paid, readers(100), march, march.steps[-1].until)
    assert totals(nobody_left)["all"].why == "There is no churn to divide by."


@pytest.mark.parametrize(
    ("last", "interval", "why"),
    [("2026-03-30", "month", "whole months"), ("2026-03-31", "year", "is monthly")],
)
def test_lifetime_value_is_of_whole_months(last: str, interval: str, why: str) -> None:
    fields = {"from": "2026-03-01", "to": last, "interval": interval}
    period = parse_period(fields, today=NOW.date(), zone=HOME)
    active = readers(100, voluntary=-5)
    lines = growth.lifetime_value(money(100000), active, period, period.steps[-1].until)
    assert why in totals(lines)["all"].why
