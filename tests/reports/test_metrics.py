"""MRR and its rounding, case by case."""

import pytest

from service.reports.metrics import Recurring, monthly_sums, rounded

CASES: list[tuple[str, list[Recurring], dict[str, int]]] = [
    ("nobody", [], {}),
    ("a month is itself", [Recurring(900, "EUR", "month", 1)], {"EUR": 900}),
    ("a year is a twelfth", [Recurring(9600, "EUR", "year", 1)], {"EUR": 800}),
    ("a quarter", [Recurring(2500, "EUR", "month", 3)], {"EUR": 833}),
    ("two years", [Recurring(24000, "EUR", "year", 2)], {"EUR": 1000}),
    ("a week is 52/12", [Recurring(300, "EUR", "week", 1)], {"EUR": 1300}),
    ("a fortnight", [Recurring(300, "EUR", "week", 2)], {"EUR": 650}),
    ("a day is 365/12", [Recurring(120, "EUR", "day", 1)], {"EUR": 3650}),
    ("thirty days", [Recurring(1200, "EUR", "day", 30)], {"EUR": 1217}),
    (
        "currencies stay apart",
        [Recurring(900, "EUR", "month", 1), Recurring(1200, "CHF", "year", 1)],
        {"CHF": 100, "EUR": 900},
    ),
    (
        "thirds are summed before they are rounded",
        [Recurring(100, "EUR", "month", 3)] * 3,
        {"EUR": 100},
    ),
    ("half goes down to even", [Recurring(5, "EUR", "month", 2)], {"EUR": 2}),
    ("half goes up to even", [Recurring(7, "EUR", "month", 2)], {"EUR": 4}),
    (
        "a sum beyond a float's digits",
        [Recurring(10**18 + 1, "JPY", "month", 1)],
        {"JPY": 10**18 + 1},
    ),
]


@pytest.mark.parametrize(
    ("amounts", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_month(amounts: list[Recurring], expected: dict[str, int]) -> None:
    assert rounded(monthly_sums(amounts)) == expected


def test_sums_by_interval_give_the_same_as_single_subscriptions() -> None:
    single = [Recurring(amount, "EUR", "week", 3) for amount in range(100, 200, 7)]
    total = sum(each.amount for each in single)
    assert monthly_sums(single) == monthly_sums([Recurring(total, "EUR", "week", 3)])
