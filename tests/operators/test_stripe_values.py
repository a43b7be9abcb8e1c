"""How a figure of Stripe's dashboard is typed: a table."""

import pytest

from service.operators.stripe_figures.routes import value_of


@pytest.mark.parametrize(
    ("typed", "currency", "value"),
    [
        ("1,234", "EUR", 123_400), ("1.234", "EUR", 123_400), ("1,234.50", "EUR", 123_450),
        ("1.234,5", "EUR", 123_450), ("1 234 567.89", "EUR", 123_456_789),
        ("1’234.05", "CHF", 123_405), ("1,234,567", "JPY", 1_234_567), ("12.5", "EUR", 1_250),
        ("0.00", "EUR", 0), ("0", "JPY", 0), ("0,00", "EUR", 0), ("1,234,567", "KWD", 1_234_567_000),
        ("1,234", None, 1_234), ("1 234", None, 1_234), ("0", None, 0), ("87", None, 87),
    ],
)  # fmt: skip
def test_a_value_is_read_as_stripe_shows_it(typed: str, currency: str | None, value: int) -> None:
    assert value_of(typed, currency) == value


@pytest.mark.parametrize(
    ("typed", "currency"),
    [
        ("1,234", "KWD"),
        ("0.125", "EUR"),
        ("", "EUR"),
        ("12.345,6.7", "EUR"),
        ("", None),
        ("1.5", None),
        ("٣", None),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(typed: str, currency: str | None) -> None:
    with pytest.raises(ValueError, match="enter a"):
        value_of(typed, currency)
