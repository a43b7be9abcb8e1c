"""What a price may be, and how it reads."""

from typing import Any

import pytest

from service.offers.pricing import (
    LARGEST_AMOUNT,
    InvalidPrice,
    Price,
    amount_text,
    checked_price,
    decimals,
    price_text,
    trial_days_for,
)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (900, "EUR", "€9.00"),
        (5, "EUR", "€0.05"),
        (123456789, "USD", "$1,234,567.89"),
        (500, "JPY", "¥500"),
        (1250, "CHF", "CHF 12.50"),
        (12340, "KWD", "KWD 12.340"),
        (50000, "ISK", "ISK 500.00"),
        (7, "MGA", "MGA 7"),
    ],
)
def test_amounts_read_as_money(amount: int, currency: str, text: str) -> None:
    assert amount_text(amount, currency) == text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "€9.00 a month"),
        ({"interval": "year"}, "€9.00 a year"),
        ({"interval_count": 3}, "€9.00 every 3 months"),
        ({"trial_days": 1}, "1 day free, then €9.00 a month"),
        (
            {"trial_days": 30, "interval": "week", "interval_count": 2},
            "30 days free, then €9.00 every 2 weeks",
        ),
    ],
)
def test_prices_read_as_sentences(fields: dict[str, Any], text: str) -> None:
    assert price_text(checked_price(**{**_EUR, **fields})) == text


_EUR: dict[str, Any] = {"amount": 900, "currency": "eur", "interval": "month"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": LARGEST_AMOUNT + 1}, "amount"),
        ({"amount": 1001, "currency": "isk"}, "amount"),
        ({"amount": 1005, "currency": "kwd"}, "amount"),
        ({"currency": "eu"}, "currency"),
        ({"currency": "xxx"}, "currency"),
        ({"currency": ""}, "currency"),
        ({"interval": "monthly"}, "interval"),
        ({"interval": "Month"}, "interval"),
        ({"interval_count": 0}, "interval_count"),
        ({"interval_count": 37}, "interval_count"),
        ({"interval_count": 4, "interval": "year"}, "interval_count"),
        ({"trial_days": -1}, "trial_days"),
        ({"trial_days": 731}, "trial_days"),
    ],
)
def test_what_stripe_would_refuse_is_refused_with_its_field(
    fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidPrice) as refused:
        checked_price(**{**_EUR, **fields})
    assert refused.value.field == field


def test_the_limits_themselves_are_fine() -> None:
    widest = checked_price(
        amount=LARGEST_AMOUNT, currency="usd", interval="month", interval_count=36, trial_days=730
    )
    assert widest == Price(LARGEST_AMOUNT, "USD", "month", 36, 730)
    assert checked_price(amount=1, currency="jpy", interval="day").trial_days == 0


@pytest.mark.parametrize(("currency", "places"), [("EUR", 2), ("JPY", 0), ("BHD", 3), ("UGX", 2)])
def test_decimals(currency: str, places: int) -> None:
    assert decimals(currency) == places


def test_a_trial_is_given_once() -> None:
    assert trial_days_for(14, subscribed_before=False) == 14
    assert trial_days_for(14, subscribed_before=True) == 0
    assert trial_days_for(0, subscribed_before=False) == 0
