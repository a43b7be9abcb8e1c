"""From a click on an offer to Stripe's page: once, at our price, and back to us only."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx2
import pytest

from service.db.session import Database
from service.db.tables import Checkout, Customer, Reader
from service.grants.grants import Source
from service.grants.store import put_grant
from service.offers.store import archive_offer
from tests.checkout.rows import DAY, rows, sell, sessions, sign_in
from tests.databases import on_sqlite
from tests.patience import PATIENCE
from tests.served import Installation
from tests.stripe_at_hand import sdk


def refused(answer: httpx2.Response, status: int, slug: str) -> Any:
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}"), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.json()


def test_parallel_clicks_of_a_reader_open_one_session(site: Installation) -> None:
    sign_in(site)
    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(lambda _: site.start_checkout("monthly"), range(8)))
    assert [answer.status_code for answer in started] == [201] * 8, started[0].text
    assert len({answer.json()["session_id"] for answer in started}) == 1
    assert len(sessions(site)) == len(rows(site, Checkout)) == len(rows(site, Customer)) == 1
    assert len(site.simulator.world.store.find("customer", [])) == 1


@on_sqlite
def test_a_click_again_goes_on_and_another_offer_begins_anew(site: Installation) -> None:
    first = site.start_checkout("monthly").json()
    again = site.start_checkout("monthly").json()
    assert (again["session_id"], again["claim"]) == (first["session_id"], first["claim"])
    # A caller without the claim is somebody else.
    with site.new_browser() as stranger:
        body = {"offer": site.offers["monthly"], "return_to": "/articles/a"}
        other = stranger.post("/v1/checkout", json=body).json()
        forged = stranger.post(
            "/v1/checkout", json=body, headers={"Cookie": "pw_checkout=" + "x" * 4000}
        )
    assert other["session_id"] != first["session_id"]
    assert forged.status_code == 201
    yearly = site.start_checkout("yearly").json()
    assert yearly["session_id"] != first["session_id"]
    open_ids = {each["id"] for each in sessions(site, "open")}
    assert yearly["session_id"] in open_ids
    assert first["session_id"] not in open_ids
    assert other["session_id"] in open_ids
    # The one that was left is no longer payable, and the way back from it says so.
    assert site.pay(first["session_id"]).status_code == 409
    left = site.browser.get(f"/v1/checkout/return?session_id={first['session_id']}")
    assert "expired" in left.text
    assert site.start_checkout("monthly").json()["session_id"] not in open_ids


@on_sqlite
def test_a_session_that_expired_at_stripe_is_replaced(site: Installation) -> None:
    first = site.start_checkout().json()
    with sdk(site.stripe_url) as stripe:
        stripe.checkout.sessions.expire(first["session_id"])
    again = site.start_checkout()
    assert again.json()["session_id"] != first["session_id"]
    assert again.json()["url"].startswith(site.stripe_url)
    site.travel(2 * DAY)
    later = site.start_checkout()
    assert later.json()["session_id"] != again.json()["session_id"]


def forget(site: Installation, *kinds: str) -> None:
    """Let the local Stripe be another account's: it knows nothing of these."""
    connection = site.simulator.world.store.connection
    with site.simulator.world.transaction():
        connection.execute("DELETE FROM answers")
        for kind in kinds:
            connection.execute("DELETE FROM objects WHERE kind = ?", (kind,))


@on_sqlite
def test_an_offer_mirrored_to_another_account_is_mirrored_anew(site: Installation) -> None:
    site.subscribe()
    forget(site, "checkout.session", "customer", "price", "product", "subscription")
    with site.new_browser() as buyer:
        body = {"offer": site.offers["monthly"], "return_to": "/articles/a"}
        started = buyer.post("/v1/checkout", json=body)
        assert started.status_code == 201, started.text
        assert site.pay(started.json()["session_id"]).status_code == 200
        address = f"/v1/checkout/return?session_id={started.json()['session_id']}"
        assert buyer.get(address).status_code == 303
        assert site.unlock("a", buyer).json()["reason"] == "subscription"


@on_sqlite
def test_sessions_of_another_account_are_forgotten(site: Installation) -> None:
    sign_in(site)
    first, second = site.start_checkout("monthly"), site.start_checkout("yearly")
    assert (first.status_code, second.status_code) == (201, 201)
    forget(site, "checkout.session")
    again = site.start_checkout("yearly")
    assert again.status_code == 201, again.text
    assert again.json()["session_id"] == sessions(site)[0]["id"]


@on_sqlite
@pytest.mark.parametrize("offer", ["monthly", "yearly"])
@pytest.mark.parametrize("heard", [False, True])
def test_paid_in_another_tab_leads_to_the_return(
    site: Installation, offer: str, heard: bool
) -> None:
    first = site.start_checkout("monthly").json()
    assert site.pay(first["session_id"]).status_code == 200
    if heard:
        site.settle()
    again = site.start_checkout(offer).json()
    assert again["url"] == f"{site.url}/v1/checkout/return?session_id={first['session_id']}"
    back = site.browser.get(again["url"])
    assert back.status_code == 303
    assert site.unlock("a").json()["reason"] == "subscription"
    assert sessions(site, "open") == []


@on_sqlite
def test_a_live_subscription_is_managed_and_not_bought_again(site: Installation) -> None:
    site.subscribe()
    for offer in site.offers:
        problem = refused(site.start_checkout(offer), 409, "already-subscribed")
        assert httpx2.get(problem["portal"], timeout=PATIENCE).status_code == 200
    made = site.browser.post("/v1/portal", json={"return_to": "/account"})
    assert (made.status_code, httpx2.get(made.json()["url"], timeout=PATIENCE).status_code) == (
        201,
        200,
    )
    for elsewhere in ("https://evil.example/", "//evil.example"):
        answer = site.browser.post("/v1/portal", json={"return_to": elsewhere})
        refused(answer, 422, "invalid-return-address")
    with site.new_browser() as stranger:
        answer = stranger.post("/v1/portal", json={"return_to": "/"})
        refused(answer, 401, "unauthenticated")


@on_sqlite
@pytest.mark.parametrize(("source", "words"), [("comp", "complimentary"), ("external", "external")])
def test_what_a_reader_has_otherwise_is_sold_once_they_know(
    site: Installation, source: Source, words: str
) -> None:
    reader = sign_in(site)
    start, end = site.clocks.business(), site.clocks.business() + 7 * DAY

    async def give(database: Database) -> None:
        async with database.transaction() as session:
            for reference, scope, ends_at in [
                ("a", "everything", start + DAY), ("b", "plan:digital", end),
                ("c", "plan:gold", None), ("d", "article:art_1", None),
            ]:  # fmt: skip
                await put_grant(
                    session, source=source, reference=reference, reader_id=reader.id, scope=scope,
                    starts_at=start, ends_at=ends_at, now=start,
                )  # fmt: skip

    site.in_database(give)
    problem = refused(site.start_checkout("monthly"), 409, "has-access")
    assert (problem["source"], problem["scope"]) == (source, "plan:digital")
    assert datetime.fromisoformat(problem["until"]) == end
    account = site.browser.get("/account").text
    assert ("Subscribe anyway" in account, "Choose an offer" in account) == (True, False)
    form = {"offer": site.offers["monthly"], "return_to": "/articles/a"}
    asked = site.browser.post("/subscribe", data=form)
    assert (asked.status_code, words in asked.text) == (409, True)
    assert "charged at once" not in asked.text  # an offer may have a trial
    sent = dict(re.findall(r'type="hidden" name="(.*?)" value="(.*?)"', asked.text))
    assert (sent["offer"], sent["return_to"]) == (form["offer"], "/articles/a")
    assert site.browser.post("/subscribe", data=sent).status_code == 303
    body = {**form, "despite_access": True}
    assert site.browser.post("/v1/checkout", json=body).status_code == 201
    site.travel(8 * DAY)
    assert site.start_checkout("yearly").status_code == 201


@on_sqlite
def test_a_trial_is_given_once_a_reader(site: Installation) -> None:
    site.subscribe("trial")
    (bought,) = site.simulator.world.store.find("subscription", [])
    assert bought["status"] == "trialing"
    with sdk(site.stripe_url) as stripe:
        stripe.subscriptions.cancel(bought["id"])
    site.settle()
    site.clocks.travel(DAY)
    session_id = site.start_checkout("trial").json()["session_id"]
    assert site.pay(session_id).status_code == 200
    statuses = {each["status"] for each in site.simulator.world.store.find("subscription", [])}
    assert statuses == {"canceled", "active"}


@on_sqlite
def test_a_customer_that_was_deleted_at_stripe_can_buy_again(site: Installation) -> None:
    site.subscribe()
    (customer,) = rows(site, Customer)
    with sdk(site.stripe_url) as stripe:
        stripe.customers.delete(customer.id)
    site.settle()
    assert site.unlock("a").status_code == 402
    answer = site.browser.post("/v1/portal", json={"return_to": "/"})
    refused(answer, 409, "no-subscription")
    site.clocks.travel(DAY)
    session_id = site.start_checkout().json()["session_id"]
    assert site.pay(session_id).status_code == 200
    site.settle()
    assert site.unlock("a").json()["reason"] == "subscription"


@on_sqlite
def test_what_is_not_sold(site: Installation) -> None:
    async def archive(database: Database) -> None:
        async with database.transaction() as session:
            await archive_offer(session, site.offers["yearly"], site.clocks.business())

    site.in_database(archive)
    refused(site.start_checkout("yearly"), 404, "offer-not-found")
    site.offers["unknown"] = "off_unknown"
    site.offers["foreign"] = "price_1ForeignShop"
    site.offers["sql"] = "' OR 1=1 --"
    for offer in ("unknown", "foreign", "sql"):
        refused(site.start_checkout(offer), 404, "offer-not-found")
    for fields in (
        {"price": "price_1"}, {"amount": 1}, {"currency": "jpy"}, {"trial_days": 700},
        {"reader_id": "rdr_1"}, {"quantity": 0}, {"promotion_code": ""}, {"offer": None},
        {"offer": ["a"]}, {"offer": "a\u0000b"}, {"offer": "x" * 101}, {"promotion_code": "\u0000"},
    ):  # fmt: skip
        body = {"offer": site.offers["monthly"], "return_to": "/", **fields}
        refused(site.browser.post("/v1/checkout", json=body), 422, "invalid-request")
    refused(site.start_checkout(promotion_code="NEVER"), 422, "invalid-request")
    # With a checkout open an unknown code is no less wrong.
    assert site.start_checkout().status_code == 201
    refused(site.start_checkout(promotion_code="NEVER"), 422, "invalid-request")
    assert len(sessions(site, "open")) <= 1


ELSEWHERE = [
    "https://evil.example/", "//evil.example/", "///evil.example", "/\\evil.example",
    "\\\\evil.example", "/\t/evil.example", "/\n/evil.example", " //evil.example", "javascript:alert(1)",
    "data:text/html,x", "http:evil.example", "http:/evil.example", "articles/a", "", "?a", "#a",
    "{url}@evil.example/", "{url}.evil.example/", "{url}:80@evil.example", "ftp://127.0.0.1/",
    "https://[::1", "/a\u0000b", "/artículo", "/a" * 1001, "http://localhost.evil.example/",
]  # fmt: skip


@on_sqlite
def test_a_win_back_offer_is_sold_to_former_subscribers_alone(site: Installation) -> None:
    sell(site, "back", sold_to="former", amount=500, currency="EUR", interval="month")
    asked = refused(site.start_checkout("back"), 401, "unauthenticated")
    assert "Sign in" in asked["detail"]
    form = {"offer": site.offers["back"], "return_to": "/articles/a"}
    page = site.browser.post("/subscribe", data=form, headers={"Origin": site.url})
    assert (page.status_code, 'href="/account"' in page.text) == (401, True)
    sign_in(site)
    refused(site.start_checkout("back"), 403, "not-a-former-subscriber")
    assert not sessions(site)
    site.subscribe("monthly")
    (bought,) = site.simulator.world.store.find("subscription", [])
    with sdk(site.stripe_url) as stripe:
        stripe.subscriptions.cancel(bought["id"])
    site.settle()
    site.clocks.travel(DAY)
    assert site.start_checkout("back").status_code == 201


@on_sqlite
def test_the_way_back_leads_to_us_only(site: Installation) -> None:
    for address in ELSEWHERE:
        return_to = address.replace("{url}", site.url)
        answer = site.start_checkout(return_to=return_to)
        assert answer.status_code == 422, address
    assert rows(site, Checkout) == []
    for return_to in ("/", "/articles/a?b=c#d", f"{site.url}/articles/a"):
        started = site.start_checkout(return_to=return_to)
        assert started.status_code == 201
        site.browser.cookies.clear()


@on_sqlite
def test_what_was_left_before_buying_is_told_of_the_reader(site: Installation) -> None:
    assert site.unlock("a").status_code == 402
    left = site.start_checkout("monthly").json()["session_id"]
    site.subscribe("yearly")
    site.settle()
    assert left in {each["id"] for each in sessions(site, "expired")}
    (reader,) = rows(site, Reader)
    history = site.browser.get(
        f"/v1/admin/subscribers/{reader.id}", headers={"Authorization": f"Bearer {site.api_key}"}
    ).json()
    told = [(event["kind"], event["note"]) for event in history["timeline"]]
    assert ("checkout_expired", "Monthly") in told
    assert {note for kind, note in told if kind == "checkout_started"} == {"Monthly", "Yearly"}
