"""Another price, quantity or trial's end for a living subscription, and how that is billed."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from service.simulator.periods import DAY, after
from tests.simulator.local import LocalStripe


@pytest.fixture
def local(quiet: LocalStripe) -> LocalStripe:
    return quiet


def _subscribed(local: LocalStripe, amount: int = 1000, **fields: Any) -> Any:
    """A subscription of 30-day periods, so that parts of one are whole numbers."""
    price = local.price(amount, recurring={"interval": "day", "interval_count": 30})
    return local.v1.subscriptions.create(
        {"customer": local.customer().id, "items": [{"price": price.id}], **fields}
    )


def _again(local: LocalStripe, subscription: Any, *expand: str) -> Any:
    return local.v1.subscriptions.retrieve(subscription.id, {"expand": list(expand)})


def _other(local: LocalStripe, amount: int, interval: str = "day", count: int = 30) -> str:
    made: str = local.price(amount, recurring={"interval": interval, "interval_count": count}).id
    return made


def _switch(local: LocalStripe, subscription: Any, price: str, **fields: Any) -> Any:
    item = subscription["items"].data[0].id
    return local.v1.subscriptions.update(
        subscription.id,
        {"items": [{"id": item, "price": price}], "expand": ["latest_invoice"], **fields},
    )


def _lines(invoice: Any) -> list[tuple[int, bool]]:
    return [
        (line.amount, line.parent.subscription_item_details.proration)
        for line in invoice.lines.data
    ]


@pytest.mark.parametrize(
    ("amount", "lines"),
    [
        (2500, [(-500, True), (1250, True), (2500, False)]),  # up
        (400, [(-500, True), (200, True), (400, False)]),  # down
    ],
)
def test_a_switch_is_billed_with_the_next_invoice(
    local: LocalStripe, amount: int, lines: list[tuple[int, bool]]
) -> None:
    made = _subscribed(local)
    local.move(days=15)
    switched = _switch(local, made, _other(local, amount))
    assert (switched.status, switched.latest_invoice.id) == ("active", made.latest_invoice)
    item = switched["items"].data[0]
    assert item.id == made["items"].data[0].id
    assert item.current_period_end == made["items"].data[0].current_period_end
    assert item.price.unit_amount == amount
    local.move(days=15, hours=1)
    renewed = _again(local, made, "latest_invoice").latest_invoice
    assert (_lines(renewed), renewed.status) == (lines, "paid")
    assert renewed.total == sum(part for part, _ in lines)
    credit = renewed.lines.data[0]
    assert credit.description.startswith("Unused time on Digital after 25 ")
    credited = credit.parent.subscription_item_details.proration_details.credited_items
    assert credited.invoice == made.latest_invoice
    assert len(local.said("invoiceitem.created")) == 2
    local.move(days=30, hours=1)
    assert _again(local, made, "latest_invoice").latest_invoice.total == amount


def test_a_switch_up_may_be_billed_at_once(local: LocalStripe) -> None:
    made = _subscribed(local)
    local.move(days=15)
    dear = _other(local, 2500)
    invoice = _switch(local, made, dear, proration_behavior="always_invoice").latest_invoice
    assert (_lines(invoice), invoice.billing_reason) == (
        [(-500, True), (1250, True)],
        "subscription_update",
    )
    assert (invoice.status, invoice.amount_paid) == ("paid", 750)
    local.move(days=10)
    # What was billed in the middle is credited, not what the first price would come to.
    back = _switch(local, _again(local, made), _other(local, 400), proration_date=local.now)
    assert back.latest_invoice.id == invoice.id
    local.move(days=5, hours=1)
    renewed = _again(local, made, "latest_invoice").latest_invoice
    assert _lines(renewed) == [(-417, True), (67, True), (400, False)]
    assert renewed.total == 50


def test_a_switch_down_at_once_leaves_a_credit(local: LocalStripe) -> None:
    made = _subscribed(local, 3000)
    local.move(days=10)
    invoice = _switch(
        local, made, _other(local, 600), proration_behavior="always_invoice"
    ).latest_invoice
    assert (invoice.total, invoice.amount_due, invoice.status) == (-1600, 0, "paid")
    assert (invoice.starting_balance, invoice.ending_balance) == (0, -1600)
    assert local.v1.customers.retrieve(made.customer).balance == -1600
    local.move(days=60, hours=2)
    newest, before, *_ = local.v1.invoices.list({"subscription": made.id}).data
    assert (before.total, before.amount_due, before.ending_balance) == (600, 0, -1000)
    assert (newest.amount_due, newest.ending_balance) == (0, -400)
    local.move(days=30)
    last = _again(local, made, "latest_invoice").latest_invoice
    assert (last.total, last.amount_due, last.amount_paid) == (600, 200, 200)
    assert local.v1.charges.list({"limit": 1}).data[0].amount == 200


def test_a_switch_without_prorations(local: LocalStripe) -> None:
    made = _subscribed(local)
    local.move(days=15)
    _switch(local, made, _other(local, 2500), proration_behavior="none")
    local.move(days=15, hours=1)
    assert _lines(_again(local, made, "latest_invoice").latest_invoice) == [(2500, False)]


@pytest.mark.parametrize(
    ("behaviour", "lines"),
    [
        ("create_prorations", [(-500, True), (9000, False)]),
        ("none", [(9000, False)]),
    ],
)
def test_another_interval_begins_a_new_cycle(
    local: LocalStripe, behaviour: str, lines: list[tuple[int, bool]]
) -> None:
    made = _subscribed(local)
    local.v1.subscriptions.update(made.id, {"cancel_at_period_end": True})
    local.move(days=15)
    yearly = _switch(local, made, _other(local, 9000, "year", 1), proration_behavior=behaviour)
    end = after(local.now, "year", 1)
    assert (yearly.billing_cycle_anchor, yearly.cancel_at) == (local.now, end)
    assert yearly["items"].data[0].current_period_end == end
    assert (_lines(yearly.latest_invoice), yearly.latest_invoice.status) == (lines, "paid")
    local.v1.subscriptions.update(made.id, {"cancel_at_period_end": False})
    local.move(days=366)
    assert _again(local, made, "latest_invoice").latest_invoice.total == 9000
    assert _again(local, made).status == "active"


@pytest.mark.parametrize("anchor", [{"type": "now"}, "now"])
def test_the_cycle_begins_anew_where_that_is_asked(local: LocalStripe, anchor: Any) -> None:
    made = _subscribed(local)
    local.move(days=15)
    local.v1.subscriptions.update(made.id, {"billing_cycle_anchor": anchor})
    now = _again(local, made, "latest_invoice")
    assert now["items"].data[0].current_period_end == local.now + 30 * DAY
    assert _lines(now.latest_invoice) == [(-500, True), (1000, False)]
    unchanged = {"billing_cycle_anchor": "unchanged", "metadata": {"a": "b"}}
    local.v1.subscriptions.update(made.id, unchanged)
    assert _again(local, made).latest_invoice == now.latest_invoice.id


def test_prorations_are_net_of_discounts(local: LocalStripe) -> None:
    coupon = local.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    made = _subscribed(local, discounts=[{"coupon": coupon.id}])
    local.move(days=15)
    invoice = _switch(
        local, made, _other(local, 3000), proration_behavior="always_invoice"
    ).latest_invoice
    assert _lines(invoice) == [(-250, True), (750, True)]
    assert (invoice.total, invoice.total_discount_amounts[0].amount) == (500, 0)


def test_a_switch_within_a_trial_costs_nothing(local: LocalStripe) -> None:
    made = _subscribed(local, trial_period_days=10)
    switched = _switch(local, made, _other(local, 2500), proration_behavior="always_invoice")
    assert (switched.status, switched.latest_invoice.id) == ("trialing", made.latest_invoice)
    local.move(days=10, hours=1)
    assert _lines(_again(local, made, "latest_invoice").latest_invoice) == [(2500, False)]


def test_a_trial_ends_now_or_later(local: LocalStripe) -> None:
    first = _subscribed(local, trial_period_days=10)
    longer = local.v1.subscriptions.update(first.id, {"trial_end": local.now + 20 * DAY})
    assert longer["items"].data[0].current_period_end == longer.trial_end == local.now + 20 * DAY
    local.move(days=15)
    assert _again(local, first).status == "trialing"
    local.move(days=2)
    assert len(local.said("customer.subscription.trial_will_end")) == 1
    ended = local.v1.subscriptions.update(first.id, {"trial_end": "now"})
    assert (ended.status, ended.trial_end) == ("active", local.now)
    paid = local.v1.invoices.retrieve(ended.latest_invoice)
    assert (paid.status, paid.amount_paid) == ("paid", 1000)
    local.move(days=29)
    assert _again(local, first).latest_invoice == paid.id
    with pytest.raises(stripe.InvalidRequestError, match="does not simulate"):
        local.v1.subscriptions.update(first.id, {"trial_end": local.now + DAY})


def test_a_failed_payment_of_a_switch(local: LocalStripe) -> None:
    made = _subscribed(local)
    bad = local.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": made.customer})
    local.v1.subscriptions.update(made.id, {"default_payment_method": bad.id})
    local.move(days=15)
    terms = {"proration_behavior": "always_invoice"}
    with pytest.raises(stripe.CardError):
        _switch(local, made, _other(local, 2500), payment_behavior="error_if_incomplete", **terms)
    same = _again(local, made)
    assert (same.status, same["items"].data[0].price.unit_amount) == ("active", 1000)
    late = _switch(local, made, _other(local, 2500), **terms)
    assert (late.status, late["items"].data[0].price.unit_amount) == ("past_due", 2500)
    for behaviour in ("pending_if_incomplete", "default_incomplete"):
        with pytest.raises(stripe.InvalidRequestError, match="does not simulate"):
            _switch(local, made, _other(local, 1), payment_behavior=behaviour)


def test_items_are_counted_added_and_removed(local: LocalStripe) -> None:
    made = _subscribed(local)
    local.move(days=15)
    [item] = made["items"].data
    v1 = local.v1
    v1.subscription_items.update(item.id, {"quantity": 3, "metadata": {"seat": "a"}})
    added = v1.subscription_items.create(
        {"subscription": made.id, "price": _other(local, 600), "proration_behavior": "none"}
    )
    assert added.current_period_end == item.current_period_end
    assert v1.subscription_items.retrieve(added.id).price.unit_amount == 600
    two = v1.subscriptions.update(made.id, {"items": [{"price": _other(local, 60), "quantity": 2}]})
    assert [each.quantity for each in two["items"].data] == [3, 1, 2]
    assert v1.subscription_items.delete(added.id, {"proration_behavior": "none"}).deleted
    last = two["items"].data[2].id
    v1.subscriptions.update(made.id, {"items": [{"id": last, "deleted": True}]})
    listed = v1.subscription_items.list({"subscription": made.id}).data
    assert [(each.id, each.quantity, each.metadata.seat) for each in listed] == [(item.id, 3, "a")]
    local.move(days=15, hours=1)
    lines = _lines(_again(local, made, "latest_invoice").latest_invoice)
    assert lines == [(-500, True), (1500, True), (60, True), (-60, True), (3000, False)]


def _refusals(local: LocalStripe, made: Any) -> list[tuple[Callable[[], Any], str]]:
    item = made["items"].data[0].id
    update = local.v1.subscriptions.update
    dollars = local.price(currency="usd", recurring={"interval": "day", "interval_count": 30}).id
    archived = _other(local, 5)
    local.v1.prices.update(archived, {"active": False})
    once = local.v1.prices.create(
        {
            "product": local.v1.products.create({"name": "Issue"}).id,
            "unit_amount": 1,
            "currency": "eur",
        }
    ).id

    def with_items(*rows: dict[str, Any]) -> Callable[[], Any]:
        return lambda: update(made.id, {"items": list(rows)})

    return [
        (with_items({"id": item, "price": dollars}), "in EUR"),
        (with_items({"id": item, "price": archived}), "inactive"),
        (with_items({"id": item, "price": once}), "one-time"),
        (with_items({"id": "si_none", "price": archived}), "No such subscription item"),
        (with_items({"quantity": 2}), "Missing required param"),
        (with_items({"price": made["items"].data[0].price.id}), "same price"),
        (with_items({"id": item, "deleted": True}), "at least one item"),
        (with_items({"price": _other(local, 5, "year", 1)}), "same billing interval"),
        (with_items({"id": item, "quantity": 0}), "at least 1"),
        (lambda: update(made.id, {"proration_date": 1, "items": [{"id": item}]}), "proration_date"),
        (lambda: local.v1.subscription_items.delete(item), "at least one item"),
        (lambda: local.v1.subscription_items.retrieve("si_none"), "No such subscription item"),
        (lambda: update(made.id, {"trial_end": "soon"}), "does not simulate"),
    ]


def test_switches_that_make_no_sense(local: LocalStripe) -> None:
    made = _subscribed(local)
    for attempt, reason in _refusals(local, made):
        with pytest.raises(stripe.InvalidRequestError, match=reason):
            attempt()
    assert _again(local, made)["items"].data == made["items"].data


def test_an_archived_price_goes_on_for_those_who_have_it(local: LocalStripe) -> None:
    made = _subscribed(local)
    item = made["items"].data[0]
    local.v1.prices.update(item.price.id, {"active": False})
    local.v1.products.update(item.price.product, {"active": False})
    local.v1.subscriptions.update(made.id, {"items": [{"id": item.id, "quantity": 2}]})
    local.move(days=31)
    renewed = _again(local, made, "latest_invoice")
    assert (renewed.status, renewed.latest_invoice.status) == ("active", "paid")
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        local.session(item.price)
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        local.v1.subscriptions.create(
            {"customer": made.customer, "items": [{"price": item.price.id}]}
        )


def test_a_customers_subscriptions_are_in_one_currency(local: LocalStripe) -> None:
    made = _subscribed(local)
    dollars = local.price(currency="usd")
    wanted = {"customer": made.customer, "items": [{"price": dollars.id}]}
    with pytest.raises(stripe.InvalidRequestError, match="combine currencies"):
        local.v1.subscriptions.create(wanted)
    with pytest.raises(stripe.InvalidRequestError, match="combine currencies"):
        local.session(dollars, customer=made.customer)
    local.v1.subscriptions.cancel(made.id)
    assert local.v1.subscriptions.create(wanted).currency == "usd"
