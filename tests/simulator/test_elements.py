"""A subscription paid for on the shop's own page: `default_incomplete`, as Elements' guide has it."""

from typing import Any

import pytest
import stripe

from tests.simulator.local import LocalStripe


@pytest.fixture
def local(quiet: LocalStripe) -> LocalStripe:
    return quiet


def _begin(local: LocalStripe, **settings: Any) -> Any:
    return local.v1.subscriptions.create(
        {
            "customer": local.customer(None).id,
            "items": [{"price": local.price().id}],
            "payment_behavior": "default_incomplete",
            "payment_settings": settings,
            "expand": ["latest_invoice.confirmation_secret", "pending_setup_intent"],
        }
    )


def _intent(local: LocalStripe, begun: Any) -> Any:
    """The payment intent that the page confirms by its secret."""
    secret = begun.latest_invoice.confirmation_secret
    assert secret.type == "payment_intent"
    return local.v1.payment_intents.retrieve(secret.client_secret.partition("_secret_")[0])


@pytest.mark.parametrize("saved", ["on_subscription", "off"])
def test_the_page_pays_the_first_invoice(local: LocalStripe, saved: str) -> None:
    begun = _begin(local, save_default_payment_method=saved)
    assert (begun.status, begun.latest_invoice.status) == ("incomplete", "open")
    assert begun.payment_settings.save_default_payment_method == saved
    intent = _intent(local, begun)
    assert intent.client_secret == begun.latest_invoice.confirmation_secret.client_secret
    paid = local.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert paid.status == "succeeded"
    active = local.v1.subscriptions.retrieve(begun.id)
    assert active.status == "active"
    assert active.default_payment_method == (paid.payment_method if saved != "off" else None)
    method = local.v1.payment_methods.retrieve(paid.payment_method)
    assert method.customer == begun.customer


def test_what_is_saved_on_the_subscription_pays_its_renewals(local: LocalStripe) -> None:
    begun = _begin(local, save_default_payment_method="on_subscription")
    local.v1.payment_intents.confirm(
        _intent(local, begun).id, {"payment_method": "pm_card_mastercard"}
    )
    local.move(days=32)
    renewals = local.v1.invoices.list({"subscription": begun.id, "status": "paid"}).data
    assert len(renewals) == 2


def test_the_first_payment_is_confirmed_by_its_holder(local: LocalStripe) -> None:
    begun = _begin(local, save_default_payment_method="on_subscription")
    intent = _intent(local, begun)
    asked = local.v1.payment_intents.confirm(
        intent.id, {"payment_method": "pm_card_threeDSecure2Required"}
    )
    assert asked.status == "requires_action"
    assert local.v1.subscriptions.retrieve(begun.id).status == "incomplete"
    local.browser.post(f"/_sim/payment_intent/{intent.id}/authenticate")
    active = local.v1.subscriptions.retrieve(begun.id)
    assert (active.status, active.default_payment_method) == ("active", asked.payment_method)


def test_the_payment_methods_are_those_of_the_settings(local: LocalStripe) -> None:
    begun = _begin(local, payment_method_types=["card"])
    assert _intent(local, begun).payment_method_types == ["card"]
    assert begun.latest_invoice.payment_settings.payment_method_types == ["card"]
    changed = local.v1.subscriptions.update(
        begun.id, {"payment_settings": {"save_default_payment_method": "on_subscription"}}
    )
    assert changed.payment_settings.payment_method_types == ["card"]
    assert changed.payment_settings.save_default_payment_method == "on_subscription"
    with pytest.raises(stripe.InvalidRequestError, match="payment_method_types"):
        _begin(local, payment_method_types=["barter"])


def test_nothing_to_pay_has_nothing_to_confirm(local: LocalStripe) -> None:
    bought = local.subscribe(subscription_data={"trial_period_days": 7})
    invoice = local.v1.invoices.retrieve(bought.latest_invoice, {"expand": ["confirmation_secret"]})
    assert invoice.confirmation_secret is None
