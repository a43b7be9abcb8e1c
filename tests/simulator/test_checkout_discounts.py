"""Discounts on Checkout: given with the session, or typed on its page."""

from typing import Any

import pytest
import stripe

from tests.simulator.local import LocalStripe


@pytest.fixture
def local(quiet: LocalStripe) -> LocalStripe:
    return quiet


def _coupon(local: LocalStripe, **fields: Any) -> str:
    made: str = local.v1.coupons.create({"percent_off": 50, **fields}).id
    return made


def _code(local: LocalStripe, code: str, **fields: Any) -> Any:
    coupon = _coupon(local, **fields)
    return local.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": coupon}, "code": code}
    )


def _path(local: LocalStripe, session: Any) -> str:
    path: str = session.url.removeprefix(local.url)
    return path


def _bought(local: LocalStripe, session: Any) -> Any:
    assert local.pay(session).status_code == 200
    return local.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription", "invoice"]})


def test_a_session_with_a_discount(local: LocalStripe) -> None:
    coupon = _coupon(local, duration="repeating", duration_in_months=2)
    session = local.session(discounts=[{"coupon": coupon}])
    assert (session.amount_subtotal, session.amount_total) == (900, 450)
    assert (session.total_details.amount_discount, session.discounts[0].coupon) == (450, coupon)
    page = local.browser.get(_path(local, session)).text
    assert "Discount: -4.50 EUR" in page
    assert "Promotion code" not in page
    bought = _bought(local, session)
    assert (bought.payment_status, bought.invoice.amount_paid) == ("paid", 450)
    assert len(bought.subscription.discounts) == 1
    local.move(days=62, hours=2)
    invoices = local.v1.invoices.list({"subscription": bought.subscription.id}).data
    assert [invoice.total for invoice in invoices] == [900, 450, 450]


def test_a_promotion_code_is_typed_taken_back_and_typed_again(local: LocalStripe) -> None:
    code = _code(local, "HALF")
    session = local.session(allow_promotion_codes=True)
    path = _path(local, session)
    assert "Promotion code" in local.browser.get(path).text
    wrong = local.browser.post(path, data={"action": "promotion", "promotion_code": "<b>"})
    assert (wrong.status_code, "This code is invalid." in wrong.text) == (400, True)
    assert "<b>" not in wrong.text
    right = {"action": "promotion", "promotion_code": " half "}
    assert local.browser.post(path, data=right).status_code == 303
    assert "Pay 4.50 EUR" in local.browser.get(path).text
    assert local.v1.promotion_codes.retrieve(code.id).times_redeemed == 0
    assert local.browser.post(path, data={"action": "promotion"}).status_code == 303
    assert "Pay 9.00 EUR" in local.browser.get(path).text
    local.browser.post(path, data=right)
    bought = _bought(local, session)
    assert (bought.amount_total, bought.invoice.total) == (450, 450)
    assert bought.discounts[0].promotion_code == code.id
    assert local.v1.promotion_codes.retrieve(code.id).times_redeemed == 1


def test_a_code_that_ends_before_the_payment_is_refused(local: LocalStripe) -> None:
    code = _code(local, "HALF")
    session = local.session(discounts=[{"promotion_code": code.id}])
    local.v1.promotion_codes.update(code.id, {"active": False})
    refused = local.pay(session)
    assert (refused.status_code, "Start a new purchase" in refused.text) == (400, True)
    assert local.v1.subscriptions.list().data == []
    assert local.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_a_whole_discount_asks_for_no_money(local: LocalStripe) -> None:
    whole = _coupon(local, percent_off=100)
    session = local.session(discounts=[{"coupon": whole}], payment_method_collection="if_required")
    page = local.browser.get(_path(local, session)).text
    assert ("Card number" in page, "Start the trial" in page) == (False, False)
    done = local.browser.post(_path(local, session), data={"email": "a@b.example", "name": "A"})
    assert done.status_code == 303
    bought = local.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
    assert (bought.payment_status, bought.subscription.status) == ("no_payment_required", "active")
    assert local.v1.charges.list().data == []


def test_a_one_off_purchase_with_a_discount(local: LocalStripe) -> None:
    issue = local.v1.prices.create(
        {
            "product": local.v1.products.create({"name": "Issue"}).id,
            "unit_amount": 500,
            "currency": "eur",
        }
    )
    coupon = _coupon(local)
    session = local.session(issue, mode="payment", discounts=[{"coupon": coupon}])
    assert local.pay(session).status_code == 200
    assert local.v1.charges.list().data[0].amount == 250
    [discount] = local.said("customer.discount.created")
    assert discount.checkout_session == session.id
    assert local.v1.coupons.retrieve(coupon).times_redeemed == 1


def test_discounts_that_stripe_refuses(local: LocalStripe) -> None:
    coupon = {"coupon": _coupon(local)}
    refusals: list[dict[str, Any]] = [
        {"discounts": [coupon], "allow_promotion_codes": True},
        {"discounts": [coupon, coupon]},
        {"discounts": [{"coupon": "none"}]},
        {"discounts": [{**coupon, "promotion_code": "none"}]},
    ]
    for fields in refusals:
        with pytest.raises(stripe.InvalidRequestError):
            local.session(**fields)
    plain = local.session()
    typed = {"action": "promotion", "promotion_code": "HALF"}
    refused = local.browser.post(_path(local, plain), data=typed)
    assert (refused.status_code, "takes no promotion codes" in refused.text) == (400, True)
