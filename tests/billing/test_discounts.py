"""What discounts take off, how long they last, and that nothing of them is lost on the way."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from service.billing.discounts import Amounts, amounts_of, in_words, lasting, read, stored
from service.payments.gateway import StripeDiscount
from service.payments.stripe_objects import invoice_of, item_coupons, subscription_of
from tests.billing.stripe_values import DAY, MONTH_END, STARTED, bill, item, subscription


def discount(name: str = "1", **fields: Any) -> StripeDiscount:
    values: dict[str, Any] = {
        "id": f"di_{name}", "coupon_id": f"C{name}", "percent_off": None, "amount_off": None,
        "currency": None, "duration": "forever", "starts_at": STARTED, "ends_at": None,
    }  # fmt: skip
    return StripeDiscount(**{**values, **fields})


def percent(percent: str, **fields: Any) -> StripeDiscount:
    return discount(percent_off=Decimal(percent), **fields)


def off(amount: int, **fields: Any) -> StripeDiscount:
    return discount(amount_off=amount, currency="eur", **fields)


CASES: dict[str, tuple[tuple[StripeDiscount, ...], Amounts]] = {
    "none": ((), Amounts(900, 900, 900)),
    "everything for ever": ((percent("100"),), Amounts(900, 0, 0)),
    "a part for ever": ((percent("25"),), Amounts(900, 675, 675)),
    "half a cent is given up": ((percent("33.5"),), Amounts(900, 598, 598)),
    "an amount for ever": ((off(250),), Amounts(900, 650, 650)),
    "more than there is": ((off(1000),), Amounts(900, 0, 0)),
    "for some months": ((percent("50", duration="repeating"),), Amounts(900, 900, 450)),
    "once": ((off(100, duration="once"),), Amounts(900, 900, 800)),
    "one after the other": ((percent("50"), off(100)), Amounts(900, 350, 350)),
    "in the other order": ((off(100), percent("50")), Amounts(900, 400, 400)),
    "for a while and for ever": (
        (percent("50", duration="repeating"), off(100)), Amounts(900, 800, 350),
    ),
    "for this product": ((off(100, products=("prod_1",)),), Amounts(900, 800, 800)),
    "for another product": ((off(100, products=("prod_2",)),), Amounts(900, 900, 900)),
}  # fmt: skip


@pytest.mark.parametrize(("discounts", "expected"), CASES.values(), ids=CASES)
def test_what_it_costs(discounts: tuple[StripeDiscount, ...], expected: Amounts) -> None:
    assert amounts_of(item(), discounts) == expected


def test_an_item_costs_what_all_of_it_costs() -> None:
    assert amounts_of(replace(item(), quantity=3), [off(100)]) == Amounts(2700, 2600, 2600)


def test_an_items_discounts_come_first() -> None:
    own, whole = percent("50"), off(100, name="2")
    found = lasting(subscription(discounts=(whole,)), replace(item(), discounts=(own,)), ())
    assert found == (own, whole)


@pytest.mark.parametrize(
    ("at", "reason", "lasts"),
    [
        (STARTED, "subscription_create", True),
        (STARTED, "subscription_cycle", True),
        (STARTED - 30 * DAY, "subscription_cycle", False),
        (STARTED + DAY, "subscription_update", False),
    ],
)
def test_what_counts_once_lasts_as_long_as_the_period_it_was_spent_on(
    at: datetime, reason: str, lasts: bool
) -> None:
    once, repeating = off(100, duration="once"), percent("10", name="2", duration="repeating")
    paid = bill(at=at, billing_reason=reason, discounts=(once, repeating))
    expected = (replace(once, ends_at=MONTH_END),) if lasts else ()
    assert lasting(subscription(), item(), (paid,)) == expected


def test_they_are_read_as_they_were_stored() -> None:
    both = (
        percent("12.5", duration="repeating", ends_at=MONTH_END, products=("prod_1",)),
        off(100, name="2", promotion_code="promo_1", code="RADIO"),
    )
    assert read(stored(both)) == both
    (earlier,) = stored(both[:1])
    del earlier["promotion_code"], earlier["code"]
    assert read([earlier]) == both[:1]
    assert in_words(both) == "C1 12.5 % repeating until 2026-04-01 12:00; C2 100 EUR forever"
    assert in_words(()) == "none"


COUPON = {
    "id": "STAFF", "percent_off": 12.5, "amount_off": None, "currency": None,
    "duration": "forever", "applies_to": {"products": ["prod_1"]},
}  # fmt: skip


def document(coupon: Any) -> dict[str, Any]:
    """A subscription whose only item has a discount."""
    return {
        "id": "sub_1", "customer": "cus_1", "status": "active", "start_date": 1,
        "discounts": ["di_2"],
        "items": {"data": [{
            "price": {"id": "price_1", "currency": "eur", "product": "prod_1"},
            "current_period_start": 1, "current_period_end": 2,
            "discounts": [
                "di_3", {"id": "di_1", "start": 1, "source": {"type": "coupon", "coupon": coupon}},
            ],
        }]},
    }  # fmt: skip


def test_only_what_is_expanded_with_its_coupon_is_known() -> None:
    found = subscription_of(document(COUPON))
    assert found.discounts == ()
    ((read_one,),) = (each.discounts for each in found.items)
    assert (read_one.percent_off, read_one.products) == (Decimal("12.5"), ("prod_1",))
    assert subscription_of(document("STAFF")).items[0].discounts == ()


@pytest.mark.parametrize(
    ("given_to", "counts"),
    [
        ({"subscription": "sub_1"}, True),
        ({"subscription_item": "si_1"}, True),
        ({"invoice": "in_1"}, True),
        ({"subscription": None, "invoice": None}, False),
        ({}, False),
    ],
)
@pytest.mark.parametrize("duration", ["once", "forever"])
def test_a_customers_discount_counts_neither_in_the_past_nor_now(
    given_to: dict[str, str | None], duration: str, *, counts: bool
) -> None:
    """Stripe shows it with invoices, but not with the subscription: it would end with the import."""
    coupon = {**COUPON, "duration": duration}
    discount = {
        "id": "di_1",
        "customer": "cus_1",
        "start": 1,
        "source": {"coupon": coupon},
        **given_to,
    }
    billed = invoice_of({
        "id": "in_1", "created": 1, "amount_due": 720, "amount_paid": 720, "currency": "eur",
        "discounts": [discount], "total_discount_amounts": [{"discount": "di_1", "amount": 180}],
    })  # fmt: skip
    assert [each.id for each in billed.discounts] == (["di_1"] if counts else [])


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (None, (None, None)),
        ("promo_1", ("promo_1", None)),
        ({"id": "promo_1", "code": "RADIO"}, ("promo_1", "RADIO")),
    ],
)
def test_the_code_of_an_items_discount_is_known_once_it_is_expanded(
    given: Any, known: tuple[str | None, str | None]
) -> None:
    said = document(COUPON)
    said["items"]["data"][0]["discounts"][1]["promotion_code"] = given
    (found,) = subscription_of(said).items[0].discounts
    assert (found.promotion_code, found.code) == known


def test_coupons_of_items_that_are_still_to_be_asked_for() -> None:
    assert [each["coupon"] for each in item_coupons(document("STAFF"))] == ["STAFF"]
    assert list(item_coupons(document(COUPON))) == []
