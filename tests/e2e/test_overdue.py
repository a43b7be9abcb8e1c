"""A card that fails at the renewal, and the way out of it that the account's button leads to."""

from datetime import timedelta

import httpx2

from tests.databases import on_sqlite
from tests.patience import PATIENCE
from tests.served import Installation

pytestmark = on_sqlite

FAILS_LATER = "4000000000000341"


def test_a_new_card_in_the_portal_ends_what_is_overdue(site: Installation) -> None:
    site.publish("a", access={"level": "subscribers"})
    session_id = site.start_checkout("trial").json()["session_id"]
    assert site.pay(session_id, card=FAILS_LATER).status_code == 200
    site.browser.get(f"/v1/checkout/return?session_id={session_id}")
    site.travel(timedelta(days=15))
    overdue = site.browser.get("/account").text
    assert "Payment overdue" in overdue
    assert "Pay or update your card" in overdue

    portal = site.browser.post("/account/portal").headers["Location"]
    entries = {"action": "card", "card": FAILS_LATER, "exp": "12/2030", "cvc": "123"}
    refused = httpx2.post(portal, data=entries, timeout=PATIENCE)
    assert (refused.status_code, "Your card was declined." in refused.text) == (402, True)
    back = site.browser.get("/account?from=portal").headers["Location"]
    assert "Payment overdue" in site.browser.get(back).text

    entries["card"] = "4242 4242 4242 4242"
    assert httpx2.post(portal, data=entries, timeout=PATIENCE).status_code == 303
    back = site.browser.get("/account?from=portal").headers["Location"]
    for _ in range(2):  # at once, and when the webhooks have come
        account = site.browser.get(back).text
        assert "Payment overdue" not in account
        assert '<p class="plan-status">Active</p>' in account
        site.settle()
    site.travel(timedelta(days=32))
    assert site.unlock("a").json()["reason"] == "subscription"
