"""Products, prices, customers, payment methods: what is kept, listed, paged and expanded."""

from typing import Any

import pytest
import stripe

from tests.simulator.local import DECLINED, LocalStripe


def _ids(found: Any) -> list[str]:
    return [entry.id for entry in found]


def test_a_product_is_created_changed_and_deleted(local: LocalStripe) -> None:
    product = local.v1.products.create(
        {
            "id": "prod_digital",
            "name": "Digital",
            "description": "All articles",
            "images": ["https://news.example/a.png"],
            "metadata": {"1": "numbered", "plan": "digital"},
        }
    )
    assert product.metadata.to_dict() == {"1": "numbered", "plan": "digital"}
    changed = local.v1.products.update(
        product.id, {"name": "Digital plus", "description": "", "metadata": {"1": ""}}
    )
    assert (changed.name, changed.description) == ("Digital plus", None)
    assert changed.metadata.to_dict() == {"plan": "digital"}
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        local.v1.products.create({"id": "prod_digital", "name": "Again"})
    price = local.price(product_data={"name": "Other"}, product="")
    with pytest.raises(stripe.InvalidRequestError, match="one or more user-created prices"):
        local.v1.products.delete(price.product)
    assert local.v1.products.delete(product.id).deleted
    with pytest.raises(stripe.InvalidRequestError, match="deleted"):
        local.v1.products.retrieve(product.id)
    assert product.id not in _ids(local.v1.products.list().data)
    local.deliver()
    [event] = [event for event in local.receiver.events if event["type"] == "product.updated"]
    assert event["data"]["previous_attributes"] == {
        "name": "Digital",
        "description": "All articles",
        "metadata": {"1": "numbered", "plan": "digital"},
    }


def test_a_product_with_its_default_price(local: LocalStripe) -> None:
    product = local.v1.products.create(
        {
            "name": "Digital",
            "default_price_data": {
                "currency": "EUR",
                "unit_amount": 900,
                "recurring": {"interval": "year"},
            },
            "expand": ["default_price"],
        }
    )
    assert product.default_price.recurring.interval == "year"
    assert product.default_price.currency == "eur"


def test_a_lookup_key_names_one_price(local: LocalStripe) -> None:
    first = local.price(lookup_key="monthly")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        local.price(lookup_key="monthly")
    assert refused.value.param == "lookup_key"
    second = local.price(1200, lookup_key="monthly", transfer_lookup_key=True)
    found = local.v1.prices.list({"lookup_keys": ["monthly", "none"], "expand": ["data.product"]})
    assert _ids(found.data) == [second.id]
    assert found.data[0].product.name == "Digital"
    assert local.v1.prices.retrieve(first.id).lookup_key is None
    local.v1.prices.update(second.id, {"active": False, "nickname": "old"})
    assert second.id not in _ids(local.v1.prices.list({"active": True}).data)


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"unit_amount": -1}, "unit_amount"),
        ({"unit_amount": "nine"}, "unit_amount"),
        ({"unit_amount": "٣"}, "unit_amount"),
        ({"unit_amount": "9" * 40}, "unit_amount"),
        ({"unit_amount": ""}, "unit_amount"),
        ({"recurring": {"interval": "decade"}}, "recurring[interval]"),
        ({"recurring": {"interval_count": 2}}, "recurring[interval]"),
        ({"product": "prod_none"}, "product"),
        ({"colour": "red"}, "colour"),
        ({"currency": ""}, "currency"),
    ],
)
def test_a_wrong_price_is_refused_by_name(
    local: LocalStripe, wrong: dict[str, Any], param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        local.price(**wrong)
    assert (refused.value.http_status, refused.value.param) == (400, param)


def test_lists_are_paged_both_ways(local: LocalStripe) -> None:
    made = [local.v1.customers.create({"email": f"{n}@example.org"}).id for n in range(7)][::-1]
    first = local.v1.customers.list({"limit": 3})
    assert (_ids(first.data), first.has_more, first.url) == (made[:3], True, "/v1/customers")
    second = local.v1.customers.list({"limit": 3, "starting_after": made[2]})
    assert (_ids(second.data), second.has_more) == (made[3:6], True)
    last = local.v1.customers.list({"limit": 3, "starting_after": made[5]})
    assert (_ids(last.data), last.has_more) == (made[6:], False)
    before = local.v1.customers.list({"limit": 3, "ending_before": made[5]})
    assert (_ids(before.data), before.has_more) == (made[2:5], True)
    assert local.v1.customers.list({"limit": 3, "ending_before": made[0]}).data == []
    assert _ids(local.v1.customers.list({"limit": 2}).auto_paging_iter()) == made
    assert _ids(local.v1.customers.list({"email": "3@example.org"}).data) == [made[3]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": "many"},
        {"starting_after": "cus_none"},
        {"created": {"since": 1}},
        {"created": {"gte": "9" * 30}},
    ],
)
def test_wrong_paging_is_refused(local: LocalStripe, wrong: dict[str, Any]) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        local.v1.customers.list(wrong)
    assert refused.value.http_status == 400
    assert str(refused.value.param).startswith(next(iter(wrong)))


def test_only_one_cursor_at_a_time(local: LocalStripe) -> None:
    customer = local.customer(card=None).id
    with pytest.raises(stripe.InvalidRequestError, match="not both"):
        local.v1.customers.list({"starting_after": customer, "ending_before": customer})


def test_lists_know_when_things_were_created(local: LocalStripe) -> None:
    old = local.customer(card=None)
    then = local.move(days=2)
    new = local.customer(card=None)
    assert _ids(local.v1.customers.list({"created": {"gte": then}}).data) == [new.id]
    assert _ids(local.v1.customers.list({"created": {"lt": then}}).data) == [old.id]
    assert _ids(local.v1.customers.list({"created": then}).data) == [new.id]


def test_a_customer_lives_and_dies(local: LocalStripe) -> None:
    customer = local.customer(
        address={"country": "PT", "city": "Vila Nova"},
        preferred_locales=["pt-PT"],
        metadata={"reader": "r1"},
    )
    assert customer.invoice_settings.default_payment_method.startswith("pm_")
    shown = local.v1.customers.retrieve(
        customer.id, {"expand": ["invoice_settings.default_payment_method", "subscriptions"]}
    )
    assert shown.invoice_settings.default_payment_method.card.last4 == "4242"
    assert shown.subscriptions.data == []
    changed = local.v1.customers.update(customer.id, {"email": "new@example.org", "metadata": ""})
    assert (changed.email, changed.metadata.to_dict()) == ("new@example.org", {})
    subscription = local.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": local.price().id}]}
    )
    assert local.v1.customers.delete(customer.id).deleted
    assert local.v1.customers.retrieve(customer.id).deleted
    with pytest.raises(stripe.InvalidRequestError) as refused:
        local.v1.customers.update(customer.id, {"email": "x@example.org"})
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    ended = local.v1.subscriptions.retrieve(subscription.id, {"expand": ["customer"]})
    assert (ended.status, ended.customer.deleted) == ("canceled", True)
    deep = local.v1.subscriptions.retrieve(
        subscription.id, {"expand": ["customer.invoice_settings.default_payment_method"]}
    )
    assert deep.customer.deleted


def test_payment_methods_belong_to_customers(local: LocalStripe) -> None:
    customer = local.customer()
    fresh = local.v1.payment_methods.create(
        {
            "type": "card",
            "card": {"number": "4000000000000341", "exp_month": 12, "exp_year": 2031},
            "billing_details": {"name": "Ana"},
            "metadata": {"a": "b"},
        }
    )
    assert (fresh.customer, fresh.card.last4, fresh.metadata["a"]) == (None, "0341", "b")
    local.v1.payment_methods.attach(fresh.id, {"customer": customer.id})
    held = local.v1.payment_methods.list({"customer": customer.id, "type": "card"}).data
    assert held[0].id == fresh.id
    assert len(local.v1.customers.payment_methods.list(customer.id).data) == 2
    detached = local.v1.payment_methods.detach(fresh.id)
    assert detached.customer is None
    assert local.v1.payment_methods.retrieve(fresh.id).customer is None
    with pytest.raises(stripe.CardError) as refused:
        local.v1.payment_methods.attach("pm_card_chargeDeclined", {"customer": customer.id})
    assert (refused.value.code, refused.value.http_status) == ("card_declined", 402)
    bad = local.v1.payment_methods.create(
        {"type": "card", "card": {"number": DECLINED, "exp_month": 12, "exp_year": 2031}}
    )
    with pytest.raises(stripe.CardError):
        local.v1.payment_methods.attach(bad.id, {"customer": customer.id})


def test_a_detached_default_is_no_longer_charged(local: LocalStripe) -> None:
    customer = local.customer()
    method = customer.invoice_settings.default_payment_method
    local.v1.payment_methods.detach(method)
    assert local.v1.customers.retrieve(customer.id).invoice_settings.default_payment_method is None


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("colour", "cannot be expanded"),
        ("status", "cannot be expanded"),
        ("customer.email", "cannot be expanded"),
        ("latest_invoice.customer.invoice_settings.default_payment_method.x", "more than 4 levels"),
    ],
)
def test_what_cannot_be_expanded_is_refused(local: LocalStripe, path: str, message: str) -> None:
    subscription = local.subscribe()
    with pytest.raises(stripe.InvalidRequestError, match=message):
        local.v1.subscriptions.retrieve(subscription.id, {"expand": [path]})


def test_expansion_goes_deep(local: LocalStripe) -> None:
    subscription = local.v1.subscriptions.retrieve(
        local.subscribe().id,
        {
            "expand": [
                "customer",
                "default_payment_method",
                "items.data.price.product",
                "latest_invoice.payments",
                "latest_invoice.parent.subscription_details.subscription",
            ]
        },
    )
    assert subscription.customer.email == "ana@example.org"
    assert subscription.default_payment_method.card.brand == "visa"
    assert subscription["items"].data[0].price.product.name == "Digital"
    assert subscription.latest_invoice.payments.data[0].status == "paid"
    details = subscription.latest_invoice.parent.subscription_details
    assert details.subscription.id == subscription.id
    listed = local.v1.invoice_payments.list(
        {"invoice": subscription.latest_invoice.id, "expand": ["data.payment.payment_intent"]}
    )
    assert listed.data[0].payment.payment_intent.status == "succeeded"


def test_a_payment_methods_details_change(local: LocalStripe) -> None:
    customer = local.customer()
    known = customer.invoice_settings.default_payment_method
    changed = local.v1.payment_methods.update(
        known,
        {
            "card": {"exp_month": 7, "exp_year": 2032},
            "billing_details": {"name": "Ana Belém"},
            "metadata": {"a": "b"},
        },
    )
    assert (changed.card.exp_month, changed.card.exp_year) == (7, 2032)
    assert changed.billing_details.name == "Ana Belém"
    with pytest.raises(stripe.CardError):
        local.v1.payment_methods.update(known, {"card": {"exp_year": 2020}})
    account = local.v1.payment_methods.create(
        {"type": "sepa_debit", "sepa_debit": {"iban": "DE89370400440532013000"}}
    )
    local.v1.payment_methods.attach(account.id, {"customer": customer.id})
    for wrong in ({"card": {"exp_year": 2032}}, {"billing_details": {"shoe_size": "38"}}):
        with pytest.raises(stripe.InvalidRequestError):
            local.v1.payment_methods.update(account.id, wrong)
    local.deliver()
    assert local.receiver.types.count("payment_method.updated") == 1
