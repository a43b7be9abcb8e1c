"""Which series of a report share a chart, figure by figure: only what adds up is stacked."""

from datetime import UTC, date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from service.operators.reports.charts import Bar
from service.operators.reports.drawn import MOST_DRAWN, drawings, groups
from service.reports.asked import Asked
from service.reports.cells import SAMPLE, Cell, Line, Number, line_of
from service.reports.figure import Figure
from service.reports.period import Period, Step
from service.reports.registry import BY_SLUG, FIGURES
from service.reports.report_schemas import Report

ZONE = ZoneInfo("Europe/Lisbon")
PERIOD = Period(date(2026, 3, 1), date(2026, 3, 2), "day", ZONE)
JOINED = "new reactivated resumed changed_in involuntary voluntary paused changed_out"
MOVED = "new reactivation expansion contraction churn_voluntary churn_involuntary pause resume"
CAUSES = "voluntary payment_failed dispute_lost refund trial_used duplicate erased other"
ANSWERS = (
    "too_expensive unused missing_features low_quality switched_service too_complex "
    "customer_service other none"
)


class Charts(NamedTuple):
    """The series of each stack, and of each chart of lines."""

    stacks: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


def lines(*charts: str) -> Charts:
    return Charts((), charts)


def stacks(*charts: str) -> Charts:
    return Charts(charts)


DRAWN = {
    "active-subscribers": lines("all"),
    "joined-and-left": stacks(JOINED),
    "trial-conversion": Charts(("paid lost pending",), ("converted",)),
    "usage-rights": stacks("subscriptions single", "full half quarter less"),
    "mrr": lines("all"),
    "mrr-after-discounts": lines("all"),
    "committed-mrr": lines("all"),
    "mrr-movements": stacks(MOVED),
    "arr": lines("all"),
    "arpu": lines("all"),
    "quick-ratio": lines("all"),
    "lifetime-value": lines("all"),
    "dunning": lines(
        "begun recovered lost", "rate", "begun_amount recovered_amount lost_amount"
    ),
    "revenue": Charts(("subscriptions passes gifts",), ("refunded disputed fees fee_tax net tax",)),
    "refunds-and-disputes": lines(
        "charges refunds disputes", "charged refunded disputed",
        "refund_rate dispute_rate refunded_rate disputed_rate",
    ),
    "promotions": lines("used new still passes gifts", "paid"),
    "payouts": stacks("all"),
    "subscriber-churn": lines("all voluntary involuntary with_new"),
    "mrr-churn": lines("gross net gross_retained net_retained"),
    "tenure": stacks("day_1 day_7 day_30 day_100 later"),
    "reasons": stacks(CAUSES),
    "feedback": stacks(ANSWERS),
    "cohort-retention": lines("all"),
    "renewal-churn": lines("all renewed"),
    "registration-funnel": lines("met", "asked registered paid", "days", "articles"),
    "registrations": stacks("all"),
    "sources": stacks("first", "last"),
    "funnel": lines("holders walled started paid gifts", "completed"),
    "wall-funnel": lines("met started paid", "started_rate paid_rate completed"),
    "prompt-funnel": lines("met started paid", "started_rate paid_rate completed"),
    "active-days": lines("days", "asleep at_risk"),
    "articles": lines("sales gifts walls reads"),
    "article-conversion": lines("rate", "bought subscribers", "holders"),
    "stop-rate": lines("all subscribe register"),
    "paid-after-a-wall": lines(
        "within_1 within_3 within_7 within_30 left_at_checkout left_at_wall"
    ),
    "what-if-meter": lines("anonymous registered"),
}  # fmt: skip
"""Those whose series are made from a list are asked for it below."""
FROM_LISTS = {"access-mix": False, "ends-by-renewals": True, "meter-depth": True}


def of_each(figure: Figure, *splits: str) -> list[Line]:
    return [
        line_of(lambda _: Cell(1), 2, series.key, split=split)
        for split in splits or ("",)
        for series in figure.series
    ]


def expected(figure: Figure) -> set[tuple[bool, frozenset[str]]]:
    if figure.slug in FROM_LISTS:
        keys = frozenset(each.key for each in figure.series if each.key != SAMPLE)
        return {(FROM_LISTS[figure.slug], keys)}
    charts = DRAWN[figure.slug]
    return {
        (is_stack, frozenset(each.split()))
        for is_stack, all_of in ((True, charts.stacks), (False, charts.lines))
        for each in all_of
    }


@pytest.mark.parametrize("figure", FIGURES, ids=lambda each: each.slug)
def test_only_what_adds_up_is_stacked(figure: Figure) -> None:
    found = groups(figure, of_each(figure), "")
    drawn = {(each.is_stack, frozenset(line.series for line in each.lines)) for each in found}
    assert drawn == expected(figure)
    for each in found:
        assert {figure.series_of(line).unit for line in each.lines} == {each.unit}


@pytest.mark.parametrize("figure", FIGURES, ids=lambda each: each.slug)
def test_told_apart_each_series_but_parts_has_its_own_chart(figure: Figure) -> None:
    for split in figure.splits or ("any",):
        for each in groups(figure, of_each(figure, "a", "b"), split):
            series = {line.series for line in each.lines}
            assert len(series) == 1 or each.is_stack
            assert {line.split for line in each.lines} == {"a", "b"}
            assert not (each.is_stack and split in figure.overlapping)


def test_what_counts_in_several_values_of_a_split_is_never_stacked() -> None:
    figure = BY_SLUG["meter-depth"]
    assert not any(each.is_stack for each in groups(figure, of_each(figure, "a", "b"), "meter"))
    assert all(each.is_stack for each in groups(figure, of_each(figure, "a", "b"), "source"))


def test_what_is_ranked_has_a_chart_for_each_series_without_being_asked() -> None:
    figure = BY_SLUG["articles"]
    found = groups(figure, of_each(figure, "a", "b"), "")
    assert [each.title for each in found] == ["Sales", "Gifts", "Walls", "Reads"]


def test_currencies_never_share_a_chart() -> None:
    figure = BY_SLUG["revenue"]
    both = [line_of(lambda _: Cell(1), 2, "net", currency=currency) for currency in ("EUR", "USD")]
    assert [each.currency for each in groups(figure, both, "")] == ["EUR", "USD"]


def nowhere(_: Line, __: Step) -> str:
    return ""


def heights(bars: tuple[Bar, ...]) -> float:
    return sum(each.height for each in bars if each.step == 0)


def test_a_stack_with_more_parts_than_colours_is_as_high_as_all_of_them() -> None:
    def number(value: Number) -> list[Line]:
        return [
            line_of(lambda _: Cell(value), 2, "all", split=f"site{n:02}.example") for n in range(11)
        ]

    asked = Asked(PERIOD, datetime(2026, 4, 1, tzinfo=UTC), ZONE, "source")
    (drawn,) = drawings(Report(BY_SLUG["registrations"], asked, number(10)), nowhere)
    assert drawn.is_stack
    assert len(drawn.names) == MOST_DRAWN
    assert drawn.names[-1] == "4 others"
    chart = drawn.charts[0]
    (tenth,) = (each.y for each in chart.ticks if each.value == 100)
    of_ten, of_eleven = chart.zero - tenth, heights(chart.bars)
    assert of_eleven == pytest.approx(of_ten * 1.1, abs=1)
    assert drawn.left_out == 0


def test_gains_and_losses_of_the_other_parts_dont_hide_one_another() -> None:
    moved = [
        line_of(lambda _, sign=sign: Cell(10 * sign), 2, "new" if sign > 0 else "churn_voluntary",  # type: ignore[misc]
                split=f"plan{n:02}", currency="EUR")
        for n in range(8) for sign in (1, -1)
    ]  # fmt: skip
    asked = Asked(PERIOD, datetime(2026, 4, 1, tzinfo=UTC), ZONE, "plan")
    (drawn,) = drawings(Report(BY_SLUG["mrr-movements"], asked, moved), nowhere)
    assert len(drawn.names) == MOST_DRAWN
    assert drawn.names[-2:] == ("10 others, gains", "10 others, losses")
    chart = drawn.charts[0]
    highest = chart.ticks[-1]
    full = (chart.zero - highest.y) * 80 / highest.value
    above = sum(each.height for each in chart.bars if each.step == 0 and each.y < chart.zero)
    below = heights(chart.bars) - above
    assert above == pytest.approx(full, abs=1)
    assert below == pytest.approx(full, abs=1)
