"""MRR and its rounding, case by case."""

import pytest

from service.reports.metrics import Recurring, mrr

CASES: list[tuple[str, list[Recurring], dict[str, int]]] = [
    ("nobody", [], {}),
    ("a month is itself", [Recurring("active", 900, "EUR", "month", 1)], {"EUR": 900}),
    ("a year is a twelfth", [Recurring("active", 9600, "EUR", "year", 1)], {"EUR": 800}),
    ("a quarter", [Recurring("active", 2500, "EUR", "month", 3)], {"EUR": 833}),
    ("two years", [Recurring("active", 24000, "EUR", "year", 2)], {"EUR": 1000}),
    ("a week is 52/12", [Recurring("active", 300, "EUR", "week", 1)], {"EUR": 1300}),
    ("a fortnight", [Recurring("active", 300, "EUR", "week", 2)], {"EUR": 650}),
    ("a day is 365/12", [Recurring("active", 120, "EUR", "day", 1)], {"EUR": 3650}),
    ("thirty days", [Recurring("active", 1200, "EUR", "day", 30)], {"EUR": 1217}),
    ("past due counts", [Recurring("past_due", 900, "EUR", "month", 1)], {"EUR": 900}),
    ("a trial doesn't", [Recurring("trialing", 900, "EUR", "month", 1)], {}),
    ("unpaid doesn't", [Recurring("unpaid", 900, "EUR", "month", 1)], {}),
    ("paused doesn't", [Recurring("paused", 900, "EUR", "month", 1)], {}),
    ("incomplete doesn't", [Recurring("incomplete", 900, "EUR", "month", 1)], {}),
    ("cancelled doesn't", [Recurring("canceled", 900, "EUR", "month", 1)], {}),
    ("nothing paid, no series", [Recurring("active", 0, "EUR", "month", 1)], {}),
    (
        "currencies stay apart",
        [Recurring("active", 900, "EUR", "month", 1), Recurring("active", 1200, "CHF", "year", 1)],
        {"CHF": 100, "EUR": 900},
    ),
    (
        "thirds are summed before they are rounded",
        [Recurring("active", 100, "EUR", "month", 3)] * 3,
        {"EUR": 100},
    ),
    ("half goes down to even", [Recurring("active", 5, "EUR", "month", 2)], {"EUR": 2}),
    ("half goes up to even", [Recurring("active", 7, "EUR", "month", 2)], {"EUR": 4}),
    (
        "a sum beyond a float's digits",
        [Recurring("active", 10**18 + 1, "JPY", "month", 1)],
        {"JPY": 10**18 + 1},
    ),
]


@pytest.mark.parametrize(
    ("subscriptions", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_mrr(subscriptions: list[Recurring], expected: dict[str, int]) -> None:
    assert mrr(subscriptions) == expected


def test_sums_by_interval_give_the_same_as_single_subscriptions() -> None:
    single = [Recurring("active", amount, "EUR", "week", 3) for amount in range(100, 200, 7)]
    total = sum(recurring.amount for recurring in single)
    assert mrr(single) == mrr([Recurring("active", total, "EUR", "week", 3)])
