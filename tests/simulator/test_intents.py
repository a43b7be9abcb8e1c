"""Payment intents and charges that the API drives itself."""

import pytest
import stripe

from tests.simulator.local import LocalStripe


def test_an_intent_is_made_changed_and_confirmed(local: LocalStripe) -> None:
    v1, customer = local.v1, local.customer()
    method = customer.invoice_settings.default_payment_method
    intent = v1.payment_intents.create(
        {"amount": 500, "currency": "EUR", "customer": customer.id, "metadata": {"order": "1"}}
    )
    assert (intent.status, intent.currency) == ("requires_payment_method", "eur")
    with pytest.raises(stripe.InvalidRequestError, match="missing a payment method"):
        v1.payment_intents.confirm(intent.id)
    changed = v1.payment_intents.update(intent.id, {"amount": 600, "payment_method": method})
    assert (changed.status, changed.amount) == ("requires_confirmation", 600)
    paid = v1.payment_intents.confirm(intent.id, {"expand": ["latest_charge"]})
    assert (paid.status, paid.latest_charge.amount) == ("succeeded", 600)
    charge = v1.charges.update(paid.latest_charge.id, {"metadata": {"case": "3"}})
    assert v1.charges.retrieve(charge.id).metadata.case == "3"
    v1.payment_intents.update(intent.id, {"metadata": {"order": "2"}})
    for act, values in (("update", {"amount": 700}), ("confirm", {}), ("cancel", {})):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            getattr(v1.payment_intents, act)(intent.id, values)
        assert refused.value.code == "payment_intent_unexpected_state"


def test_an_intent_is_cancelled(local: LocalStripe) -> None:
    intent = local.v1.payment_intents.create({"amount": 500, "currency": "eur"})
    gone = local.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})
    assert (gone.status, gone.cancellation_reason) == ("canceled", "abandoned")
    local.deliver()
    assert local.receiver.types.count("payment_intent.canceled") == 1


def test_an_invoices_intent_pays_the_invoice(local: LocalStripe) -> None:
    v1, customer = local.v1, local.customer("pm_card_chargeCustomerFail")
    made = v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": local.price().id}]}
    )
    [payment] = v1.invoice_payments.list({"invoice": made.latest_invoice}).data
    intent = payment.payment.payment_intent
    for act, values in (("cancel", {}), ("update", {"amount": 1})):
        with pytest.raises(stripe.InvalidRequestError):
            getattr(v1.payment_intents, act)(intent, values)
    with pytest.raises(stripe.CardError) as refused:
        v1.payment_intents.confirm(
            intent, {"payment_method": customer.invoice_settings.default_payment_method}
        )
    assert refused.value.code == "card_declined"
    method = v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    assert v1.payment_intents.confirm(intent, {"payment_method": method.id}).status == "succeeded"
    assert v1.subscriptions.retrieve(made.id).status == "active"


def test_a_card_that_asks_leaves_the_intent_waiting(local: LocalStripe) -> None:
    customer = local.customer("pm_card_authenticationRequired")
    wanted = {
        "amount": 500,
        "currency": "eur",
        "customer": customer.id,
        "payment_method": customer.invoice_settings.default_payment_method,
        "confirm": True,
    }
    waiting = local.v1.payment_intents.create(wanted)
    assert (waiting.status, waiting.next_action.type) == ("requires_action", "redirect_to_url")
    hook = f"/_sim/payment_intent/{waiting.id}/authenticate"
    confirmed = local.browser.post(hook)
    assert (confirmed.status_code, confirmed.json()["status"]) == (200, "succeeded")
    assert local.browser.post(hook).status_code == 400
    with pytest.raises(stripe.CardError) as refused:
        local.v1.payment_intents.create({**wanted, "off_session": True})
    assert refused.value.code == "authentication_required"
    for faulty, param in (
        ({"amount": 0}, "amount"),
        ({"amount": 100_000_000}, "amount"),
        ({"currency": "12"}, "currency"),
        ({"customer": "cus_none"}, "customer"),
        ({"payment_method": "pm_none"}, "payment_method"),
        ({"customer": ""}, "payment_method"),
        ({"setup_future_usage": "never"}, "setup_future_usage"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as wrong:
            local.v1.payment_intents.create({**wanted, **faulty})
        assert wrong.value.param == param
