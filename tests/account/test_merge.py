"""A purchase before sign-in, and the account that it turns out to belong to. With a local Stripe."""

from collections import Counter
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
    bought_as, before = me(site.browser), site.browser.cookies["pw_session"]
    by_staff = link_of_the_staff(site, bought_as)
    assert site.browser.get("/v1/me").json()["email_verified"] is False
    assert sign_in(site, site.browser) == bought_as
    assert reason(site, site.browser) == "subscription"
    with site.new_browser() as thief:
        thief.cookies.set("pw_session", before)
        assert thief.get("/v1/me").status_code == 401
    # The staff's link for a purchase ends once somebody verifies its address.
    with site.new_browser() as mallory:
        refused = mallory.post("/v1/sign-in/confirm", json={"token": by_staff})
        assert refused.status_code in {400, 401, 403}, refused.text
        assert mallory.get("/v1/me").status_code == 401
    with site.new_browser() as phone:
        assert sign_in(site, phone) == bought_as
        assert reason(site, phone) == "subscription"
    assert reason(site, site.browser) == "subscription"
    assert len(rows(site, Reader)) == 1


def link_of_the_staff(site: Installation, reader_id: str) -> str:
    async def link(database: Database) -> str:
        async with database.transaction() as session:
            return await create_sign_in_link(session, reader_id=reader_id, now=site.clocks.wall())

    return site.in_database(link)


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


@on_sqlite
def test_a_strangers_purchase_touches_nothing_of_an_account_until_its_reader_takes_it_over(
    site: Installation,
) -> None:
    """Anybody can type anybody's address in Checkout."""
    with site.new_browser() as home:
        account = sign_in(site, home)
        buy(site, home)
        own = rows(site, Subscription)[0].id
        site.travel(timedelta(hours=1))
        buy(site, site.browser, "Ana@Example.org")
        stranger = me(site.browser)
        with site.new_browser() as phone:
            assert sign_in(site, phone) == account
        assert statuses(site) == {"active": 2}
        assert {row.reader_id for row in rows(site, Customer)} == {account, stranger}
        assert me(site.browser) == stranger
        (offered,) = home.get("/v1/me").json()["purchases"]
        assert offered["id"] == stranger
        assert "Bought with your address" in home.get("/account").text
        with site.new_browser() as other:
            sign_in(site, other, "ben@example.org")
            refused = other.post(f"/v1/me/purchases/{stranger}")
            assert (refused.status_code, other.get("/v1/me").json()["purchases"]) == (404, [])
        taken = home.post("/account/take-over", data={"purchase": stranger})
        assert taken.status_code == 303
        site.settle()
        # Of the two the account's own stays; the other is given back to its buyer.
        running = [row.id for row in rows(site, Subscription) if row.status == "active"]
        assert running == [own]
        assert site.browser.get("/v1/me").status_code == 401
        assert home.post("/v1/portal", json={"return_to": "/"}).status_code == 201
    (opened,) = site.simulator.world.store.find("billing_portal.session", [])
    assert opened["customer"] == next(
        row.customer_id for row in rows(site, Subscription) if row.id == own
    )


def statuses(site: Installation) -> Counter[str]:
    return Counter(row.status for row in rows(site, Subscription))


@on_sqlite
def test_the_buyers_own_browser_brings_its_purchase_to_the_account(site: Installation) -> None:
    with site.new_browser() as home:
        account = sign_in(site, home)
        buy(site, site.browser)
        provisional = me(site.browser)
        assert reason(site, home) == "subscribers_only"
        assert sign_in(site, site.browser) == account
        assert reason(site, home) == "subscription"
        assert home.get("/v1/me").status_code == 200  # verified before: it goes on
    for table in (Customer, Subscription, Grant, Checkout):
        assert {row.reader_id for row in rows(site, table)} == {account}, table
    assert {row.reader_id for row in rows(site, AccessEntry)} <= {account, None}
    merged = next(row for row in rows(site, Reader) if row.id == provisional)
    assert (merged.merged_into, merged.email) == (account, None)


@on_sqlite
def test_a_claim_alone_brings_the_purchase_along(site: Installation) -> None:
    """The buyer never came back from Stripe, and signs in by mail in the same browser."""
    started = site.browser.post(
        "/v1/checkout", json={"offer": site.offers["monthly"], "return_to": "/articles/a"}
    ).json()
    assert site.pay(started["session_id"], email=ANA).status_code == 200
    site.settle()
    sign_in(site, site.browser)
    assert reason(site, site.browser) == "subscription"


@on_sqlite
def test_a_strangers_mail_to_the_reader_joins_nothing(site: Installation) -> None:
    """The stranger's session asks for the mail; the reader opens its link elsewhere."""
    buy(site, site.browser, "mallory@example.org")
    _, mail = ask(site, site.browser, ANA)
    with site.new_browser() as home:
        page = home.get(f"/account/sign-in?token={mail.token}").text
        assert "requested in another browser" in page
        assert "a…@example.org" in page
        assert ANA not in page
        answer = home.post("/v1/sign-in/confirm", json={"token": mail.token})
        assert answer.status_code == 200
        assert me(home) != me(site.browser)
        assert reason(site, home) == "subscribers_only"
    assert reason(site, site.browser) == "subscription"


@on_sqlite
def test_a_pass_from_another_browser_hides_no_subscription_from_its_reader(
    site: Installation,
) -> None:
    """The reader bought it before signing in there."""
    with site.new_browser() as home:
        sign_in(site, home)
        buy(site, home)
        (subscribed,) = rows(site, Customer)
        site.travel(timedelta(hours=1))
        sell(site, "day", amount=200, currency="EUR", interval="day", kind="pass")
        buy(site, site.browser, offer="day")
        sign_in(site, site.browser)
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
    assert reason(site, site.browser) == "subscription"


@on_sqlite
@pytest.mark.parametrize("has_account", [True, False])
def test_a_claim_signs_in_to_its_own_purchase_alone_and_once(
    site: Installation, has_account: bool
) -> None:
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
        assert me(mallory) != me(home)
        assert reason(site, home) == "subscribers_only"
        assert mallory.delete("/v1/session").status_code == 204
        complete = f"/v1/checkout/{started['session_id']}/complete"
        refused = mallory.post(complete, json={"claim": started["claim"]})
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/claim-refused")
        mallory.cookies.set("pw_checkout", started["claim"])
        shown = mallory.get(back)
        assert (shown.status_code, "/account/sign-in" in shown.text) == (200, True)
        assert mallory.get("/v1/me").status_code == 401


def test_purchases_that_race_with_the_confirmation_stay_with_the_buyer(
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
            assert {each.result().status_code for each in returned} == {303}
            settled.result()
        assert reason(site, home) == "subscribers_only"
        assert reason(site, site.browser) == "subscription"
        for table in (Customer, Subscription, Grant):
            assert {row.reader_id for row in rows(site, table)} == {me(site.browser)}, table
        assert me(home) == account


@on_sqlite
def test_signing_out_ends_every_claim(site: Installation) -> None:
    buy(site, site.browser)
    started = site.browser.post(
        "/v1/checkout", json={"offer": site.offers["monthly"], "return_to": "/articles/a"}
    )
    assert started.status_code == 409  # it runs already; a checkout of the past remains
    (checkout,) = rows(site, Checkout)
    assert site.browser.cookies.get("pw_checkout") is None
    # And one under way, whose claim somebody has kept, who pays once the reader has left.
    price: dict[str, Any] = {"kind": "pass", "covers": "article", "interval": "day"}
    sell(site, "day", plan="", amount=200, currency="EUR", **price)
    body = {"offer": site.offers["day"], "return_to": "/articles/a", "article": "a"}
    under_way = site.browser.post("/v1/checkout", json=body).json()
    assert site.browser.delete("/v1/session").status_code == 204
    site.browser.get(f"/v1/checkout/return?session_id={checkout.stripe_session_id}")
    assert site.browser.get("/v1/me").status_code == 401
    assert site.pay(under_way["session_id"]).status_code == 200
    site.settle()
    with site.new_browser() as thief:
        answer = thief.post(
            f"/v1/checkout/{under_way['session_id']}/complete", json={"claim": under_way["claim"]}
        )
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/claim-refused")


@on_sqlite
def test_a_purchase_made_signed_in_leaves_no_claim_either(site: Installation) -> None:
    buy(site, site.browser)
    sign_in(site, site.browser)
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
            json={"reader_id": provisional, "ends_at": None, "note": "A prize"},
            headers={"Authorization": f"Bearer {site.api_key}"},
        )
        assert given.status_code == 201, given.text
        assert {row.reader_id for row in rows(site, Grant)} == {account}
