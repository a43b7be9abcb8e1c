"""Customers with their payment methods, as documented clients make and read them."""

import pytest
import stripe

from tests.simulator.local import LocalStripe


@pytest.fixture
def local(quiet: LocalStripe) -> LocalStripe:
    return quiet


def test_a_customer_comes_with_a_payment_method(local: LocalStripe) -> None:
    v1 = local.v1
    made = v1.customers.create(
        {
            "payment_method": "pm_card_visa",
            "invoice_settings": {"default_payment_method": "pm_card_visa"},
        }
    )
    [method] = v1.customers.payment_methods.list(made.id).data
    assert made.invoice_settings.default_payment_method == method.id
    assert v1.customers.payment_methods.retrieve(made.id, method.id).id == method.id
    active = v1.subscriptions.create({"customer": made.id, "items": [{"price": local.price().id}]})
    assert active.status == "active"
    own = v1.payment_methods.create({"type": "card", "card": {"token": "tok_mastercard"}})
    other = v1.customers.create({"payment_method": own.id})
    assert v1.payment_methods.retrieve(own.id).customer == other.id
    assert other.invoice_settings.default_payment_method is None
    with pytest.raises(stripe.InvalidRequestError) as missing:
        v1.customers.payment_methods.retrieve(other.id, method.id)
    assert missing.value.code == "resource_missing"


def test_a_declined_card_makes_no_customer(local: LocalStripe) -> None:
    with pytest.raises(stripe.CardError):
        local.v1.customers.create({"payment_method": "pm_card_visa_chargeDeclined"})
    assert local.v1.customers.list().data == []


@pytest.mark.parametrize("kind", ["payment_intents", "setup_intents"])
@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ({"enabled": True}, {"allow_redirects": "always", "enabled": True}),
        (
            {"enabled": True, "allow_redirects": "never"},
            {"allow_redirects": "never", "enabled": True},
        ),
        ({"enabled": False}, None),
    ],
)
def test_intents_take_automatic_payment_methods(
    local: LocalStripe, kind: str, sent: dict[str, object], shown: dict[str, object] | None
) -> None:
    money = {"amount": 500, "currency": "eur"} if kind == "payment_intents" else {}
    made = getattr(local.v1, kind).create({**money, "automatic_payment_methods": sent})
    assert made.to_dict()["automatic_payment_methods"] == shown
