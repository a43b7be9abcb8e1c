"""A purchase before sign-in, and the account that it turns out to belong to. With a local Stripe."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from service.db.session import Database
from service.db.tables import AccessEntry, Checkout, Customer, Grant, Reader, Subscription
from service.identity.sign_in_requests import create_sign_in_link
from tests.checkout.rows import rows, sell
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.mailbox import SignInMail, newest_mail
from tests.served import Installation, installation

ANA = "ana@example.org"


@pytest.fixture
def site(mailing: Any, clocks: MovingClocks) -> Iterator[Installation]:
    with installation(mailing, clocks) as made:
        made.publish("a", access={"level": "subscribers"})
        made.publish("b")
        yield made


def mail_to(site: Installation, email: str) -> SignInMail:
    return site.in_database(lambda database: newest_mail(database, email))


def ask(site: Installation, browser: httpx2.Client, email: str) -> tuple[str, SignInMail]:
    site.clocks.travel(timedelta(milliseconds=1))
    asked = browser.post("/v1/sign-in", json={"email": email})
    assert asked.status_code == 202, asked.text
    return asked.json()["request_id"], mail_to(site, email.lower())


def sign_in(site: Installation, browser: httpx2.Client, email: str = ANA) -> str:
    """Signed in by a code; the reader's id."""
    request_id, mail = ask(site, browser, email)
    answer = browser.post("/v1/sign-in/confirm", json={"request_id": request_id, "code": mail.code})
    assert answer.status_code == 200, answer.text
    return me(browser)


def me(browser: httpx2.Client) -> str:
    found: str = browser.get("/v1/me").json()["id"]
    return found


def buy(
    site: Installation, browser: httpx2.Client, email: str = ANA, offer: str = "monthly"
) -> None:
    started = browser.post(
        "/v1/checkout", json={"offer": site.offers[offer], "return_to": "/articles/a"}
    )
    assert started.status_code == 201, started.text
    session_id = started.json()["session_id"]
    assert site.pay(session_id, email=email).status_code == 200
    back = browser.get(f"/v1/checkout/return?session_id={session_id}")
    assert back.status_code == 303, back.text
    site.settle()


def reason(site: Installation, browser: httpx2.Client) -> str:
    found: str = site.unlock("a", browser).json()["reason"]
    return found


@on_sqlite
def test_the_buyer_confirms_and_reads_on_another_device(site: Installation) -> None:
    buy(site, site.browser)
    bought_as = me(site.browser)
    assert site.browser.get("/v1/me").json()["email_verified"] is False
    with site.new_browser() as phone:
        assert sign_in(site, phone) == bought_as
        assert reason(site, phone) == "subscription"
    # The session of the purchase was opened before the address was verified: it has ended.
    assert site.browser.get("/v1/me").status_code == 401
    assert sign_in(site, site.browser) == bought_as
    assert reason(site, site.browser) == "subscription"
    assert len(rows(site, Reader)) == 1


@on_sqlite
def test_confirming_in_the_buyers_browser_goes_on_there(site: Installation) -> None:
    buy(site, site.browser)
    before = site.browser.cookies["pw_session"]
    assert sign_in(site, site.browser) == rows(site, Reader)[0].id
    assert reason(site, site.browser) == "subscription"
    with site.new_browser() as thief:
        thief.cookies.set("pw_session", before)
        assert thief.get("/v1/me").status_code == 401


@on_sqlite
def test_a_mistyped_address_is_corrected_by_confirming_another(site: Installation) -> None:
    buy(site, site.browser, "ana@exmaple.org")
    bought_as = me(site.browser)
    assert sign_in(site, site.browser, ANA) == bought_as
    profile = site.browser.get("/v1/me").json()
    assert (profile["email"], profile["email_verified"]) == (ANA, True)
    # The owner of the mistyped address gets their own account, with nothing in it.
    with site.new_browser() as other:
        assert sign_in(site, other, "ana@exmaple.org") != bought_as
        assert reason(site, other) == "subscribers_only"


def test_a_purchase_opens_nothing_of_an_account_and_merges_once_verified(
    site: Installation,
) -> None:
    with site.new_browser() as home:
        account = sign_in(site, home)
        buy(site, site.browser, "Ana@Example.org")
        provisional = me(site.browser)
        assert provisional != account
        assert reason(site, home) == "subscribers_only"
        assert site.browser.get("/v1/sessions").json()["items"][0]["current"]
        # Verified by the person who reads the mail, in a browser that has nothing to do with the purchase.
        with site.new_browser() as phone:
            assert sign_in(site, phone) == account
            assert reason(site, phone) == "subscription"
        assert reason(site, home) == "subscription"
        assert home.get("/v1/me").status_code == 200  # verified before: it goes on
    assert site.browser.get("/v1/me").status_code == 401
    for table in (Customer, Subscription, Grant, Checkout):
        assert {row.reader_id for row in rows(site, table)} == {account}, table
    assert {row.reader_id for row in rows(site, AccessEntry)} <= {account, None}
    merged = next(row for row in rows(site, Reader) if row.id == provisional)
    assert (merged.merged_into, merged.email) == (account, None)


def test_stripes_later_news_of_a_merged_purchase_reach_the_account(site: Installation) -> None:
    with site.new_browser() as home:
        account = sign_in(site, home)
        buy(site, site.browser)
        sign_in(site, site.browser)
        site.travel(timedelta(days=35))
        assert reason(site, home) == "subscription"
        assert {row.reader_id for row in rows(site, Subscription)} == {account}
        started = home.post(
            "/v1/checkout", json={"offer": site.offers["monthly"], "return_to": "/articles/a"}
        )
        assert (started.status_code, started.json()["type"]) == (
            409,
            "/problems/already-subscribed",
        )


@on_sqlite
def test_a_pass_from_another_browser_hides_no_subscription_from_its_reader(
    site: Installation,
) -> None:
    """It doesn't matter who paid: what was typed there was the reader's address."""
    with site.new_browser() as home:
        sign_in(site, home)
        buy(site, home)
        (subscribed,) = rows(site, Customer)
        site.travel(timedelta(hours=1))
        sell(site, "day", amount=200, currency="EUR", interval="day", kind="pass")
        buy(site, site.browser, offer="day")
        sign_in(site, home)
        assert {row.reader_id for row in rows(site, Customer)} == {me(home)}
        assert len(rows(site, Customer)) == 2
        assert home.post("/v1/portal", json={"return_to": "/"}).status_code == 201
    (opened,) = site.simulator.world.store.find("billing_portal.session", [])
    assert opened["customer"] == subscribed.id


@on_sqlite
def test_nobody_gets_at_a_purchase_by_knowing_its_address(site: Installation) -> None:
    buy(site, site.browser)
    bought_as = me(site.browser)
    with site.new_browser() as mallory:
        ask(site, mallory, ANA)
        assert mallory.get("/v1/me").status_code == 401
        assert sign_in(site, mallory, "mallory@example.org") != bought_as
        assert reason(site, mallory) == "subscribers_only"
    # A purchase typed with somebody's address gives them a gift, and the buyer nothing of theirs.
    assert reason(site, site.browser) == "subscription"


@on_sqlite
@pytest.mark.parametrize("has_account", [True, False])
def test_a_claim_opens_no_account_that_has_verified_the_typed_address(
    site: Installation, has_account: bool
) -> None:
    """Who pays with somebody's address gives them a gift, and keeps nothing to sign in with."""
    with site.new_browser() as home, site.new_browser() as mallory:
        if has_account:
            sign_in(site, home)
        started = mallory.post(
            "/v1/checkout", json={"offer": site.offers["monthly"], "return_to": "/articles/a"}
        ).json()
        assert site.pay(started["session_id"], email=ANA).status_code == 200
        back = f"/v1/checkout/return?session_id={started['session_id']}"
        assert mallory.get(back).status_code == 303
        sign_in(site, home)
        complete = f"/v1/checkout/{started['session_id']}/complete"
        refused = mallory.post(complete, json={"claim": started["claim"]})
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/claim-refused")
        mallory.cookies.set("pw_checkout", started["claim"])
        shown = mallory.get(back)
        assert (shown.status_code, "/account/sign-in" in shown.text) == (200, True)
        assert mallory.get("/v1/me").status_code == 401
        assert reason(site, home) == "subscription"


@on_sqlite
def test_the_staffs_link_for_a_purchase_ends_once_somebody_verifies_its_address(
    site: Installation,
) -> None:
    buy(site, site.browser)
    bought_as = me(site.browser)

    async def link(database: Database) -> str:
        async with database.transaction() as session:
            return await create_sign_in_link(session, reader_id=bought_as, now=site.clocks.wall())

    token = site.in_database(link)
    with site.new_browser() as home, site.new_browser() as mallory:
        assert sign_in(site, home) == bought_as
        refused = mallory.post("/v1/sign-in/confirm", json={"token": token})
        assert refused.status_code in {400, 401, 403}, refused.text
        assert mallory.get("/v1/me").status_code == 401


@on_sqlite
def test_a_link_asked_for_by_the_buyer_may_be_used_on_the_phone(site: Installation) -> None:
    buy(site, site.browser, "ana@exmaple.org")
    bought_as = me(site.browser)
    _, mail = ask(site, site.browser, ANA)
    with site.new_browser() as phone:
        answer = phone.post("/v1/sign-in/confirm", json={"token": mail.token})
        assert answer.status_code == 200
        assert me(phone) == bought_as
        assert reason(site, phone) == "subscription"


def test_purchases_that_race_with_the_confirmation_stay_with_the_account(
    site: Installation,
) -> None:
    """The return, the webhooks and the confirmation come in whatever order they like."""
    from concurrent.futures import ThreadPoolExecutor

    with site.new_browser() as home:
        account = sign_in(site, home)
        started = site.browser.post(
            "/v1/checkout", json={"offer": site.offers["monthly"], "return_to": "/articles/a"}
        ).json()
        assert site.pay(started["session_id"]).status_code == 200
        address = f"/v1/checkout/return?session_id={started['session_id']}"
        with site.new_browser() as phone, ThreadPoolExecutor(4) as pool:
            request_id, mail = ask(site, phone, ANA)
            confirmed = pool.submit(
                phone.post,
                "/v1/sign-in/confirm",
                json={"request_id": request_id, "code": mail.code},
            )
            returned = [pool.submit(site.browser.get, address) for _ in range(2)]
            settled = pool.submit(site.settle)
            assert confirmed.result().status_code == 200
            # 200: the address was confirmed first, and then a mail alone signs in.
            assert {each.result().status_code for each in returned} <= {200, 303}
            settled.result()
        if reason(site, home) != "subscription":
            # The purchase became known after the confirmation: the next one merges it.
            with site.new_browser() as tablet:
                assert sign_in(site, tablet) == account
        assert reason(site, home) == "subscription"
        for table in (Customer, Subscription, Grant):
            assert {row.reader_id for row in rows(site, table)} == {account}, table


@on_sqlite
def test_signing_out_leaves_no_claim_that_signs_in_again(site: Installation) -> None:
    buy(site, site.browser)
    started = site.browser.post(
        "/v1/checkout", json={"offer": site.offers["monthly"], "return_to": "/articles/a"}
    )
    assert started.status_code == 409  # it runs already; a checkout of the past remains
    (checkout,) = rows(site, Checkout)
    assert site.browser.cookies.get("pw_checkout") is None
    site.browser.delete("/v1/session")
    site.browser.get(f"/v1/checkout/return?session_id={checkout.stripe_session_id}")
    assert site.browser.get("/v1/me").status_code == 401


@on_sqlite
def test_a_purchase_made_signed_in_leaves_no_claim_either(site: Installation) -> None:
    buy(site, site.browser)
    site.browser.cookies.delete("pw_session")
    with site.new_browser() as other:
        sign_in(site, other)
        started = other.post(
            "/v1/checkout", json={"offer": site.offers["monthly"], "return_to": "/articles/a"}
        )
        assert started.status_code == 409
    with site.new_browser() as ben:
        sign_in(site, ben, "ben@example.org")
        buy(site, ben, "ben@example.org")
        assert ben.cookies.get("pw_checkout") is None


@on_sqlite
def test_a_comp_for_a_merged_reader_goes_to_the_account(site: Installation) -> None:
    with site.new_browser() as home:
        account = sign_in(site, home)
        buy(site, site.browser)
        provisional = me(site.browser)
        sign_in(site, site.browser)
        given = site.browser.post(
            "/v1/admin/grants",
            json={"reader_id": provisional, "ends_at": None, "note": ""},
            headers={"Authorization": f"Bearer {site.api_key}"},
        )
        assert given.status_code == 201, given.text
        assert {row.reader_id for row in rows(site, Grant)} == {account}
