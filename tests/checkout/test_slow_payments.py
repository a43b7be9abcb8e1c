"""Bank debits, whose money comes days later or never, and cards whose bank asks the holder."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from service.db.tables import Checkout, Grant, Pass, ReaderSession, Subscription
from service.identity.cookies import cookie_name
from tests.checkout.rows import DAY, rows, sell, sessions
from tests.databases import on_sqlite
from tests.patience import PATIENCE
from tests.served import Installation

PAYS = "DE89370400440532013000"
REFUSED = "DE62370400440532013001"


def pay_by(site: Installation, session_id: str, **entries: Any) -> httpx2.Response:
    """Pay with other entries than a card alone."""
    address = f"{site.stripe_url}/_sim/checkout/{session_id}/pay"
    return httpx2.post(address, json={"email": "ana@example.org", **entries}, timeout=PATIENCE)


def debit(site: Installation, session_id: str, account: str = PAYS) -> None:
    answer = pay_by(site, session_id, method="bank_debit", account=account)
    assert answer.status_code == 200, answer.text


def come_back(site: Installation, session_id: str) -> httpx2.Response:
    return site.browser.get("/v1/checkout/return", params={"session_id": session_id})


def completed(site: Installation, session_id: str, claim: str) -> tuple[int, str]:
    """What an app is told that holds the claim."""
    with site.new_browser() as app:
        answer = app.post(f"/v1/checkout/{session_id}/complete", json={"claim": claim})
    return answer.status_code, answer.json().get("type", "")


@on_sqlite
def test_a_pass_waits_for_the_money(site: Installation) -> None:
    sell(site, "day", amount=200, currency="EUR", interval="day", kind="pass")
    started = site.start_checkout("day").json()
    debit(site, started["session_id"])
    page = come_back(site, started["session_id"])
    assert (page.status_code, "being processed" in page.text) == (200, True)
    site.settle()
    (checkout,) = rows(site, Checkout)
    assert (checkout.status, checkout.processing_since) == ("processing", site.clocks.business())
    assert rows(site, Grant) == rows(site, Pass) == []
    assert site.unlock("a").status_code == 402
    # The buyer is signed in already; a click again is told the same, and nothing is paid twice.
    (told,) = site.browser.get("/v1/me").json()["processing"]
    assert (told["offer"], told["name"]) == (site.offers["day"], "Day")
    assert "Your payment for Day is being processed" in site.browser.get("/account").text
    again = site.start_checkout("day").json()
    assert again["url"] == f"{site.url}/v1/checkout/return?session_id={started['session_id']}"
    assert "being processed" in come_back(site, started["session_id"]).text
    # An app is told so as well, signed in only with what it bought, and in time all those days.
    on_its_way = (409, "/problems/payment-processing")
    assert completed(site, started["session_id"], started["claim"]) == on_its_way
    assert len(rows(site, ReaderSession)) == 1

    site.travel(5 * DAY)
    (bought,) = rows(site, Pass)
    # Nobody loses the days that the bank took.
    assert bought.starts_at >= site.clocks.business() - timedelta(hours=1)
    assert site.unlock("a").json()["reason"] == "pass"
    assert completed(site, started["session_id"], started["claim"])[0] == 200
    assert come_back(site, started["session_id"]).status_code == 303


@on_sqlite
def test_a_debit_that_is_refused_opens_nothing(site: Installation) -> None:
    sell(site, "day", amount=200, currency="EUR", interval="day", kind="pass")
    started = site.start_checkout("day").json()
    debit(site, started["session_id"], REFUSED)
    come_back(site, started["session_id"])
    site.travel(5 * DAY)
    (checkout,) = rows(site, Checkout)
    assert checkout.status == "failed"
    assert rows(site, Grant) == rows(site, Pass) == []
    page = come_back(site, started["session_id"])
    assert (page.status_code, "declined" in page.text) == (200, True)
    refused = (409, "/problems/payment-failed")
    assert completed(site, started["session_id"], started["claim"]) == refused
    again = site.start_checkout("day").json()
    assert again["session_id"] != started["session_id"]
    assert site.pay(again["session_id"]).status_code == 200
    assert come_back(site, again["session_id"]).status_code == 303
    assert site.unlock("a").json()["reason"] == "pass"


@on_sqlite
@pytest.mark.parametrize("account", [PAYS, REFUSED])
def test_a_subscription_by_debit_is_worth_what_stripe_says(
    site: Installation, account: str
) -> None:
    session_id = site.start_checkout().json()["session_id"]
    debit(site, session_id, account)
    back = come_back(site, session_id)
    opens = {"active": 200, "incomplete": 402, "past_due": 200}
    for _ in range(2):
        (fetched,) = site.simulator.world.store.find("subscription", [])
        (known,) = rows(site, Subscription)
        assert known.status == fetched["status"]
        assert site.unlock("a").status_code == opens.get(known.status, 402)
        site.travel(6 * DAY)
    assert back.status_code in {200, 303}
    # What is paid is told; what never will be isn't said to be on its way.
    (checkout,) = rows(site, Checkout)
    assert checkout.status == ("completed" if account == PAYS else "failed")


@on_sqlite
@pytest.mark.parametrize("card", ["4000002500003155", "4000002760003184"])
def test_a_card_whose_bank_asks_its_holder(site: Installation, card: str) -> None:
    sell(site, "day", amount=200, currency="EUR", interval="day", kind="pass")
    for offer, reason in (("day", "pass"), ("monthly", "subscription")):
        started = site.start_checkout(offer).json()
        session_id = started["session_id"]
        asked = pay_by(site, session_id, card=card)
        assert asked.status_code == 402
        onward = come_back(site, session_id)
        assert (onward.status_code, onward.headers["Location"]) == (303, started["url"])
        refused = pay_by(site, session_id, card=card, authenticate=False)
        assert refused.status_code == 402
        (session,) = (each for each in sessions(site) if each["id"] == session_id)
        assert session["status"] == "open"
        assert [each for each in rows(site, Grant) if each.source == reason] == []
        confirmed = pay_by(site, session_id, card=card, authenticate=True)
        assert confirmed.status_code == 200, confirmed.text
        back = come_back(site, session_id)
        assert (back.status_code, back.headers["Location"]) == (303, f"{site.url}/articles/a")
        assert site.unlock("a").json()["reason"] == reason
        assert cookie_name("checkout", site.settings) not in site.browser.cookies
        site.browser.cookies.clear()
