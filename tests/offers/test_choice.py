"""What a buyer is offered first, and what it saves."""

from datetime import date
from typing import Any

import pytest

from service.offers.choice import currencies, currencies_of, in_currency, recommended, saving
from service.offers.schemas import OfferItem


def offered(name: str, amount: int, interval: str = "month", **values: Any) -> OfferItem:
    usual: dict[str, Any] = {
        "id": name, "kind": "subscription", "covers": "plan", "plan": "digital", "currency": "EUR",
        "interval_count": 1, "trial_days": 0, "intro_amount": None, "intro_periods": 0,
        "price_text": "",
    }  # fmt: skip
    return OfferItem(name=name, amount=amount, interval=interval, **{**usual, **values})


MONTHLY = offered("monthly", 900)
TRIAL = offered("trial", 900, trial_days=14)
YEARLY = offered("yearly", 9000, "year")
DEAR = offered("dear", 10800, "year")
HALF = offered("half", 5000, interval_count=6)
WEEKLY = offered("weekly", 300, "week")
GOLD = offered("gold", 15000, "year", plan="gold")
GOLD_MONTHLY = offered("gold monthly", 1500, plan="gold")
DOLLARS = offered("dollars", 9000, "year", currency="USD")
PASS = offered("pass", 200, "year", kind="pass")


@pytest.mark.parametrize(
    ("offer", "beside", "saved"),
    [
        (YEARLY, [MONTHLY], 1800),
        (HALF, [MONTHLY], 800),
        (YEARLY, [MONTHLY, offered("cheaper", 800)], 600),
        (MONTHLY, [], None),
        (DEAR, [MONTHLY], None),
        (YEARLY, [], None),
        (YEARLY, [WEEKLY], None),
        (WEEKLY, [MONTHLY], None),
        (YEARLY, [GOLD_MONTHLY], None),
        (DOLLARS, [MONTHLY], None),
        (PASS, [MONTHLY], None),
    ],
)
def test_what_an_offer_saves_a_year(
    offer: OfferItem, beside: list[OfferItem], saved: int | None
) -> None:
    assert saving(offer, [offer, *beside]) == saved


@pytest.mark.parametrize(
    ("offers", "best"),
    [
        ([MONTHLY, YEARLY], YEARLY),
        ([MONTHLY, DEAR], MONTHLY),
        ([TRIAL, MONTHLY], TRIAL),
        ([MONTHLY, YEARLY, GOLD_MONTHLY, GOLD], YEARLY),
        ([PASS, MONTHLY], MONTHLY),
        ([PASS], None),
        ([], None),
    ],
)
def test_of_the_first_plan_what_saves_most_is_recommended(
    offers: list[OfferItem], best: OfferItem | None
) -> None:
    assert recommended(offers) == best


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [(("",), [MONTHLY]), (("USD",), [DOLLARS]), (("SEK", "USD"), [DOLLARS]), (("x",), [MONTHLY])],
)
def test_one_currency_at_a_time(wanted: tuple[str, ...], shown: list[OfferItem]) -> None:
    assert in_currency([MONTHLY, DOLLARS], *wanted) == shown
    assert currencies([MONTHLY, DOLLARS, YEARLY]) == ["EUR", "USD"]
    assert in_currency([], *wanted) == []


@pytest.mark.parametrize(
    ("country", "paid_with"),
    [
        ("PT", ["EUR"]), ("gb", ["GBP"]), ("PA", ["PAB", "USD"]), ("HR", ["EUR"]),
        ("XX", []), ("T1", []), ("", []), ("Portugal", []), ("../PT", []),
    ],
)  # fmt: skip
def test_a_country_pays_with_its_own_currency(country: str, paid_with: list[str]) -> None:
    assert currencies_of(country, date(2026, 3, 10)) == paid_with


def test_a_country_pays_with_what_it_has_on_that_day() -> None:
    assert currencies_of("HR", date(2022, 12, 31)) == ["HRK"]
