"""Invoices by hand: drafts and their items, voiding, giving up, paying in other ways."""

from pathlib import Path
from typing import Any

import pytest
import stripe

from service.simulator.app import Rules
from service.simulator.periods import DAY, HOUR
from tests.conftest import MovingClocks
from tests.simulator.document import StripeDocument
from tests.simulator.local import DECLINED, FAILS_LATER, Host, LocalStripe, local_stripe

ASKS_ALWAYS = "4000002760003184"


def _late(local: LocalStripe, card: str = FAILS_LATER) -> Any:
    """A subscription whose first payment, after a trial of three days, failed."""
    subscription = local.subscribe(card=card, subscription_data={"trial_period_days": 3})
    local.move(days=3, hours=1)
    late = local.v1.subscriptions.retrieve(subscription.id)
    assert late.status == "past_due"
    return late


def _status(local: LocalStripe, subscription: Any) -> str:
    status: str = local.v1.subscriptions.retrieve(subscription.id).status
    return status


def test_voiding_the_overdue_invoice_makes_the_subscription_active(local: LocalStripe) -> None:
    late = _late(local)
    invoice = local.v1.invoices.void_invoice(late.latest_invoice, {"expand": ["payments"]})
    assert (invoice.status, invoice.auto_advance) == ("void", False)
    assert invoice.status_transitions.voided_at == local.now
    payment = invoice.payments.data[0]
    intent = local.v1.payment_intents.retrieve(payment.payment.payment_intent)
    assert (payment.status, intent.status) == ("canceled", "canceled")
    assert intent.cancellation_reason == "void_invoice"
    assert _status(local, late) == "active"
    local.move(days=20)
    assert local.receiver.types.count("invoice.payment_failed") == 1
    for act in ("pay", "void_invoice", "mark_uncollectible", "finalize_invoice", "send_invoice"):
        with pytest.raises(stripe.InvalidRequestError):
            getattr(local.v1.invoices, act)(invoice.id)
    assert "invoice.voided" in local.receiver.types
    assert "payment_intent.canceled" in local.receiver.types


def test_of_two_overdue_invoices_the_newest_that_is_not_void_decides(
    host: Host, found_document: StripeDocument | None
) -> None:
    rules = Rules(dunning_end="leave_past_due")
    with local_stripe(host, MovingClocks(), found_document, rules=rules) as local:
        subscription = local.subscribe(
            local.price(interval="week"),
            card=FAILS_LATER,
            subscription_data={"trial_period_days": 3},
        )
        local.move(days=11)
        newest, oldest = local.v1.invoices.list({"status": "open"}).data
        local.v1.invoices.mark_uncollectible(oldest.id)
        assert _status(local, subscription) == "past_due"
        local.v1.invoices.void_invoice(newest.id)
        assert _status(local, subscription) == "active"
        given_up = local.v1.invoices.retrieve(oldest.id)
        assert given_up.status_details.uncollectible.reason == "user_forgiven"
        method = local.v1.payment_methods.attach("pm_card_visa", {"customer": oldest.customer})
        paid = local.v1.invoices.pay(oldest.id, {"payment_method": method.id})
        assert (paid.status, paid.status_details) == ("paid", None)


def test_giving_an_overdue_invoice_up_makes_the_subscription_active(local: LocalStripe) -> None:
    late = _late(local)
    invoice = local.v1.invoices.mark_uncollectible(late.latest_invoice)
    assert (invoice.status, invoice.next_payment_attempt) == ("uncollectible", None)
    assert _status(local, late) == "active"
    voided = local.v1.invoices.void_invoice(invoice.id)
    assert (voided.status, _status(local, late)) == ("void", "active")
    local.deliver()
    assert "invoice.marked_uncollectible" in local.receiver.types


def test_paying_elsewhere_needs_no_charge(local: LocalStripe) -> None:
    late = _late(local)
    charges = len(local.v1.charges.list().data)
    paid = local.v1.invoices.pay(late.latest_invoice, {"paid_out_of_band": True})
    assert (paid.status, paid.amount_paid_off_stripe, paid.amount_remaining) == ("paid", 900, 0)
    assert len(local.v1.charges.list().data) == charges
    assert _status(local, late) == "active"
    local.deliver()
    assert [seen["id"] for seen in local.receiver.objects("invoice.paid")][-1] == paid.id


def test_a_renewal_that_needs_its_holder_waits_for_them(local: LocalStripe) -> None:
    customer = local.customer("pm_card_authenticationRequired")
    made = local.v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": local.price().id}],
            "trial_period_days": 3,
        }
    )
    local.move(days=3, hours=1)
    assert _status(local, made) == "past_due"
    [asked] = local.receiver.objects("invoice.payment_action_required")
    assert "invoice.payment_failed" in local.receiver.types
    assert "payment_intent.requires_action" in local.receiver.types
    [payment] = local.v1.invoice_payments.list({"invoice": asked["id"]}).data
    intent = local.v1.payment_intents.retrieve(payment.payment.payment_intent)
    assert (intent.status, intent.next_action.type) == ("requires_action", "redirect_to_url")
    assert intent.next_action.redirect_to_url.url == asked["hosted_invoice_url"]
    with pytest.raises(stripe.CardError) as refused:
        local.v1.invoices.pay(asked["id"])
    assert refused.value.code == "authentication_required"
    answer = local.browser.post(f"/_sim/invoice/{asked['id']}/authenticate")
    assert (answer.status_code, answer.json()["status"]) == (200, "paid")
    assert _status(local, made) == "active"
    again = local.browser.post(f"/_sim/invoice/{asked['id']}/authenticate")
    assert again.json()["error"]["message"].endswith("waits for no confirmation of a charge.")
    unknown = local.browser.post("/_sim/invoice/in_none/authenticate")
    assert (again.status_code, unknown.status_code) == (400, 404)


@pytest.mark.parametrize(
    ("end", "status"),
    [("cancel", "canceled"), ("mark_unpaid", "unpaid"), ("leave_past_due", "past_due")],
)
def test_what_ends_dunning_can_be_switched(local: LocalStripe, end: str, status: str) -> None:
    late = _late(local)
    answer = local.browser.post("/_sim/rules", json={"dunning_end": end})
    assert answer.json() == local.browser.get("/_sim/rules").json()
    assert answer.json()["dunning_end"] == end
    for nonsense in ({"dunning_end": "forget"}, {}):
        wrong = local.browser.post("/_sim/rules", json=nonsense)
        assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "dunning_end")
    local.move(days=14)
    assert _status(local, late) == status
    method = local.v1.payment_methods.attach("pm_card_visa", {"customer": late.customer})
    local.v1.invoices.pay(late.latest_invoice, {"payment_method": method.id})
    assert _status(local, late) == ("canceled" if end == "cancel" else "active")


def test_rules_outlive_a_restart(host: Host, tmp_path: Path) -> None:
    chosen = {"dunning_end": "mark_unpaid", "debit_starts": "active"}
    for given in (chosen, {}):
        with local_stripe(host, MovingClocks(), None, database=tmp_path / "stripe.db") as local:
            for name, value in given.items():
                local.browser.post("/_sim/rules", json={name: value})
            assert local.browser.get("/_sim/rules").json() == chosen


def test_items_wait_for_the_next_renewal(local: LocalStripe) -> None:
    subscription = local.subscribe()
    item = local.v1.invoice_items.create(
        {
            "customer": subscription.customer,
            "amount": 250,
            "currency": "eur",
            "description": "A printed edition",
            "metadata": {"issue": "12"},
        }
    )
    gone = local.v1.invoice_items.create(
        {"customer": subscription.customer, "amount": 99, "currency": "eur"}
    )
    assert local.v1.invoice_items.delete(gone.id).deleted
    changed = local.v1.invoice_items.update(item.id, {"amount": 300})
    assert (changed.amount, int(changed.pricing.unit_amount_decimal)) == (300, 300)
    pending = {"customer": subscription.customer, "pending": True}
    assert [found.id for found in local.v1.invoice_items.list(pending).data] == [item.id]
    local.move(days=31, hours=1)
    assert local.v1.invoice_items.list(pending).data == []
    taken = local.v1.invoice_items.retrieve(item.id, {"expand": ["invoice"]})
    assert (taken.invoice.total, taken.invoice.billing_reason) == (1200, "subscription_cycle")
    assert taken.invoice.lines.data[0].parent.invoice_item_details.invoice_item == item.id
    with pytest.raises(stripe.InvalidRequestError) as refused:
        local.v1.invoice_items.delete(item.id)
    assert refused.value.code == "invoice_not_editable"
    assert {"invoiceitem.created", "invoiceitem.deleted"} <= set(local.receiver.types)


def test_a_one_off_invoice_from_draft_to_payment(local: LocalStripe) -> None:
    v1, customer = local.v1, local.customer()
    single = v1.prices.create(
        {"product": v1.products.create({"name": "Book"}).id, "unit_amount": 700, "currency": "eur"}
    )
    v1.invoice_items.create({"customer": customer.id, "amount": 100, "currency": "eur"})
    invoice = v1.invoices.create(
        {"customer": customer.id, "pending_invoice_items_behavior": "include"}
    )
    assert (invoice.status, invoice.total, invoice.billing_reason) == ("draft", 100, "manual")
    assert (invoice.parent, invoice.auto_advance) == (None, False)
    item = v1.invoice_items.create(
        {
            "customer": customer.id,
            "invoice": invoice.id,
            "pricing": {"price": single.id},
            "quantity": 2,
            "period": {"start": local.now, "end": local.now + DAY},
        }
    )
    changed = v1.invoices.update(invoice.id, {"description": "Books", "metadata": {"order": "1"}})
    assert (changed.total, changed.description, len(changed.lines.data)) == (1500, "Books", 2)
    v1.invoice_items.update(item.id, {"description": "Two books"})
    final = v1.invoices.finalize_invoice(invoice.id, {"auto_advance": True})
    assert (final.status, final.next_payment_attempt) == ("open", local.now + HOUR)
    local.move(hours=1)
    paid = v1.invoices.retrieve(invoice.id, {"expand": ["payments.data.payment.payment_intent"]})
    assert (paid.status, paid.amount_paid) == ("paid", 1500)
    intent = paid.payments.data[0].payment.payment_intent
    refund = v1.refunds.create({"payment_intent": intent.id})
    assert (refund.amount, refund.charge) == (1500, intent.latest_charge)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        v1.invoices.update(invoice.id, {"description": "Late"})
    assert refused.value.code == "invoice_not_editable"
    v1.invoices.update(invoice.id, {"metadata": {"order": "2"}})


def test_a_voided_invoice_gives_credit_back(local: LocalStripe) -> None:
    v1, customer = local.v1, local.customer()

    def bill(amount: int) -> Any:
        item = {"customer": customer.id, "amount": amount, "currency": "eur"}
        v1.invoice_items.create(item)
        draft = v1.invoices.create(
            {"customer": customer.id, "pending_invoice_items_behavior": "include"}
        )
        return v1.invoices.finalize_invoice(draft.id)

    credit = bill(-500)
    assert (credit.status, credit.amount_due, credit.ending_balance) == ("paid", 0, -500)
    used = bill(800)
    assert (used.amount_due, v1.customers.retrieve(customer.id).balance) == (300, 0)
    v1.invoices.void_invoice(used.id)
    assert v1.customers.retrieve(customer.id).balance == -500


def test_a_bank_debit_under_way_is_waited_for(local: LocalStripe) -> None:
    v1, customer = local.v1, local.customer(None)
    method = v1.payment_methods.create(
        {"type": "sepa_debit", "sepa_debit": {"iban": "DE89370400440532013000"}}
    )
    v1.payment_methods.attach(method.id, {"customer": customer.id})
    v1.invoice_items.create({"customer": customer.id, "amount": 700, "currency": "eur"})
    draft = v1.invoices.create(
        {
            "customer": customer.id,
            "default_payment_method": method.id,
            "pending_invoice_items_behavior": "include",
        }
    )
    v1.invoices.finalize_invoice(draft.id)
    waiting = v1.invoices.pay(draft.id, {"expand": ["payments"]})
    intent = waiting.payments.data[0].payment.payment_intent
    assert (waiting.status, v1.payment_intents.retrieve(intent).status) == ("open", "processing")
    for act in (v1.invoices.void_invoice, v1.invoices.pay):
        with pytest.raises(stripe.InvalidRequestError, match="under way"):
            act(draft.id)
    with pytest.raises(stripe.InvalidRequestError):
        v1.refunds.create({"payment_intent": intent})
    local.move(days=5)
    assert v1.invoices.retrieve(draft.id).status == "paid"
    assert len(v1.charges.list({"payment_intent": intent}).data) == 1
    v1.refunds.create({"payment_intent": intent, "amount": 100})
    [charge] = v1.charges.list({"payment_intent": intent}).data
    local.browser.post("/_sim/dispute", json={"charge": charge.id})
    [dispute] = v1.disputes.list({"payment_intent": intent}).data
    assert dispute.amount == 600


def test_drafts_are_deleted_and_sent(local: LocalStripe) -> None:
    v1, customer = local.v1, local.customer()
    item = v1.invoice_items.create({"customer": customer.id, "amount": 100, "currency": "eur"})
    wanted = {"customer": customer.id, "pending_invoice_items_behavior": "include"}
    first = v1.invoices.create(wanted)
    assert v1.invoices.delete(first.id).deleted
    assert v1.invoice_items.retrieve(item.id).invoice is None
    sent = v1.invoices.create(
        {**wanted, "collection_method": "send_invoice", "days_until_due": 14, "auto_advance": True}
    )
    assert sent.due_date == local.now + 14 * DAY
    sent = v1.invoices.send_invoice(sent.id)
    assert (sent.status, sent.amount_due) == ("open", 100)
    assert sent.hosted_invoice_url == f"{local.url}/invoice/{sent.id}"
    local.move(days=20)
    assert v1.invoices.retrieve(sent.id).status == "open"
    assert {"invoice.sent", "invoice.deleted"} <= set(local.receiver.types)
    empty = v1.invoices.create({"customer": customer.id, "currency": "eur", "auto_advance": True})
    assert empty.automatically_finalizes_at == local.now + HOUR
    local.move(hours=1)
    assert v1.invoices.retrieve(empty.id).status == "paid"
    with pytest.raises(stripe.InvalidRequestError):
        v1.invoices.delete(empty.id)


def test_invoices_and_items_that_make_no_sense(local: LocalStripe) -> None:
    v1 = local.v1
    subscription, other = local.subscribe(), local.customer()
    customer = subscription.customer
    euros = {"customer": customer, "amount": 100, "currency": "eur"}
    recurring = subscription["items"].data[0].price.id
    draft = v1.invoices.create({"customer": other.id, "currency": "eur"})
    for wanted, param in (
        ({**euros, "customer": "cus_none"}, "customer"),
        ({"customer": customer, "currency": "eur"}, "amount"),
        ({**euros, "pricing": {"price": recurring}}, "amount"),
        ({"customer": customer, "pricing": {"price": recurring}}, "pricing[price]"),
        ({"customer": customer, "amount": 100}, "currency"),
        ({**euros, "quantity": -1}, "quantity"),
        ({**euros, "period": {"start": 5, "end": 4}}, "period[end]"),
        ({**euros, "period": {"start": 5}}, "period[end]"),
        ({**euros, "invoice": subscription.latest_invoice}, "invoice"),
        ({**euros, "invoice": draft.id}, "invoice"),
        ({**euros, "customer": other.id, "subscription": subscription.id}, "subscription"),
        ({**euros, "tax_rates": ["txr_1"]}, "tax_rates"),
        ({**euros, "amount": 100_000_000}, "amount"),
        ({**euros, "currency": "euro"}, "currency"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            v1.invoice_items.create(wanted)
        assert refused.value.param == param, wanted
    for wanted, param in (
        ({"customer": other.id, "subscription": subscription.id}, "subscription"),
        ({"customer": other.id, "days_until_due": 3}, "days_until_due"),
        ({"customer": other.id, "collection_method": "send_invoice"}, "days_until_due"),
        (
            {"customer": other.id, "collection_method": "send_invoice", "days_until_due": 999},
            "days_until_due",
        ),
        ({"customer": other.id, "currency": "€"}, "currency"),
        ({"customer": other.id, "transfer_data": {"destination": "acct_1"}}, "transfer_data"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            v1.invoices.create(wanted)
        assert refused.value.param == param, wanted


def test_the_hosted_page_pays_and_confirms(local: LocalStripe) -> None:
    customer = local.customer("pm_card_authenticationRequired")
    made = local.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": local.price().id}]}
    )
    invoice = local.v1.invoices.retrieve(made.latest_invoice)
    path = invoice.hosted_invoice_url.removeprefix(local.url)
    page = local.browser.get(path)
    assert (page.status_code, "Confirm the payment" in page.text) == (200, True)
    refused = local.browser.post(path, data={"action": "card", "card": DECLINED, "cvc": "123"})
    assert (refused.status_code, "Your card" in refused.text) == (402, True)
    later = {"action": "card", "card": FAILS_LATER, "exp": "12/2040", "cvc": "123"}
    assert local.browser.post(path, data=later).status_code == 402
    assert local.browser.post(path, data={"action": "confirm"}).status_code == 400
    paid = local.browser.post(path, data={**later, "card": ASKS_ALWAYS})
    assert (paid.status_code, paid.headers["location"]) == (303, invoice.hosted_invoice_url)
    assert paid.headers["cache-control"] == page.headers["cache-control"] == "no-store"
    assert _status(local, made) == "active"
    assert "Pay by card" not in local.browser.get(path).text
    assert local.browser.post(path, data={"action": "card"}).status_code == 400
    second = local.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": local.price().id}]}
    )
    assert local.browser.post(
        f"/invoice/{second.latest_invoice}", data={"action": "confirm"}
    ).is_redirect
    assert _status(local, second) == "active"
    draft = local.v1.invoices.create({"customer": customer.id})
    for unknown in (draft.id, "in_none"):
        assert local.browser.get(f"/invoice/{unknown}").status_code == 404
