"""Coupons, promotion codes, and what they take off a subscription's invoices."""

from typing import Any

import pytest
import stripe

from service.simulator.catalogue.discounts import taken_off
from service.simulator.periods import DAY
from tests.simulator.local import LocalStripe


@pytest.fixture
def local(quiet: LocalStripe) -> LocalStripe:
    return quiet


def _subscribed(local: LocalStripe, discounts: list[dict[str, str]], **fields: Any) -> Any:
    return local.v1.subscriptions.create(
        {
            "customer": local.customer().id,
            "items": [{"price": local.price(1000).id}],
            "discounts": discounts,
            **fields,
        }
    )


def _totals(local: LocalStripe, subscription: Any) -> list[int]:
    invoices = local.v1.invoices.list({"subscription": subscription.id, "limit": 100}).data
    return [invoice.total for invoice in invoices][::-1]


def _coupon(local: LocalStripe, **fields: Any) -> str:
    made: str = local.v1.coupons.create({"percent_off": 25, **fields}).id
    return made


@pytest.mark.parametrize(
    ("terms", "totals"),
    [
        ({"duration": "once"}, [750, 1000, 1000, 1000]),
        ({"duration": "repeating", "duration_in_months": 2}, [750, 750, 1000, 1000]),
        ({"duration": "forever"}, [750, 750, 750, 750]),
        (
            {"percent_off": "", "amount_off": 1200, "currency": "eur", "duration": "once"},
            [0, 1000, 1000, 1000],
        ),
    ],
)
def test_a_coupon_lasts_as_long_as_it_says(
    local: LocalStripe, terms: dict[str, Any], totals: list[int]
) -> None:
    coupon = _coupon(local, **terms)
    made = _subscribed(local, [{"coupon": coupon}], expand=["latest_invoice"])
    first = made.latest_invoice
    assert (first.subtotal, first.amount_due, first.status) == (1000, totals[0], "paid")
    [taken] = first.total_discount_amounts
    assert taken.amount == 1000 - totals[0]
    assert first.lines.data[0].discount_amounts[0].amount == taken.amount
    assert local.said("customer.discount.created")[0].subscription == made.id
    assert len(local.said("customer.discount.deleted")) == (terms["duration"] == "once")
    local.move(days=92, hours=2)
    assert _totals(local, made) == totals
    now = local.v1.subscriptions.retrieve(made.id, {"expand": ["discounts.source.coupon"]})
    if terms["duration"] == "forever":
        assert now.discounts[0].source.coupon.id == coupon
    else:
        assert now.discounts == []
    paid = local.v1.invoices.retrieve(first.id, {"expand": ["discounts.source.coupon"]})
    assert paid.discounts[0].source.coupon.times_redeemed == 1


def test_a_coupon_that_counts_once_waits_for_a_trials_end(local: LocalStripe) -> None:
    made = _subscribed(local, [{"coupon": _coupon(local)}], trial_period_days=7)
    assert len(made.discounts) == 1
    local.move(days=7 + 32)
    assert _totals(local, made) == [0, 750, 1000]


def test_a_whole_discount_needs_no_payment(local: LocalStripe) -> None:
    coupon = _coupon(local, percent_off=100, duration="forever")
    made = local.v1.subscriptions.create(
        {
            "customer": local.customer(None).id,
            "items": [{"price": local.price().id}],
            "discounts": [{"coupon": coupon}],
        }
    )
    local.move(days=32)
    assert local.v1.subscriptions.retrieve(made.id).status == "active"
    invoices = local.v1.invoices.list({"subscription": made.id}).data
    assert {(each.status, each.amount_paid) for each in invoices} == {("paid", 0)}
    assert local.v1.charges.list().data == []


def test_discounts_are_changed_kept_and_taken_away(local: LocalStripe) -> None:
    made = _subscribed(local, [{"coupon": _coupon(local, duration="forever")}])
    [held] = made.discounts
    both = local.v1.subscriptions.update(
        made.id,
        {"discounts": [{"discount": held}, {"coupon": _coupon(local, percent_off=10)}]},
    )
    assert (len(both.discounts), both.discounts[0]) == (2, held)
    local.move(days=31, hours=2)
    assert _totals(local, made) == [750, 675]
    none = local.v1.subscriptions.update(made.id, {"discounts": ""})
    assert none.discounts == []
    with pytest.raises(stripe.InvalidRequestError, match="No such discount"):
        local.v1.subscriptions.update(made.id, {"discounts": [{"discount": held}]})


def test_a_coupon_for_one_product_leaves_others_alone(local: LocalStripe) -> None:
    price, other = local.price(1000), local.price(500)
    coupon = _coupon(local, applies_to={"products": [price.product]}, expand=["applies_to"])
    made = local.v1.subscriptions.create(
        {
            "customer": local.customer().id,
            "items": [{"price": price.id}, {"price": other.id, "quantity": 2}],
            "discounts": [{"coupon": coupon}],
            "expand": ["latest_invoice"],
        }
    )
    assert [len(line.discount_amounts) for line in made.latest_invoice.lines.data] == [1, 0]
    assert made.latest_invoice.total == 1750


def test_coupons_are_used_up_expire_and_are_deleted(local: LocalStripe) -> None:
    coupon = _coupon(local, max_redemptions=1, name="One")
    _subscribed(local, [{"coupon": coupon}])
    assert not local.v1.coupons.retrieve(coupon).valid
    soon = _coupon(local, redeem_by=local.now + DAY)
    local.move(days=1)
    gone = _coupon(local, duration="forever")
    made = _subscribed(local, [{"coupon": gone}])
    local.v1.coupons.update(gone, {"name": "Gone", "metadata": {"a": "b"}})
    assert local.v1.coupons.delete(gone).deleted
    for name in (coupon, soon, gone, "none"):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            _subscribed(local, [{"coupon": name}])
        assert refused.value.code == (
            "resource_missing" if name in (gone, "none") else "coupon_expired"
        )
    local.move(days=31, hours=2)
    assert _totals(local, made) == [750, 750]  # what was redeemed goes on
    assert {each.id for each in local.v1.coupons.list().data} == {coupon, soon}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"percent_off": ""}, "percent_off"),
        ({"percent_off": 101}, "percent_off"),
        ({"percent_off": "many"}, "percent_off"),
        ({"amount_off": 100, "currency": "eur"}, "percent_off"),
        ({"percent_off": "", "amount_off": 100}, "currency"),
        ({"percent_off": "", "amount_off": 0, "currency": "eur"}, "amount_off"),
        ({"duration": "repeating"}, "duration_in_months"),
        ({"duration_in_months": 3}, "duration_in_months"),
        ({"redeem_by": 1}, "redeem_by"),
        ({"max_redemptions": 0}, "max_redemptions"),
        ({"applies_to": {"products": ["prod_none"]}}, "applies_to[products]"),
    ],
)
def test_coupons_that_make_no_sense(local: LocalStripe, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        _coupon(local, **fields)
    assert refused.value.param == param


def _code(local: LocalStripe, code: str = "SPRING", **fields: Any) -> Any:
    coupon = fields.pop("coupon", None) or _coupon(local)
    return local.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": coupon}, "code": code, **fields}
    )


def test_promotion_codes_are_found_redeemed_and_switched_off(local: LocalStripe) -> None:
    code = _code(local, max_redemptions=2)
    generated = local.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": _coupon(local)}, "expand": ["promotion.coupon"]}
    )
    assert (len(generated.code), generated.promotion.coupon.percent_off) == (8, 25)
    [found] = local.v1.promotion_codes.list({"code": "spring", "active": True}).data
    assert found.id == code.id
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        _code(local, "Spring")
    made = _subscribed(
        local, [{"promotion_code": code.id}], expand=["discounts", "latest_invoice.discounts"]
    )
    assert made.latest_invoice.total == 750
    assert made.latest_invoice.discounts[0].promotion_code == code.id
    off = local.v1.promotion_codes.update(code.id, {"active": False, "metadata": {"a": "b"}})
    assert (off.active, off.times_redeemed) == (False, 1)
    with pytest.raises(stripe.InvalidRequestError, match="not active"):
        _subscribed(local, [{"promotion_code": code.id}])
    local.v1.promotion_codes.update(code.id, {"active": True})
    _subscribed(local, [{"promotion_code": code.id}])
    assert not local.v1.promotion_codes.retrieve(code.id).active
    with pytest.raises(stripe.InvalidRequestError, match="used up"):
        local.v1.promotion_codes.update(code.id, {"active": True})


def test_promotion_codes_end_with_their_time_or_their_coupon(local: LocalStripe) -> None:
    coupon = _coupon(local, redeem_by=local.now + 9 * DAY, max_redemptions=5)
    code = _code(local, coupon=coupon, expires_at=local.now + DAY)
    other = _code(local, "OTHER", coupon=coupon)
    late, often = {"expires_at": local.now + 10 * DAY}, {"max_redemptions": 6}
    for name, wrong in (("MORE", late), ("MORE", often), ("a b", {})):
        with pytest.raises(stripe.InvalidRequestError):
            _code(local, name, coupon=coupon, **wrong)
    local.move(days=1)
    assert not local.v1.promotion_codes.retrieve(code.id).active
    local.v1.coupons.delete(coupon)
    assert not local.v1.promotion_codes.retrieve(other.id).active
    assert len(local.said("promotion_code.updated")) == 2


def test_promotion_codes_may_be_for_some_only(local: LocalStripe) -> None:
    first = _code(local, "FIRST", restrictions={"first_time_transaction": True})
    big = _code(
        local, "BIG", restrictions={"minimum_amount": 2000, "minimum_amount_currency": "eur"}
    )
    friend = _code(local, "FRIEND", customer=local.customer().id)
    paid = _subscribed(local, [])
    for code, reason in (
        (first, "prior transactions"),
        (big, "minimum amount"),
        (friend, "another customer"),
    ):
        with pytest.raises(stripe.InvalidRequestError, match=reason):
            local.v1.subscriptions.update(paid.id, {"discounts": [{"promotion_code": code.id}]})
    dollars = _coupon(local, percent_off="", amount_off=100, currency="usd")
    with pytest.raises(stripe.InvalidRequestError, match="takes off USD"):
        _subscribed(local, [{"coupon": dollars}])
    assert _subscribed(local, [{"promotion_code": first.id}]).discounts == []  # spent


@pytest.mark.parametrize(
    ("coupon", "amounts", "parts"),
    [
        ({"percent_off": 25.0, "amount_off": None}, [999], [250]),
        ({"percent_off": 33.3, "amount_off": None}, [100, 100, 100], [33, 33, 34]),
        ({"percent_off": None, "amount_off": 100}, [30, 60], [30, 60]),
        ({"percent_off": None, "amount_off": 100}, [1000, 500], [66, 34]),
        ({"percent_off": 50.0, "amount_off": None}, [], []),
    ],
)
def test_what_is_taken_off_is_spread_without_loss(
    coupon: dict[str, Any], amounts: list[int], parts: list[int]
) -> None:
    assert taken_off(coupon, amounts) == parts
