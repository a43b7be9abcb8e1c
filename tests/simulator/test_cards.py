"""Stripe's test cards: by number, as named payment methods, and as tokens."""

from typing import Any

import pytest
import stripe

from service.simulator.payments.card_numbers import CARDS, NAMED
from service.simulator.payments.cards import has_check_digit
from tests.simulator.local import LocalStripe


@pytest.fixture
def local(quiet: LocalStripe) -> LocalStripe:
    return quiet


def test_every_card_is_a_card_of_its_own() -> None:
    assert all(has_check_digit(number) for number in CARDS)
    assert len({card.fingerprint for card in CARDS.values()}) == len(CARDS)
    names = [name for card in CARDS.values() for name in card.names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "brand", "funding", "country", "last4"),
    [
        ("visa", "visa", "credit", "US", "4242"),
        ("visa_debit", "visa", "debit", "US", "5556"),
        ("mastercard", "mastercard", "credit", "US", "4444"),
        ("mastercard_prepaid", "mastercard", "prepaid", "US", "5100"),
        ("amex", "amex", "credit", "US", "0005"),
        ("discover", "discover", "credit", "US", "1117"),
        ("diners", "diners", "credit", "US", "0004"),
        ("jcb", "jcb", "credit", "JP", "0505"),
        ("unionpay", "unionpay", "credit", "CN", "0005"),
        ("de", "visa", "credit", "DE", "0016"),
        ("gb_mastercard", "mastercard", "credit", "GB", "4449"),
    ],
)
def test_a_name_a_token_and_a_number_are_one_card(
    local: LocalStripe, name: str, brand: str, funding: str, country: str, last4: str
) -> None:
    create = local.v1.payment_methods.create
    entry = {"number": NAMED[f"tok_{name}"].number, "exp_month": 12, "exp_year": 2034}
    made = [
        local.v1.payment_methods.attach(f"pm_card_{name}", {"customer": local.customer(None).id}),
        create({"type": "card", "card": {"token": f"tok_{name}"}}),
        create({"type": "card", "card": entry}),
    ]
    cards = [method.card for method in made]
    assert {(card.brand, card.funding, card.country, card.last4) for card in cards} == {
        (brand, funding, country, last4)
    }
    assert {card.fingerprint for card in cards} == {NAMED[f"tok_{name}"].fingerprint}
    assert len({method.id for method in made}) == 3


@pytest.mark.parametrize(
    ("name", "code", "decline_code", "at_once"),
    [
        ("visa_chargeDeclined", "card_declined", "generic_decline", True),
        ("visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds", True),
        ("visa_chargeDeclinedLostCard", "card_declined", "lost_card", True),
        ("visa_chargeDeclinedStolenCard", "card_declined", "stolen_card", True),
        (
            "visa_chargeDeclinedVelocityLimitExceeded",
            "card_declined",
            "card_velocity_exceeded",
            True,
        ),
        ("chargeDeclinedExpiredCard", "expired_card", "expired_card", True),
        ("chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc", True),
        ("chargeDeclinedProcessingError", "processing_error", "processing_error", True),
        ("chargeCustomerFail", "card_declined", "generic_decline", False),
        ("radarBlock", "card_declined", "fraudulent", False),
        ("riskLevelHighest", "card_declined", "fraudulent", False),
        ("threeDSecureRequiredProcessingError", "card_declined", "generic_decline", False),
    ],
)
def test_a_declining_card_says_why(
    local: LocalStripe, name: str, code: str, decline_code: str, at_once: bool
) -> None:
    wanted = {"amount": 500, "currency": "eur", "confirm": True}
    with pytest.raises(stripe.CardError) as refused:
        local.v1.payment_intents.create({**wanted, "payment_method": f"pm_card_{name}"})
    told = refused.value.error
    assert told is not None
    assert (told.code, told.decline_code) == (code, decline_code)
    attach = {"customer": local.customer(None).id}
    if at_once:
        with pytest.raises(stripe.CardError):
            local.v1.payment_methods.attach(f"pm_card_{name}", attach)
    else:
        local.v1.payment_methods.attach(f"pm_card_{name}", attach)


def _paid(local: LocalStripe, name: str) -> Any:
    wanted = {"amount": 500, "currency": "eur", "confirm": True}
    return local.v1.payment_intents.create(
        {**wanted, "payment_method": f"pm_card_{name}", "expand": ["latest_charge"]}
    )


@pytest.mark.parametrize(
    ("name", "risk", "network"),
    [
        ("visa", "normal", "visa"),
        ("riskLevelElevated", "elevated", "visa"),
        ("mastercard", "normal", "mastercard"),
    ],
)
def test_a_charge_tells_its_risk_and_its_network(
    local: LocalStripe, name: str, risk: str, network: str
) -> None:
    charge = _paid(local, name).latest_charge
    assert charge.outcome.risk_level == risk
    assert charge.payment_method_details.card.network == network


def test_a_card_fails_its_check_and_another_is_disputed_for_its_own_reason(
    local: LocalStripe,
) -> None:
    checked = _paid(local, "cvcCheckFail").latest_charge.payment_method_details.card.checks
    assert checked.cvc_check == "fail"
    _paid(local, "createDisputeProductNotReceived")
    local.move(seconds=1)
    [dispute] = local.v1.disputes.list().data
    assert dispute.reason == "product_not_received"


@pytest.mark.parametrize(
    ("name", "then"),
    [
        ("authenticationRequired", 200),
        ("authenticationRequiredOnSetup", 200),
        ("threeDSecure2Required", 200),
        ("authenticationRequiredChargeDeclinedInsufficientFunds", 402),
        ("threeDSecureRequiredChargeDeclined", 402),
    ],
)
@pytest.mark.parametrize("through", ["checkout", "intent"])
def test_a_card_asks_its_holder_first(
    local: LocalStripe, name: str, then: int, through: str
) -> None:
    if through == "intent":
        intent = _paid(local, name)
        assert intent.status == "requires_action"
        answer = local.browser.post(f"/_sim/payment_intent/{intent.id}/authenticate")
        assert answer.status_code == then
        return
    session, number = local.session(), NAMED[f"tok_{name}"].number
    asked = local.pay(session, number)
    assert asked.json()["error"]["code"] == "authentication_required"
    answer = local.browser.post(
        f"/_sim/checkout/{session.id}/pay", json={"card": number, "authenticate": True}
    )
    assert answer.status_code == then, answer.text
    if then == 402:
        assert local.pay(session).status_code == 200


def test_a_card_that_is_set_up_asks_in_checkout_alone(local: LocalStripe) -> None:
    name = "authenticationRequiredSetupForOffSession"
    assert _paid(local, name).status == "succeeded"
    asked = local.pay(local.session(), NAMED[f"tok_{name}"].number)
    assert asked.json()["error"]["code"] == "authentication_required"


@pytest.mark.parametrize(
    ("number", "code"),
    [("4242424242424241", "incorrect_number"), ("4111111111111111", "card_declined")],
)
def test_other_numbers_are_refused(local: LocalStripe, number: str, code: str) -> None:
    assert local.pay(local.session(), number).json()["error"]["code"] == code


def test_a_name_that_nobody_knows_is_missing(local: LocalStripe) -> None:
    methods = local.v1.payment_methods
    for act, sent in (
        (methods.create, {"type": "card", "card": {"token": "tok_nobody"}}),
        (methods.create, {"type": "card", "card": {"token": "pm_card_visa"}}),
        (methods.retrieve, "pm_card_nobody"),
        (methods.retrieve, "tok_visa"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            act(sent)
        assert refused.value.code == "resource_missing"
