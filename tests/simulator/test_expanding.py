"""`expand`: what Stripe's API has is never refused, and says what is known."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from service.simulator.protocol.errors import StripeError
from service.simulator.protocol.expand import expanded
from tests.simulator.document import StripeDocument
from tests.simulator.local import LocalStripe


@pytest.fixture
def local(quiet: LocalStripe) -> LocalStripe:
    return quiet


def _refused(local: LocalStripe, kind: str, paths: list[str]) -> Iterator[str]:
    store = local.simulator.world.store
    for stored in store.find(kind, limit=20):
        for path in paths:
            try:
                expanded(store, stored, [path])
            except StripeError as error:
                yield f"{kind}: {path}: {error}"


def _furnish(local: LocalStripe) -> None:
    """Something of each kind whose fields differ by what happened to it."""
    v1 = local.v1
    coupon = v1.coupons.create({"amount_off": 100, "currency": "eur", "duration": "once"})
    code = v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}})
    bought = local.subscribe(discounts=[{"promotion_code": code.id}])
    charge = v1.charges.list({"customer": bought.customer}).data[0].id
    v1.refunds.create({"charge": charge, "amount": 1})
    local.browser.post("/_sim/dispute", json={"charge": charge})
    v1.invoice_items.create({"customer": bought.customer, "amount": 100, "currency": "eur"})
    items = [{"id": bought["items"].data[0].id, "price": local.price(1900).id}]
    v1.subscriptions.update(bought.id, {"items": items})
    v1.setup_intents.create({"customer": bought.customer})
    local.pay(local.session(), card="4000000000000002")
    debit = local.session()
    local.browser.post(f"/_sim/checkout/{debit.id}/pay", json={"method": "bank_debit"})
    v1.billing_portal.sessions.create({"customer": bought.customer})
    v1.test_helpers.test_clocks.create({"frozen_time": local.now})


def test_no_field_that_stripe_can_expand_is_refused(
    local: LocalStripe, document: StripeDocument
) -> None:
    _furnish(local)
    kinds = local.simulator.world.store.connection.execute("SELECT DISTINCT kind FROM objects")
    refused = [
        fault
        for (kind,) in kinds.fetchall()
        for fault in _refused(local, kind, list(document.expandable(kind)))
    ]
    assert refused == []


@pytest.mark.parametrize(
    ("kind", "path", "shown"),
    [
        ("customers", "sources", {"data": [], "has_more": False}),
        ("customers", "tax_ids", {"data": [], "has_more": False}),
        ("customers", "tax", {"automatic_tax": "not_collecting"}),
        ("customers", "cash_balance", None),
        ("customers", "invoice_credit_balance", {}),
        ("prices", "tiers", []),
        ("prices", "currency_options", {"eur": {"unit_amount": 900}}),
        ("coupons", "currency_options", {"eur": {"amount_off": 100}}),
    ],
)
def test_what_nobody_has_is_empty(local: LocalStripe, kind: str, path: str, shown: Any) -> None:
    made = {
        "customers": lambda: local.customer(None),
        "prices": lambda: local.price(900),
        "coupons": lambda: local.v1.coupons.create({"amount_off": 100, "currency": "eur"}),
    }[kind]()
    assert path not in made
    service = getattr(local.v1, kind)
    listed = service.list({"expand": [f"data.{path}"]}).data[0]
    for answer in (service.retrieve(made.id, {"expand": [path]}), listed):
        told = answer.to_dict()[path]
        if isinstance(told, dict) and shown:
            told = _same_keys(told, shown)
        assert told == shown


def _same_keys(told: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _same_keys(told[key], value) if isinstance(value, dict) else told[key]
        for key, value in shown.items()
    }


@pytest.mark.parametrize("paid", [False, True])
def test_a_sessions_discount_is_told_in_total_and_by_line(local: LocalStripe, paid: bool) -> None:
    coupon = local.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    session = local.session(discounts=[{"coupon": coupon.id}])
    if paid:
        local.pay(session)
    shown = local.v1.checkout.sessions.retrieve(
        session.id,
        {
            "expand": [
                "total_details.breakdown",
                "line_items.data.discounts",
                "line_items.data.taxes",
            ]
        },
    )
    [line] = shown.line_items.data
    for discounts in (shown.total_details.breakdown.discounts, line.discounts):
        [entry] = discounts
        assert (entry.amount, entry.discount.source.coupon) == (450, coupon.id)
    assert line.taxes == shown.total_details.breakdown.taxes == []
    if paid:
        bought = local.v1.subscriptions.retrieve(shown.subscription)
        assert entry.discount.id == bought.discounts[0]


def test_what_stripe_has_not_is_refused(local: LocalStripe) -> None:
    customer = local.customer(None)
    for path in ("colour", "email", "invoice_settings.colour", "sources.data.a.b.c"):
        with pytest.raises(stripe.InvalidRequestError, match="expand"):
            local.v1.customers.retrieve(customer.id, {"expand": [path]})


def test_two_paths_may_lead_through_one_list(local: LocalStripe) -> None:
    """Such as a discount's coupon and its promotion code."""
    v1 = local.v1
    coupon = v1.coupons.create({"percent_off": 50, "duration": "forever"})
    code = v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "HALF"}
    )
    bought = local.subscribe(discounts=[{"promotion_code": code.id}])
    paths = ["discounts.source.coupon", "discounts.promotion_code"]
    (found,) = v1.subscriptions.retrieve(bought.id, {"expand": paths}).discounts
    assert (found.source.coupon.id, found.promotion_code.code) == (coupon.id, "HALF")
