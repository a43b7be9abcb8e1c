"""3-D Secure: a bank asks the card's holder, who confirms, refuses, or takes another card."""

from typing import Any

import pytest

from tests.simulator.local import LocalStripe
from tests.simulator.test_checkout_modes import one_off, setup

UNTIL_SET_UP = "4000002500003155"
ALWAYS = "4000002760003184"
FORM = {"email": "ana@example.org", "name": "Ana", "exp": "12/2031", "cvc": "123"}


def answer(local: LocalStripe, session: Any, card: str, said: bool | None) -> Any:
    """Pay through the hook, with what the card's holder says."""
    entries: dict[str, Any] = {"card": card, "email": "ana@example.org"}
    if said is not None:
        entries["authenticate"] = said
    return local.browser.post(f"/_sim/checkout/{session.id}/pay", json=entries)


def _session(local: LocalStripe, mode: str) -> Any:
    if mode == "payment":
        return one_off(local)
    if mode == "setup":
        return setup(local)
    return local.session(
        **({"subscription_data": {"trial_period_days": 7}} if mode == "trial" else {})
    )


@pytest.mark.parametrize("card", [UNTIL_SET_UP, ALWAYS])
@pytest.mark.parametrize("mode", ["payment", "setup", "subscription", "trial"])
def test_a_session_waits_for_the_cards_holder(local: LocalStripe, card: str, mode: str) -> None:
    session = _session(local, mode)
    asked = answer(local, session, card, None)
    assert asked.status_code == 402
    assert asked.json()["error"]["code"] == "authentication_required"
    assert asked.json()["next"] == f"{local.url}/checkout/{session.id}/authenticate"
    assert local.v1.checkout.sessions.retrieve(session.id).status == "open"
    waiting = local.v1.payment_intents.list().data
    assert [intent.status for intent in waiting] == (
        [] if mode in ("setup", "trial") else ["requires_action"]
    )
    for intent in waiting:
        assert intent.next_action.redirect_to_url.url == asked.json()["next"]
    refused = answer(local, session, card, False)
    assert refused.status_code == 402
    assert refused.json()["error"]["code"] == "payment_intent_authentication_failure"
    assert local.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert answer(local, session, card, True).status_code == 200
    done = local.v1.checkout.sessions.retrieve(session.id)
    assert done.status == "complete"
    assert done.payment_status == ("no_payment_required" if mode in ("setup", "trial") else "paid")
    ended = {intent.status for intent in local.v1.payment_intents.list().data}
    assert "requires_action" not in ended


def test_a_card_that_was_set_up_pays_alone_from_then_on(local: LocalStripe) -> None:
    for card, renews in ((UNTIL_SET_UP, True), (ALWAYS, False)):
        session = local.session()
        assert answer(local, session, card, True).status_code == 200
        bought = local.v1.checkout.sessions.retrieve(session.id)
        assert local.v1.subscriptions.retrieve(bought.subscription).status == "active"
        local.move(days=32)
        renewed = local.v1.subscriptions.retrieve(bought.subscription)
        assert renewed.status == ("active" if renews else "past_due")


def test_the_hosted_page_asks_and_comes_back(local: LocalStripe) -> None:
    session = one_off(local)
    path = f"/checkout/{session.id}"
    sent_on = local.browser.post(path, data={**FORM, "card": ALWAYS})
    assert sent_on.status_code == 303
    assert sent_on.headers["Location"] == f"{local.url}{path}/authenticate"
    page = local.browser.get(f"{path}/authenticate")
    assert "Confirm" in page.text
    assert "3.00 EUR" in page.text
    refused = local.browser.post(f"{path}/authenticate", data={"refuse": "yes"})
    assert refused.status_code == 402
    assert "unable to authenticate" in refused.text
    assert f'action="{session.url}"' in refused.text
    back = local.browser.get(f"{path}/authenticate")  # there is nothing left to confirm
    assert (back.status_code, back.headers["Location"]) == (303, session.url)
    local.browser.post(path, data={**FORM, "card": ALWAYS})
    confirmed = local.browser.post(f"{path}/authenticate", data={"confirm": "yes"})
    assert confirmed.headers["Location"].startswith("https://news.example/back")
    assert local.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"
    assert "complete" in local.browser.get(f"{path}/authenticate").text
    local.deliver()
    assert "payment_intent.requires_action" in local.receiver.types


def test_another_card_may_pay_instead(local: LocalStripe) -> None:
    session = local.session()
    assert answer(local, session, ALWAYS, None).status_code == 402
    assert local.pay(session).status_code == 200
    left = {intent.status for intent in local.v1.payment_intents.list().data}
    assert left == {"canceled", "succeeded"}
