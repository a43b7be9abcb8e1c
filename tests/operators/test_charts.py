"""The geometry of charts and the words of values, case by case."""

from fractions import Fraction

import pytest

from service.operators.reports.charts import WIDE, Size, Values, bar_chart, line_chart
from service.operators.reports.shown import LEAST_STEP, tick_text, value_text
from service.reports.cells import Cell, Unit

SMALL = Size("small", 108, 136, 0, 3)
"""A hundred by a hundred for what is drawn: 10 above, 26 below, 8 beside."""


@pytest.mark.parametrize(
    ("values", "least", "ticks"),
    [
        ([0, 100], 1, [0, 25, 50, 75, 100]),
        ([3, 7], 1, [0, 2, 4, 6, 8]),
        ([10], 1, [0, 5, 10]),
        ([0.1], 0.001, [0, 0.025, 0.05, 0.075, 0.1]),
        ([-30, 70], 1, [-50, -25, 0, 25, 50, 75]),
        ([0.012], 0.001, [0, 0.005, 0.01, 0.015]),
        ([0.012], 0.01, [0, 0.01, 0.02]),
        ([2], 1, [0, 1, 2]),
        ([-1, 1], 1, [-1, 0, 1]),
        ([0, 0], 1, [0, 1]),
        ([None], 1, [0, 1]),
        ([], 0.1, [0, 0.1]),
    ],
)
def test_a_scale_has_round_values_and_nothing(
    values: Values, least: float, ticks: list[float]
) -> None:
    chart = line_chart([values], SMALL, least=least)
    assert [each.value for each in chart.ticks] == pytest.approx(ticks)
    heights = [each.y for each in chart.ticks]
    assert heights == sorted(heights, reverse=True)
    assert (heights[0], heights[-1]) == (110, 10)
    assert chart.zero in heights


def test_a_line_has_gaps_where_there_is_no_value() -> None:
    paths = line_chart([[100, 50, None, 0, None]], SMALL, least=1).paths
    assert [each.points for each in paths] == [((10, 10), (30, 60)), ((70, 110),)]
    assert paths[0].text == "10.0,10.0 30.0,60.0"


def test_what_still_runs_is_a_part_of_its_own() -> None:
    first, last = line_chart([[100, 100, 0]], SMALL, least=1, running=2).paths
    assert (len(first.points), first.is_running) == (2, False)
    assert (last.points, last.is_running) == ((first.points[-1], last.points[1]), True)
    (only,) = line_chart([[100]], SMALL, least=1, running=0).paths
    assert (len(only.points), only.is_running) == (1, True)


def test_bars_stand_on_one_another_to_both_sides_of_nothing() -> None:
    bars = bar_chart([[60], [40], [-100], [None], [0]], SMALL, least=1).bars
    assert [(each.series, each.y, each.height) for each in bars] == [
        (0, 30, 30), (1, 10, 20), (2, 60, 50),
    ]  # fmt: skip
    assert {(each.x, each.width) for each in bars} == {(12.5, 75)}


@pytest.mark.parametrize(("steps", "named"), [(1, 1), (9, 9), (10, 5), (400, 9)])
def test_as_many_steps_are_named_as_there_is_room_for(steps: int, named: int) -> None:
    labels = line_chart([[1.0] * steps], WIDE, least=1).labels
    assert len(labels) == named
    assert labels[0].step == 0


@pytest.mark.parametrize(
    ("value", "unit", "currency", "text", "tick"),
    [
        (Fraction(-123450), "money", "EUR", "−€1,234.50", "−€1,234.50"),
        (100000, "money", "EUR", "€1,000.00", "€1,000"),
        (1000, "money", "JPY", "¥1,000", "¥1,000"),
        (Fraction(1, 3), "percent", "", "33.3 %", "33.3 %"),
        (Fraction(-1, 2), "percent", "", "−50.0 %", "−50 %"),
        (1234, "readers", "", "1,234", "1,234"),
        (Fraction(7, 3), "times", "", "2.33", "2.33"),
        (Fraction(7, 3), "days", "", "2.3 days", "2.3"),
    ],
)
def test_values_in_words(
    value: Fraction | int, unit: Unit, currency: str, text: str, tick: str
) -> None:
    assert value_text(Cell(value), unit, currency) == text
    assert tick_text(float(value), unit, currency) == tick
    assert value_text(Cell(None, "why"), unit, currency) == "—"


@pytest.mark.parametrize("unit", LEAST_STEP)
@pytest.mark.parametrize("currency", ["EUR", "JPY"])
@pytest.mark.parametrize("high", [0, 0.01, 0.3, 1, 2, 7.5, 10, 99, 1e6])
def test_a_scale_says_each_height_as_it_is(unit: Unit, currency: str, high: float) -> None:
    ticks = line_chart([[high]], WIDE, least=LEAST_STEP[unit]).ticks
    said = [tick_text(each.value, unit, currency if unit == "money" else "") for each in ticks]
    assert len({*said}) == len(said)
    in_least = [each.value / LEAST_STEP[unit] for each in ticks]
    assert in_least == pytest.approx([*map(round, in_least)])
