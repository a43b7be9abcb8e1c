"""What a price may be, and how it reads."""

from datetime import UTC, datetime
from typing import Any

import pytest

from service.currencies import decimals
from service.offers.pricing import (
    LARGEST_AMOUNT,
    InvalidPrice,
    Price,
    amount_text,
    checked_price,
    end_of_pass,
    intro_months,
    minor_units,
    price_for,
    price_text,
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
        (
            {"intro_amount": 100, "intro_periods": 1},
            "€1.00 for the first month, then €9.00 a month",
        ),
        (
            {"intro_amount": 100, "intro_periods": 3},
            "€1.00 a month for 3 months, then €9.00 a month",
        ),
        (
            {"intro_amount": 100, "intro_periods": 1, "interval_count": 3},
            "€1.00 for the first 3 months, then €9.00 every 3 months",
        ),
        (
            {"intro_amount": 100, "intro_periods": 2, "interval_count": 3},
            "€1.00 every 3 months for 6 months, then €9.00 every 3 months",
        ),
        ({"kind": "pass", "amount": 200, "interval": "day"}, "€2.00 for a day"),
        (
            {"kind": "pass", "amount": 500, "interval": "day", "interval_count": 3},
            "€5.00 for 3 days",
        ),
        (
            {"kind": "pass", "covers": "article", "amount": 90, "interval": "week"},
            "€0.90 for this article, for a week",
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
        ({"trial_days": 1, "kind": "pass"}, "trial_days"),
        ({"covers": "article"}, "covers"),
        ({"intro_amount": 100, "intro_periods": 1, "kind": "pass"}, "intro_amount"),
        ({"intro_amount": 100, "intro_periods": 1, "trial_days": 7}, "intro_amount"),
        ({"intro_amount": 0, "intro_periods": 1}, "intro_amount"),
        ({"intro_amount": 900, "intro_periods": 1}, "intro_amount"),
        (
            {"intro_amount": 150, "amount": 900, "intro_periods": 1, "currency": "isk"},
            "intro_amount",
        ),
        ({"intro_amount": 100}, "intro_periods"),
        ({"intro_periods": 1}, "intro_periods"),
        ({"intro_amount": 100, "intro_periods": 2, "interval": "week"}, "intro_periods"),
        ({"intro_amount": 100, "intro_periods": 37}, "intro_periods"),
        ({"intro_amount": 100, "intro_periods": 4, "interval": "year"}, "intro_periods"),
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
    assert checked_price(amount=50, currency="jpy", interval="day").trial_days == 0


@pytest.mark.parametrize(("currency", "places"), [("EUR", 2), ("JPY", 0), ("BHD", 3), ("UGX", 2)])
def test_decimals(currency: str, places: int) -> None:
    assert decimals(currency) == places


def test_a_trial_and_an_intro_are_for_who_never_subscribed() -> None:
    trial = checked_price(**_EUR, trial_days=14)
    intro = checked_price(**_EUR, intro_amount=100, intro_periods=3)
    for offered in (trial, intro):
        assert price_for(offered, subscribed_before=False) == offered
        assert price_for(offered, subscribed_before=True) == checked_price(**_EUR)


@pytest.mark.parametrize(
    ("fields", "months"),
    [
        ({}, None),
        ({"intro_amount": 100, "intro_periods": 1, "interval": "week"}, None),
        ({"intro_amount": 100, "intro_periods": 3}, 3),
        ({"intro_amount": 100, "intro_periods": 2, "interval_count": 6}, 12),
        ({"intro_amount": 100, "intro_periods": 3, "interval": "year"}, 36),
    ],
)
def test_an_intro_lasts_as_many_months_as_its_coupon(
    fields: dict[str, Any], months: int | None
) -> None:
    assert intro_months(checked_price(**{**_EUR, **fields})) == months


@pytest.mark.parametrize(
    ("interval", "count", "start", "end"),
    [
        ("day", 1, "2026-03-28T12:00", "2026-03-29T12:00"),
        ("week", 2, "2026-12-25T00:00", "2027-01-08T00:00"),
        ("month", 1, "2026-01-31T10:00", "2026-02-28T10:00"),
        ("month", 13, "2026-12-05T10:00", "2028-01-05T10:00"),
        ("year", 1, "2028-02-29T10:00", "2029-02-28T10:00"),
    ],
)
def test_a_pass_closes_by_the_calendar(interval: str, count: int, start: str, end: str) -> None:
    fields: dict[str, Any] = {**_EUR, "kind": "pass", "interval": interval, "interval_count": count}
    begun = datetime.fromisoformat(start).replace(tzinfo=UTC)
    closed = datetime.fromisoformat(end).replace(tzinfo=UTC)
    assert end_of_pass(checked_price(**fields), begun) == closed


@pytest.mark.parametrize(
    ("typed", "currency", "amount"),
    [
        ("9.00", "EUR", 900),
        ("9,00", "EUR", 900),
        ("9", "EUR", 900),
        ("9.5", "EUR", 950),
        (" 0.50 ", "EUR", 50),
        ("900", "EUR", 90_000),
        ("500", "JPY", 500),
        ("1.250", "KWD", 1250),
        ("1.25", "KWD", 1250),
        ("1,000", "EUR", None),
        ("1,000", "KWD", None),
        ("1,000", "JPY", None),
        ("1.000", "EUR", None),
        ("1.000,00", "EUR", None),
        ("9.00", "JPY", None),
        ("9.", "EUR", None),
        ("-9.00", "EUR", None),
        ("9e2", "EUR", None),
        ("€9.00", "EUR", None),
        ("٩", "EUR", None),
        ("", "EUR", None),
        ("0.00", "EUR", None),
    ],
)
def test_an_amount_as_people_type_it(typed: str, currency: str, amount: int | None) -> None:
    if amount is not None:
        assert minor_units(typed, currency) == amount
        return
    with pytest.raises(ValueError, match=f"enter an amount in {currency} like"):
        minor_units(typed, currency)


@pytest.mark.parametrize(
    ("amount", "currency", "taken"),
    [
        (50, "EUR", True),
        (49, "EUR", False),
        (49, "USD", False),
        (30, "GBP", True),
        (299, "SEK", False),
    ],
)
def test_stripe_charges_no_less_at_once(amount: int, currency: str, *, taken: bool) -> None:
    if taken:
        assert checked_price(amount=amount, currency=currency, interval="month").amount == amount
        return
    with pytest.raises(InvalidPrice, match="Stripe charges at least"):
        checked_price(amount=amount, currency=currency, interval="month")
