"""Checkout beyond subscriptions: one-off payments, saved payment methods, and what is passed through."""

from typing import Any

import pytest
import stripe

from tests.simulator.local import DECLINED, FAILS_LATER, PAYS, LocalStripe


def once(local: LocalStripe, amount: int = 300, currency: str = "eur") -> Any:
    """A one-time price of a new product."""
    product = local.v1.products.create({"name": "Article"})
    return local.v1.prices.create(
        {"product": product.id, "unit_amount": amount, "currency": currency}
    )


def one_off(local: LocalStripe, price: Any = None, **fields: Any) -> Any:
    """An open session in mode payment."""
    return local.session(price or once(local), mode="payment", **fields)


def setup(local: LocalStripe, **fields: Any) -> Any:
    """An open session in mode setup."""
    return local.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "currency": "eur",
            "success_url": "https://news.example/saved",
            **fields,
        }
    )


def test_a_one_off_payment_is_an_intent_without_a_subscription(local: LocalStripe) -> None:
    session = one_off(
        local,
        client_reference_id="c1",
        payment_intent_data={"metadata": {"article": "a"}, "description": "Article a"},
    )
    assert (session.mode, session.amount_total, session.payment_intent) == ("payment", 300, None)
    assert session.customer_creation == "if_required"
    assert local.pay(session).status_code == 200
    paid = local.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["payment_intent.latest_charge", "line_items"]}
    )
    assert (paid.status, paid.payment_status) == ("complete", "paid")
    assert (paid.subscription, paid.invoice, paid.customer) == (None, None, None)
    assert paid.customer_details.email == "ana@example.org"
    intent = paid.payment_intent
    assert (intent.status, intent.amount_received, intent.description) == (
        "succeeded",
        300,
        "Article a",
    )
    assert intent.metadata["article"] == "a"
    assert intent.setup_future_usage is None
    assert intent.latest_charge.paid
    assert paid.line_items.data[0].price.type == "one_time"
    assert local.v1.checkout.sessions.list({"payment_intent": intent.id}).data[0].id == session.id
    local.deliver()
    [completed] = local.receiver.objects("checkout.session.completed")
    assert completed["payment_intent"] == intent.id
    assert "customer.created" not in local.receiver.types
    assert "invoice.created" not in local.receiver.types


def test_a_price_may_be_made_for_one_purchase(local: LocalStripe) -> None:
    described = {
        "currency": "eur",
        "unit_amount": 250,
        "product_data": {"name": "Article", "metadata": {"article": "a"}},
    }
    for mode, terms in (("payment", {}), ("subscription", {"recurring": {"interval": "week"}})):
        session = local.v1.checkout.sessions.create(
            {
                "mode": mode,
                "line_items": [{"price_data": {**described, **terms}, "quantity": 2}],
                "success_url": "https://news.example/done",
                "expand": ["line_items.data.price.product"],
            }
        )
        [line] = session.line_items.data
        assert (session.amount_total, line.price.product.name) == (500, "Article")
        assert not line.price.active
        assert local.pay(session).status_code == 200
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        one_off(local, line.price)
    for wrong, param in (
        ({"product": "prod_none"}, "line_items[0][price_data][product]"),
        ({}, "line_items[0][price_data][product]"),
        ({"colour": "red"}, "line_items[0][price_data][colour]"),
        ({"product_data": {}}, "line_items[0][price_data][product]"),
    ):
        data = {"currency": "eur", "unit_amount": 250, **wrong}
        with pytest.raises(stripe.InvalidRequestError) as refused:
            local.session(once(local), mode="payment", line_items=[{"price_data": data}])
        assert refused.value.param == param


def test_a_customer_comes_into_being_where_one_is_wanted(local: LocalStripe) -> None:
    for wanted in (
        {"customer_creation": "always"},
        {"payment_intent_data": {"setup_future_usage": "off_session"}},
    ):
        session = one_off(local, **wanted)
        local.pay(session)
        paid = local.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
        assert paid.customer is not None
        assert paid.payment_intent.customer == paid.customer
        saved = local.v1.customers.payment_methods.list(paid.customer).data
        assert len(saved) == ("payment_intent_data" in wanted)
    known = local.customer(card=None)
    session = one_off(local, customer=known.id)
    assert session.customer_creation is None
    local.pay(session)
    assert local.v1.checkout.sessions.retrieve(session.id).customer == known.id


def test_a_one_off_payment_may_come_with_its_invoice(local: LocalStripe) -> None:
    wanted = {"enabled": True, "invoice_data": {"metadata": {"a": "b"}, "footer": "Thank you"}}
    session = one_off(local, invoice_creation=wanted)
    local.pay(session)
    paid = local.v1.checkout.sessions.retrieve(session.id, {"expand": ["invoice.payments"]})
    invoice = paid.invoice
    assert (invoice.status, invoice.amount_paid, invoice.footer) == ("paid", 300, "Thank you")
    assert (invoice.customer, invoice.parent) == (paid.customer, None)
    assert invoice.lines.data[0].pricing.price_details.price
    assert invoice.payments.data[0].payment.payment_intent == paid.payment_intent
    later = one_off(local, invoice_creation=wanted)
    entries = {"method": "bank_debit", "email": "ana@example.org"}
    local.browser.post(f"/_sim/checkout/{later.id}/pay", json=entries)
    assert local.v1.checkout.sessions.retrieve(later.id).invoice is None
    local.browser.post(f"/_sim/checkout/{later.id}/settle", json={"succeed": True})
    settled = local.v1.checkout.sessions.retrieve(later.id, {"expand": ["invoice"]})
    assert settled.invoice.status == "paid"
    local.deliver()
    assert local.receiver.types.count("invoice.paid") == 2


def test_a_declined_one_off_payment_keeps_its_intent(local: LocalStripe) -> None:
    session = one_off(local)
    for card in (DECLINED, FAILS_LATER):
        assert local.pay(session, card).status_code == 402
    tried = local.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (tried.status, tried.payment_intent.status) == ("open", "requires_payment_method")
    assert tried.payment_intent.last_payment_error.code == "card_declined"
    assert local.pay(session).status_code == 200
    paid = local.v1.checkout.sessions.retrieve(session.id)
    assert paid.payment_intent == tried.payment_intent.id
    assert len(local.v1.charges.list({"payment_intent": paid.payment_intent}).data) == 3


def test_what_costs_nothing_asks_for_no_card(local: LocalStripe) -> None:
    free = one_off(local, once(local, 0))
    page = local.browser.get(f"/checkout/{free.id}")
    assert "Card number" not in page.text
    form = {"email": "ana@example.org", "name": "Ana"}
    assert local.browser.post(f"/checkout/{free.id}", data=form).status_code == 303
    assert local.v1.checkout.sessions.retrieve(free.id).payment_status == "no_payment_required"
    trial = local.session(
        payment_method_collection="if_required",
        subscription_data={
            "trial_period_days": 7,
            "trial_settings": {"end_behavior": {"missing_payment_method": "cancel"}},
        },
    )
    hook = f"/_sim/checkout/{trial.id}/pay"
    assert local.browser.post(hook, json={"email": "ana@example.org"}).status_code == 200
    bought = local.v1.checkout.sessions.retrieve(trial.id)
    begun = local.v1.subscriptions.retrieve(bought.subscription)
    assert (begun.status, begun.default_payment_method) == ("trialing", None)
    assert begun.trial_settings.end_behavior.missing_payment_method == "cancel"
    local.move(days=8)
    assert local.v1.subscriptions.retrieve(begun.id).status == "canceled"
    for needs_card in (one_off(local), local.session(payment_method_collection="if_required")):
        refused = local.browser.post(f"/_sim/checkout/{needs_card.id}/pay", json={})
        assert refused.json()["error"]["param"] == "card"


def test_a_payment_method_is_saved_without_a_payment(local: LocalStripe) -> None:
    customer = local.customer(card=None)
    session = setup(local, customer=customer.id, setup_intent_data={"metadata": {"reader": "r1"}})
    assert (session.amount_total, session.payment_status) == (None, "no_payment_required")
    assert local.pay(session, DECLINED).status_code == 402
    waiting = local.v1.setup_intents.retrieve(session.setup_intent)
    assert waiting.last_setup_error.code == "card_declined"
    page = local.browser.get(f"/checkout/{session.id}")
    assert "Nothing is charged now" in page.text
    assert local.pay(session).status_code == 200
    saved = local.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent"]})
    assert (saved.status, saved.setup_intent.status) == ("complete", "succeeded")
    assert saved.setup_intent.metadata["reader"] == "r1"
    [method] = local.v1.customers.payment_methods.list(customer.id).data
    assert method.id == saved.setup_intent.payment_method
    assert local.v1.charges.list().data == []
    local.deliver()
    assert {"setup_intent.created", "setup_intent.setup_failed", "setup_intent.succeeded"} <= set(
        local.receiver.types
    )
    nobody = setup(local)
    local.pay(nobody)
    assert local.v1.checkout.sessions.retrieve(nobody.id).customer is None


def test_setup_intents_of_the_api(local: LocalStripe) -> None:
    customer = local.customer()
    known = customer.invoice_settings.default_payment_method
    made = local.v1.setup_intents.create({"customer": customer.id})
    assert made.status == "requires_payment_method"
    changed = local.v1.setup_intents.update(
        made.id, {"payment_method": known, "metadata": {"a": "b"}}
    )
    assert (changed.status, changed.metadata["a"]) == ("requires_confirmation", "b")
    done = local.v1.setup_intents.create(
        {"customer": customer.id, "payment_method": known, "confirm": True}
    )
    assert done.status == "succeeded"
    found = local.v1.setup_intents.list({"customer": customer.id})
    assert [intent.id for intent in found.data] == [done.id, made.id]
    with pytest.raises(stripe.InvalidRequestError, match="succeeded"):
        local.v1.setup_intents.update(done.id, {"description": "Late"})
    with pytest.raises(stripe.InvalidRequestError):
        local.v1.setup_intents.create({"confirm": True})
    asked = local.v1.setup_intents.create(
        {"payment_method": _card(local, "4000002760003184"), "confirm": True}
    )
    assert asked.status == "requires_action"
    hook = f"/_sim/setup_intent/{asked.id}/authenticate"
    assert local.browser.post(hook).json()["status"] == "succeeded"
    assert local.browser.post(hook).status_code == 400
    with pytest.raises(stripe.CardError):
        local.v1.setup_intents.create({"payment_method": _card(local, DECLINED), "confirm": True})


def _card(local: LocalStripe, number: str) -> str:
    card = {"number": number, "exp_month": 1, "exp_year": 2030}
    identifier: str = local.v1.payment_methods.create({"type": "card", "card": card}).id
    return identifier


def test_taxes_and_addresses_are_passed_through(local: LocalStripe) -> None:
    session = local.session(
        automatic_tax={"enabled": True},
        tax_id_collection={"enabled": True},
        billing_address_collection="required",
        locale="de",
    )
    assert session.automatic_tax.status == "requires_location_inputs"
    assert session.tax_id_collection.enabled
    assert (session.billing_address_collection, session.locale) == ("required", "de")
    page = local.browser.get(f"/checkout/{session.id}")
    assert "Tax id" in page.text
    form = {"email": "ana@example.org", "name": "Ana", "card": PAYS, "exp": "12/31", "cvc": "123"}
    refused = local.browser.post(f"/checkout/{session.id}", data={**form, "country": "Germany"})
    assert 'aria-describedby="country-fault"' in refused.text
    typed = {**form, "country": "de", "postal_code": "10115", "tax_id": "DE 123 456 789"}
    assert local.browser.post(f"/checkout/{session.id}", data=typed).status_code == 303
    paid = local.v1.checkout.sessions.retrieve(session.id, {"expand": ["customer"]})
    assert (paid.automatic_tax.status, paid.total_details.amount_tax) == ("complete", 0)
    assert paid.customer_details.address.country == "DE"
    [tax_id] = paid.customer_details.tax_ids
    assert (tax_id.type, tax_id.value) == ("eu_vat", "DE123456789")
    assert paid.customer.address.postal_code == "10115"


def test_a_known_customers_address_and_name_are_needed_for_taxes(local: LocalStripe) -> None:
    customer = local.customer(card=None)
    for wrong, param in (
        ({"automatic_tax": {"enabled": True}}, "automatic_tax"),
        ({"tax_id_collection": {"enabled": True}}, "tax_id_collection"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            local.session(customer=customer.id, **wrong)
        assert refused.value.param == param
    session = local.session(
        customer=customer.id,
        automatic_tax={"enabled": True},
        tax_id_collection={"enabled": True},
        customer_update={"address": "auto", "name": "auto"},
    )
    for field, typed in (("tax_id", "DE123\n"), ("postal_code", "x" * 20), ("country", "D")):
        assert local.pay(session, **{field: typed}).json()["error"]["param"] == field
    assert local.pay(session, "4000002760003184", country="pt").status_code == 402
    path = f"/checkout/{session.id}/authenticate"
    assert local.browser.post(path, data={"confirm": "yes"}).status_code == 303
    assert local.v1.customers.retrieve(customer.id).address.country == "PT"
    again = local.session(
        customer=customer.id,
        tax_id_collection={"enabled": True},
        customer_update={"name": "auto"},
    )
    local.pay(again, name="Ana Belém", tax_id="XX1")
    assert local.v1.customers.retrieve(customer.id).name == "Ana Belém"
    details = local.v1.checkout.sessions.retrieve(again.id).customer_details
    assert details.tax_ids[0].type == "unknown"


def test_each_mode_refuses_what_belongs_to_another(local: LocalStripe) -> None:
    price = once(local)
    for wrong, param in (
        ({"mode": "payment", "subscription_data": {"trial_period_days": 3}}, "subscription_data"),
        ({"mode": "payment", "payment_method_collection": "always"}, "payment_method_collection"),
        ({"mode": "payment", "line_items": []}, "line_items"),
        ({"mode": "setup", "currency": "eur"}, "line_items"),
        ({"mode": "subscription", "payment_intent_data": {"metadata": {}}}, "line_items[0][price]"),
        (
            {"mode": "payment", "payment_intent_data": {"shipping": {"name": "a"}}},
            "payment_intent_data[shipping]",
        ),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            local.session(price, **wrong)
        assert refused.value.param == param
    with pytest.raises(stripe.InvalidRequestError, match="currency"):
        local.v1.checkout.sessions.create({"mode": "setup", "success_url": "https://a.example/"})
