"""A walk through everything the local Stripe serves, each answer held to Stripe's document."""

import json
from typing import Any

from service.simulator.api import OPERATIONS
from tests.simulator.document import StripeDocument
from tests.simulator.local import FAILS_LATER, KEY, LocalStripe


def _furnish(local: LocalStripe) -> dict[str, str]:
    """Something of every kind, and what each address is called for it."""
    v1 = local.v1
    trial = local.subscribe(card=FAILS_LATER, subscription_data={"trial_period_days": 3})
    local.move(days=4)
    paid = local.subscribe(local.price(lookup_key="monthly", nickname="Monthly"))
    session = v1.checkout.sessions.list({"subscription": paid.id}).data[0]
    late = v1.subscriptions.retrieve(trial.id)
    invoice = v1.invoices.retrieve(paid.latest_invoice, {"expand": ["payments"]})
    payment = invoice.payments.data[0]
    intent = v1.payment_intents.retrieve(payment.payment.payment_intent)
    portal = v1.billing_portal.sessions.create({"customer": paid.customer})
    endpoint = v1.webhook_endpoints.create(
        {"url": "https://news.example/hooks", "enabled_events": ["invoice.paid"]}
    )
    v1.customers.update(paid.customer, {"metadata": {"reader": "r1"}})
    return {
        "billing_portal.configuration": portal.configuration,
        "charge": intent.latest_charge,
        "customer": paid.customer,
        "event": v1.events.list().data[0].id,
        "intent": intent.id,
        "invoice": invoice.id,
        "late_invoice": late.latest_invoice,
        "invoice_payment": payment.id,
        "price": paid["items"].data[0].price.id,
        "product": paid["items"].data[0].price.product,
        "session": session.id,
        "subscription": paid.id,
        "webhook_endpoint": endpoint.id,
        "payment_method": paid.default_payment_method,
    }


def _walk(local: LocalStripe, known: dict[str, str]) -> None:
    v1 = local.v1
    own = v1.accounts.retrieve_current()
    v1.accounts.retrieve(own.id)
    _walk_searches(local)
    _walk_empty_lists(local, known)
    v1.products.update(known["product"], {"description": "All of it", "active": True})
    v1.products.retrieve(known["product"])
    v1.products.list({"active": True, "limit": 2})
    v1.products.delete(v1.products.create({"name": "Passing"}).id)
    v1.prices.retrieve(known["price"], {"expand": ["product"]})
    v1.prices.update(known["price"], {"nickname": "Each month"})
    v1.prices.list({"type": "recurring", "recurring": {"interval": "month"}})
    v1.customers.retrieve(known["customer"], {"expand": ["subscriptions"]})
    v1.customers.list({"limit": 1, "expand": ["data.invoice_settings.default_payment_method"]})
    v1.customers.payment_methods.list(known["customer"])
    v1.customers.payment_methods.retrieve(known["customer"], known["payment_method"])
    v1.customers.delete(v1.customers.create({"name": "Passing"}).id)
    made = v1.payment_methods.create(
        {"type": "card", "card": {"number": "4242424242424242", "exp_month": 1, "exp_year": 2030}}
    )
    v1.payment_methods.attach(made.id, {"customer": known["customer"]})
    v1.payment_methods.retrieve(made.id, {"expand": ["customer"]})
    v1.payment_methods.update(made.id, {"card": {"exp_month": 2}, "metadata": {"a": "b"}})
    v1.payment_methods.detach(made.id)
    v1.payment_methods.list({"customer": known["customer"], "expand": ["data.customer"]})
    saved = v1.setup_intents.create({"customer": known["customer"], "description": "Later"})
    v1.setup_intents.update(saved.id, {"metadata": {"a": "b"}})
    v1.setup_intents.retrieve(saved.id, {"expand": ["customer"]})
    v1.setup_intents.list({"customer": known["customer"]})
    v1.checkout.sessions.retrieve(
        known["session"],
        {"expand": ["customer", "invoice", "line_items.data.price.product", "subscription"]},
    )
    v1.checkout.sessions.update(known["session"], {"metadata": {"a": "b"}})
    v1.checkout.sessions.expire(local.session().id)
    v1.checkout.sessions.list({"status": "complete", "expand": ["data.subscription"]})
    v1.checkout.sessions.line_items.list(known["session"], {"limit": 1})
    _walk_billing(local, known)


def _walk_searches(local: LocalStripe) -> None:
    v1 = local.v1
    for service in (v1.charges, v1.customers, v1.invoices, v1.payment_intents, v1.subscriptions):
        found = service.search({"query": "created>1", "limit": 1, "expand": ["total_count"]})
        assert found.data
        assert found.total_count
    for service in (v1.prices, v1.products):
        assert service.search({"query": "active:'true'", "limit": 1}).data


def _walk_empty_lists(local: LocalStripe, known: dict[str, str]) -> None:
    v1 = local.v1
    v1.accounts.list({"limit": 1})
    v1.credit_notes.list({"customer": known["customer"]})
    v1.customers.payment_sources.list(known["customer"], {"object": "card"})
    v1.customers.tax_ids.list(known["customer"])
    v1.entitlements.active_entitlements.list({"customer": known["customer"]})
    v1.entitlements.features.list({"archived": False})
    v1.plans.list({"product": known["product"]})
    v1.products.features.list(known["product"])
    v1.radar.early_fraud_warnings.list({"charge": known["charge"]})
    v1.subscription_schedules.list({"customer": known["customer"]})
    v1.tax_ids.list({"owner": {"type": "self"}})


def _walk_billing(local: LocalStripe, known: dict[str, str]) -> None:
    v1 = local.v1
    subscription = known["subscription"]
    v1.subscriptions.retrieve(subscription, {"expand": ["latest_invoice.payments", "customer"]})
    v1.subscriptions.update(
        subscription, {"description": "Digital", "default_payment_method": known["payment_method"]}
    )
    v1.subscriptions.list({"status": "all", "price": known["price"], "expand": ["data.customer"]})
    v1.subscription_items.list({"subscription": subscription, "limit": 1})
    v1.invoices.retrieve(known["invoice"], {"expand": ["customer", "default_payment_method"]})
    v1.invoices.list({"subscription": subscription, "status": "paid"})
    v1.invoices.line_items.list(known["invoice"], {"limit": 1})
    late = v1.invoices.retrieve(known["late_invoice"])
    card = v1.payment_methods.attach("pm_card_visa", {"customer": late.customer})
    v1.invoices.pay(late.id, {"payment_method": card.id})
    v1.invoice_payments.retrieve(known["invoice_payment"], {"expand": ["invoice"]})
    v1.invoice_payments.list({"invoice": known["invoice"], "payment": {"type": "payment_intent"}})
    v1.payment_intents.retrieve(known["intent"], {"expand": ["latest_charge", "payment_method"]})
    v1.payment_intents.list({"expand": ["data.customer"]})
    v1.charges.retrieve(known["charge"], {"expand": ["payment_intent"]})
    v1.charges.list({"limit": 100})
    _walk_money_back(local, known)
    _walk_invoices(local, known["customer"])
    _walk_intents(local, known)
    _walk_clocks(local)
    v1.billing_portal.configurations.retrieve(known["billing_portal.configuration"])
    v1.billing_portal.configurations.list({"active": True})
    made = v1.billing_portal.configurations.create(
        {"features": {"invoice_history": {"enabled": True}}}
    )
    v1.billing_portal.configurations.update(made.id, {"name": "Readers"})
    v1.billing_portal.sessions.create(
        {"customer": known["customer"], "expand": ["configuration"], "locale": "pt"}
    )
    _walk_discounts(local, subscription)
    _walk_items(local, subscription)
    v1.webhook_endpoints.retrieve(known["webhook_endpoint"])
    v1.webhook_endpoints.update(known["webhook_endpoint"], {"disabled": True})
    v1.webhook_endpoints.list()
    v1.webhook_endpoints.delete(known["webhook_endpoint"])
    v1.events.retrieve(known["event"])
    list(v1.events.list({"limit": 100}).auto_paging_iter())
    v1.subscriptions.create({"customer": known["customer"], "items": [{"price": known["price"]}]})
    v1.subscriptions.cancel(subscription, {"cancellation_details": {"feedback": "unused"}})


def _walk_money_back(local: LocalStripe, known: dict[str, str]) -> None:
    v1, charge = local.v1, known["charge"]
    refund = v1.refunds.create({"charge": charge, "amount": 100, "expand": ["payment_intent"]})
    v1.refunds.retrieve(refund.id, {"expand": ["charge", "payment_method"]})
    v1.refunds.update(refund.id, {"metadata": {"a": "b"}})
    v1.refunds.list({"charge": charge, "expand": ["data.customer"]})
    v1.charges.retrieve(charge, {"expand": ["refunds"]})
    local.browser.post("/_sim/dispute", json={"charge": charge})
    [dispute] = v1.disputes.list({"charge": charge, "expand": ["data.charge"]}).data
    v1.disputes.retrieve(dispute.id, {"expand": ["payment_intent"]})
    v1.disputes.update(dispute.id, {"evidence": {"customer_name": "Ana"}, "submit": False})
    v1.disputes.close(dispute.id)
    [moved] = v1.balance_transactions.list({"limit": 1, "expand": ["data.source"]}).data
    v1.balance_transactions.retrieve(moved.id)


def _walk_payouts(local: LocalStripe) -> None:
    local.subscribe()
    local.move(days=3)
    [payout] = local.v1.payouts.list({"limit": 1, "expand": ["data.balance_transaction"]}).data
    local.v1.payouts.retrieve(payout.id)


def _walk_invoices(local: LocalStripe, customer: str) -> None:
    v1 = local.v1
    item = v1.invoice_items.create({"customer": customer, "amount": 100, "currency": "eur"})
    v1.invoice_items.retrieve(item.id, {"expand": ["customer"]})
    v1.invoice_items.update(item.id, {"description": "A book"})
    v1.invoice_items.list({"customer": customer, "pending": True})
    wanted = {"customer": customer, "pending_invoice_items_behavior": "include"}
    passing = v1.invoices.create(wanted)
    v1.invoices.update(passing.id, {"description": "Books"})
    v1.invoices.delete(passing.id)
    invoice = v1.invoices.create(wanted)
    v1.invoices.finalize_invoice(invoice.id)
    v1.invoices.send_invoice(invoice.id)
    v1.invoices.mark_uncollectible(invoice.id)
    v1.invoices.void_invoice(invoice.id, {"expand": ["payments"]})
    v1.invoice_items.delete(
        v1.invoice_items.create({"customer": customer, "amount": 1, "currency": "eur"}).id
    )


def _walk_intents(local: LocalStripe, known: dict[str, str]) -> None:
    v1 = local.v1
    wanted = {"amount": 100, "currency": "eur", "customer": known["customer"]}
    intent = v1.payment_intents.create(wanted)
    v1.payment_intents.update(intent.id, {"payment_method": known["payment_method"]})
    v1.payment_intents.confirm(intent.id, {"expand": ["latest_charge"]})
    v1.payment_intents.cancel(v1.payment_intents.create(wanted).id)
    v1.charges.update(known["charge"], {"metadata": {"a": "b"}})


def _walk_clocks(local: LocalStripe) -> None:
    clocks = local.v1.test_helpers.test_clocks
    clock = clocks.create({"frozen_time": local.now})
    customer = local.customer(test_clock=clock.id)
    local.v1.customers.retrieve(customer.id, {"expand": ["test_clock"]})
    clocks.advance(clock.id, {"frozen_time": local.now + 1})
    clocks.retrieve(clock.id)
    clocks.list({"limit": 1})
    clocks.delete(clock.id)


def _walk_discounts(local: LocalStripe, subscription: str) -> None:
    v1 = local.v1
    coupon = v1.coupons.create({"percent_off": 12.5, "duration": "forever", "name": "Spring"})
    v1.coupons.retrieve(coupon.id, {"expand": ["applies_to"]})
    v1.coupons.update(coupon.id, {"metadata": {"a": "b"}})
    v1.coupons.list({"limit": 1})
    code = v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}})
    v1.promotion_codes.retrieve(code.id, {"expand": ["promotion.coupon"]})
    v1.promotion_codes.update(code.id, {"metadata": {"a": "b"}})
    v1.promotion_codes.list({"code": code.code, "active": True, "limit": 1})
    v1.subscriptions.update(
        subscription,
        {"discounts": [{"promotion_code": code.id}], "expand": ["discounts.promotion_code"]},
    )
    v1.coupons.delete(coupon.id)


def _walk_items(local: LocalStripe, subscription: str) -> None:
    items = local.v1.subscription_items
    added = items.create({"subscription": subscription, "price": local.price(300).id})
    items.retrieve(added.id)
    items.update(added.id, {"quantity": 2, "proration_behavior": "always_invoice"})
    items.delete(added.id)
    local.v1.invoices.create_preview({"subscription": subscription, "expand": ["customer"]})
    local.v1.subscriptions.pause(subscription)
    local.v1.subscriptions.resume(
        subscription, {"payment_behavior": "resume_on_payment_success", "expand": ["customer"]}
    )


def test_every_operation_answers_as_the_document_says(
    local: LocalStripe, document: StripeDocument
) -> None:
    _walk(local, _furnish(local))
    _walk_payouts(local)
    local.deliver()
    served = {(operation.method, operation.template) for operation in OPERATIONS}
    assert local.checked.seen == served, served - local.checked.seen
    assert not local.checked.faults
    assert not local.receiver.faults
    assert set(local.receiver.types) <= set(document.event_objects)


def test_every_operation_refuses_in_the_documents_form(
    local: LocalStripe, document: StripeDocument
) -> None:
    """Each address with an id of nothing, and each with a parameter that Stripe doesn't have."""
    faults: list[str] = []
    for operation in OPERATIONS:
        address = "/".join(
            "none" if part.startswith("{") else part for part in operation.template.split("/")
        )
        extras: list[dict[str, str]] = [{}, {"colour": "red"}, {"expand[]": "colour"}]
        for extra in extras:
            answer = _ask(local, operation.method, address, extra)
            body = answer["body"]
            assert answer["status"] < 500, (operation.template, body)
            faults += document.faults_of_answer(
                operation.method, operation.template, answer["status"], body, expanded=True
            )
    assert faults == []


def _ask(local: LocalStripe, method: str, path: str, values: dict[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = {"data": values} if method == "POST" else {"params": values}
    answer = local.browser.request(
        method, path, headers={"Authorization": f"Bearer {KEY}"}, **options
    )
    return {"status": answer.status_code, "body": json.loads(answer.text)}
