"""Limits that Stripe has, and its sentences for those who pass them."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from tests.simulator.local import LocalStripe


@pytest.fixture
def local(quiet: LocalStripe) -> LocalStripe:
    return quiet


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"k" * 40: "v" * 500}, None),
        ({f"key{n}": "v" for n in range(50)}, None),
        (
            {f"key{n}": "v" for n in range(51)},
            "Metadata can have up to 50 keys, but you've set 51",
        ),
        (
            {"k" * 41: "v"},
            "Metadata keys can have up to 40 characters, but you passed in a key that is 41 char",
        ),
        (
            {"k": "v" * 501},
            "Metadata values can have up to 500 characters, but you passed in a value that is 501",
        ),
    ],
)
def test_metadata_has_its_bounds(
    local: LocalStripe, metadata: dict[str, str], message: str | None
) -> None:
    customer = local.customer(None)
    acts: list[Callable[[], Any]] = [
        lambda: local.v1.customers.create({"metadata": metadata}),
        lambda: local.v1.customers.update(customer.id, {"metadata": metadata}),
        lambda: local.session(subscription_data={"metadata": metadata}),
    ]
    for act in acts:
        if message is None:
            act()
            continue
        with pytest.raises(stripe.InvalidRequestError, match=message) as refused:
            act()
        assert "metadata" in str(refused.value.param)


def test_keys_add_up_over_updates(local: LocalStripe) -> None:
    customer = local.customer(None, metadata={f"key{n}": "v" for n in range(50)})
    local.v1.customers.update(customer.id, {"metadata": {"key0": "", "other": "v"}})
    with pytest.raises(stripe.InvalidRequestError, match="up to 50 keys"):
        local.v1.customers.update(customer.id, {"metadata": {"one more": "v"}})


@pytest.mark.parametrize(
    ("interval", "longest"), [("day", 1095), ("week", 156), ("month", 36), ("year", 3)]
)
def test_a_price_comes_at_least_every_three_years(
    local: LocalStripe, interval: str, longest: int
) -> None:
    local.price(recurring={"interval": interval, "interval_count": longest})
    with pytest.raises(stripe.InvalidRequestError, match="three years") as refused:
        local.price(recurring={"interval": interval, "interval_count": longest + 1})
    assert refused.value.param == "recurring[interval_count]"


@pytest.mark.parametrize(
    ("currency", "least", "text"),
    [
        ("eur", 50, "€0.50 eur"),
        ("usd", 50, r"\$0.50 usd"),
        ("gbp", 30, "£0.30 gbp"),
        ("jpy", 50, "¥50 jpy"),
        ("huf", 17500, "175.00 huf"),
    ],
)
def test_no_charge_is_smaller_than_its_currency_allows(
    local: LocalStripe, currency: str, least: int, text: str
) -> None:
    session = local.session(local.price(least, currency=currency))
    assert session.amount_total == least
    local.v1.payment_intents.create({"amount": least, "currency": currency})
    cheap = local.price(least - 1, currency=currency)
    acts: dict[str, Callable[[], Any]] = {
        "total amount due must add up to": lambda: local.session(cheap),
        "Amount must be": lambda: local.v1.payment_intents.create(
            {"amount": least - 1, "currency": currency}
        ),
    }
    for words, act in acts.items():
        with pytest.raises(stripe.InvalidRequestError, match=f"{words} at least {text}") as refused:
            act()
        assert refused.value.code == "amount_too_small"


def test_nothing_at_all_may_be_due_today(local: LocalStripe) -> None:
    free = local.v1.coupons.create({"percent_off": 100, "duration": "once"})
    most = local.v1.coupons.create({"percent_off": 99, "duration": "once"})
    assert local.session(discounts=[{"coupon": free.id}]).amount_total == 0
    assert local.session(subscription_data={"trial_period_days": 7}).amount_total == 0
    with pytest.raises(stripe.InvalidRequestError, match=r"at least €0\.50 eur"):
        local.session(discounts=[{"coupon": most.id}])
