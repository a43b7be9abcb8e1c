"""The customer portal's configuration follows the catalogue."""

from typing import Any

import pytest

from service.db.tables import Offer
from service.offers.portal import (
    MOST_PRODUCTS,
    holds,
    listed_prices,
    portal_features,
    seat_features,
)
from service.payments.set_up import StripePrice


def sold(
    price: str, product: str, interval: str, count: int = 1, plan: str | None = None
) -> tuple[Offer, StripePrice]:
    offer = Offer(plan=plan or product, interval=interval, interval_count=count, most_seats=0)
    found = StripePrice(price, product, 900, "eur", interval, count, None)
    return offer, found


def test_readers_switch_among_what_is_sold() -> None:
    features = portal_features(
        [
            sold("p_month", "digital", "month"),
            sold("p_year", "digital", "year"),
            sold("p_month_trial", "digital", "month"),
            sold("p_quarter", "digital", "month", 3),
            sold("p_intro", "digital_intro", "month", plan="digital"),
            sold("p_all", "all", "month"),
        ]
    )
    update = features["subscription_update"]
    assert update["enabled"]
    assert update["default_allowed_updates"] == ["price"]
    # With the next invoice a dearer year would be paid when it is over.
    assert update["proration_behavior"] == "always_invoice"
    # Of two prices with one interval the catalogue's first one counts.
    assert update["products"] == [
        {"product": "digital", "prices": ["p_month", "p_year", "p_quarter"]},
        {"product": "all", "prices": ["p_all"]},
    ]
    assert features["subscription_cancel"]["mode"] == "at_period_end"


def test_offers_by_the_seat_arent_switched_to() -> None:
    """Stripe keeps the quantity: a plain offer would be charged once a seat."""
    seats = sold("p_seats", "all", "year")
    seats[0].most_seats = 10
    features = portal_features(
        [sold("p_month", "digital", "month"), seats, sold("p_year", "digital", "year")]
    )
    assert features["subscription_update"]["products"] == [
        {"product": "digital", "prices": ["p_month", "p_year"]}
    ]


def test_owners_of_seats_change_their_number_and_switch_to_nothing() -> None:
    few, many, plain = [sold(f"p_{name}", "digital", "month") for name in ("few", "many", "plain")]
    few[0].most_seats, many[0].most_seats, many[0].interval = 5, 50, "year"
    update = seat_features([plain, few, many])["subscription_update"]
    assert (update["enabled"], update["default_allowed_updates"]) == (True, ["quantity"])
    assert update["proration_behavior"] == "always_invoice"
    assert update["products"] == [
        {
            "product": "digital",
            "prices": ["p_few", "p_many"],
            "adjustable_quantity": {"enabled": True, "minimum": 1, "maximum": 5},
        }
    ]
    assert not seat_features([plain])["subscription_update"]["enabled"]


@pytest.mark.parametrize("prices", [[], [sold("p", "digital", "month")]])
def test_nothing_to_switch_to(prices: list[tuple[Offer, StripePrice]]) -> None:
    update = portal_features(prices)["subscription_update"]
    assert (update["enabled"], update["products"]) == (False, [])


def test_stripe_takes_ten_products() -> None:
    many = [sold(f"p{n}", f"plan_plan{n}", "month", plan=f"plan{n}") for n in range(12)]
    products = portal_features(many)["subscription_update"]["products"]
    assert len(products) == MOST_PRODUCTS
    # The account page names the others.
    for offer, price in many:
        offer.kind, offer.covers, offer.stripe_price_id = "subscription", "plan", price.id
    listed = listed_prices([offer for offer, _ in many], by_seat=False)
    assert listed == {price for each in products for price in each["prices"]}


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        ({}, {"more": 1}, True),
        ({"a": 1}, {"a": 1, "more": 2}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {}, False),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [2, 1], "c": 3}}, True),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": []}, {"a": [1]}, False),
        ({"a": [{"x": 1}]}, {"a": [{"x": 1, "y": 2}]}, True),
        ({"a": [{"x": 1}]}, {"a": None}, False),
    ],
)
def test_what_stripe_adds_is_no_difference(wanted: Any, found: Any, *, same: bool) -> None:
    assert holds(wanted, found) is same
