"""Previews of invoices: what a switch, a discount or a purchase would cost, without doing it."""

from typing import Any

import pytest
import stripe

from tests.simulator.local import LocalStripe


@pytest.fixture
def local(quiet: LocalStripe) -> LocalStripe:
    return quiet


_MONTH = {"interval": "day", "interval_count": 30}


def _subscribed(local: LocalStripe) -> Any:
    price = local.price(1000, recurring=_MONTH)
    return local.v1.subscriptions.create(
        {"customer": local.customer().id, "items": [{"price": price.id}]}
    )


def _preview(local: LocalStripe, made: Any, **fields: Any) -> Any:
    return local.v1.invoices.create_preview({"subscription": made.id, **fields})


def test_previews_say_what_the_real_thing_then_costs(local: LocalStripe) -> None:
    made = _subscribed(local)
    coupon = local.v1.coupons.create({"percent_off": 10})
    local.move(days=15)
    dear = local.price(2500, recurring=_MONTH).id
    items = [{"id": made["items"].data[0].id, "price": dear}]
    before = len(local.v1.events.list({"limit": 100}).data)
    assert _preview(local, made).total == 1000
    assert _preview(local, made, discounts=[{"coupon": coupon.id}]).total == 900
    next_one = _preview(local, made, subscription_details={"items": items})
    assert [line.amount for line in next_one.lines.data] == [-500, 1250, 2500]
    at_once = {"items": items, "proration_behavior": "always_invoice"}
    now = _preview(local, made, subscription_details=at_once)
    assert (now.total, now.status, now.billing_reason) == (750, "draft", "upcoming")
    yearly = {"items": [{**items[0], "price": local.price(9000, "year").id}]}
    assert _preview(local, made, subscription_details=yearly).total == 8500
    anchor = {"billing_cycle_anchor": "now"}
    assert _preview(local, made, subscription_details=anchor).total == 500
    # Nothing of that was done: only the price above was made.
    assert len(local.v1.events.list({"limit": 100}).data) == before + 2
    assert local.v1.coupons.retrieve(coupon.id).times_redeemed == 0
    same = local.v1.subscriptions.retrieve(made.id)
    assert (same["items"].data, same.latest_invoice) == (made["items"].data, made.latest_invoice)
    real = local.v1.subscriptions.update(made.id, {**at_once, "expand": ["latest_invoice"]})
    assert real.latest_invoice.total == now.total


def test_a_purchase_is_previewed(local: LocalStripe) -> None:
    customer, price = local.customer(), local.price()
    coupon = local.v1.coupons.create({"percent_off": 50})
    wanted = {
        "customer": customer.id,
        "subscription_details": {"items": [{"price": price.id, "quantity": 2}]},
    }
    assert local.v1.invoices.create_preview(wanted).amount_due == 1800
    half = local.v1.invoices.create_preview({**wanted, "discounts": [{"coupon": coupon.id}]})
    assert (half.subtotal, half.total) == (1800, 900)
    local.v1.customers.retrieve(customer.id)
    assert local.v1.subscriptions.list().data == []


def test_what_can_not_be_previewed(local: LocalStripe) -> None:
    made = _subscribed(local)
    ending = {"subscription_details": {"cancel_at_period_end": True}}
    with pytest.raises(stripe.InvalidRequestError) as none:
        _preview(local, made, **ending)
    assert none.value.code == "invoice_upcoming_none"
    assert not local.v1.subscriptions.retrieve(made.id).cancel_at_period_end
    for fields in ({"customer": local.customer().id}, {"preview_mode": "recurring"}):
        with pytest.raises(stripe.InvalidRequestError):
            _preview(local, made, **fields)
    with pytest.raises(stripe.InvalidRequestError):
        local.v1.invoices.create_preview({"customer": made.customer})
    local.v1.subscriptions.cancel(made.id)
    with pytest.raises(stripe.InvalidRequestError, match="it has ended"):
        _preview(local, made)
