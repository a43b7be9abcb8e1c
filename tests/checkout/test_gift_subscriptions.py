"""Gift subscriptions from the purchase to their end: paid by one, mailed to and redeemed by another."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from service.billing import gift_rounds
from service.billing.gift_rounds import ARRANGE, SEND, gift_round
from service.billing.gift_subscriptions import readers_to_arrange
from service.billing.reconciliations import opening_passes
from service.db.context import Context
from service.db.session import Database
from service.db.tables import GiftSubscription, Grant, Job, Mail, Pass, Reader
from service.identity.cookies import cookie_name
from service.identity.readers import create_reader
from service.identity.sessions import open_session
from service.settings import Settings
from tests.checkout.rows import DAY, rows, sell
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.patience import PATIENCE
from tests.served import Installation, installation
from tests.stripe_at_hand import sdk

QUARTER: dict[str, Any] = {
    "amount": 2500, "currency": "EUR", "interval": "day", "interval_count": 90, "kind": "gift",
}  # fmt: skip
FRIEND = "bea@example.org"
ADMIN = "/v1/admin/gift-subscriptions"


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    """It can mail, and sells a gift of 90 days."""
    mailing = settings.model_copy(update={"mail_from": "Gazette <hello@gazette.example.org>"})
    with installation(mailing, clocks) as made:
        made.publish("a", access={"level": "subscribers"})
        sell(made, "quarter", **QUARTER)
        yield made


def buy(site: Installation, **gift: Any) -> dict[str, Any]:
    """Buy a gift and come back; it as its buyer sees it."""
    site.subscribe("quarter", gift=gift)
    (bought,) = site.browser.get("/v1/me/gift-subscriptions").json()["items"]
    found: dict[str, Any] = bought
    return found


def friend(site: Installation, address: str = FRIEND) -> httpx2.Client:
    """The browser of a reader with a confirmed address."""

    async def make(database: Database) -> str:
        async with database.transaction() as session:
            now = site.clocks.wall()
            reader = await create_reader(session, email=address, clocks=site.clocks)
            reader.email_verified_at, reader.verified_key = now, address
            opened = await open_session(
                session, reader_id=reader.id, now=now, settings=site.settings
            )
        return opened.token

    browser = site.new_browser()
    name = cookie_name("session", site.settings)
    browser.cookies.set(name, site.in_database(make), domain="127.0.0.1")
    return browser


def redeem(gift: dict[str, Any], browser: httpx2.Client) -> httpx2.Response:
    token = gift["url"].rpartition("/")[2]
    return browser.post(f"/v1/gift-subscriptions/{token}/redeem")


def look(site: Installation) -> None:
    """What the service does of itself every minute."""
    site.in_database(lambda database: gift_round(Context(site.settings, site.clocks, database)))


def mailed(site: Installation) -> list[tuple[str, str]]:
    return sorted((each.kind, each.recipient) for each in rows(site, Mail))


def reason(site: Installation, browser: httpx2.Client) -> Any:
    return site.unlock("a", browser).json()["reason"]


@on_sqlite
def test_a_gift_is_mailed_on_its_day_and_runs_from_its_redemption(site: Installation) -> None:
    day = site.clocks.business() + 5 * DAY
    gift = buy(site, email=FRIEND, send_at=day.isoformat())
    assert (gift["state"], gift["receiver_email"], gift["sent_at"]) == ("unredeemed", FRIEND, None)
    assert reason(site, site.browser) == "subscribers_only", "it isn't the buyer's"
    assert "You have no subscription yet." in site.browser.get("/account").text
    look(site)
    assert mailed(site) == [("gift-bought", "ana@example.org")]
    site.travel(5 * DAY)
    look(site)
    look(site)
    assert mailed(site) == [("gift", FRIEND), ("gift-bought", "ana@example.org")]

    bea, stranger = friend(site), friend(site, "cleo@example.org")
    path = gift["url"].removeprefix(site.url)
    assert "Redeem gift" in bea.get(path).text
    assert reason(site, bea) == "subscribers_only", "looking redeems nothing"
    begun = site.clocks.business()
    for _ in range(2):
        redeemed = redeem(gift, bea)
        assert (redeemed.status_code, redeemed.json()["state"]) == (200, "running")
    assert reason(site, bea) == "gift"
    late = redeem(gift, stranger)
    assert (late.status_code, late.json()["type"]) == (409, "/problems/gift-closed")
    (grant,) = rows(site, Grant)
    assert (grant.source, grant.scope) == ("gift", "plan:digital")
    assert (grant.starts_at, grant.ends_at) == (begun, begun + 90 * DAY)
    # Neither is a subscriber; the money is with the passes.
    summary = bea.get(
        "/v1/admin/reports/summary", headers={"Authorization": f"Bearer {site.api_key}"}
    ).json()
    assert "2500" not in str(summary.get("mrr", ""))
    (paid,) = rows(site, Pass)
    assert (paid.amount, paid.starts_at) == (2500, paid.ends_at)
    site.travel(90 * DAY)
    assert reason(site, bea) == "subscribers_only"


@on_sqlite
def test_a_gift_that_cant_be_mailed_holds_up_no_other(site: Installation) -> None:
    for address in ("cleo@example.org", FRIEND):
        site.subscribe("quarter", gift={"email": address})

    async def spoil(database: Database) -> None:
        async with database.transaction() as session:
            for gift in await session.scalars(select(GiftSubscription)):
                if gift.receiver_email != FRIEND:
                    gift.receiver_email, gift.send_at = "nobody", gift.send_at - DAY

    site.in_database(spoil)
    look(site)
    assert [address for kind, address in mailed(site) if kind == "gift"] == [FRIEND]
    tried = []
    for pause in (timedelta(), *(timedelta(minutes=n) for n in (1, 4, 5, 30, 120))):
        site.clocks.travel(pause)
        look(site)
        (job,) = (each for each in rows(site, Job) if each.kind == SEND and each.status != "done")
        tried.append(job.attempts)
    assert tried == [1, 2, 2, 3, 4, 5]
    assert job.status == "failed", "it is among the jobs that somebody has to look at"
    answer = site.browser.post(
        f"{ADMIN}/{job.key}/send", json={"email": FRIEND},
        headers={"Authorization": f"Bearer {site.api_key}"},
    )  # fmt: skip
    assert answer.is_success, answer.text
    look(site)
    assert {each.status for each in rows(site, Job) if each.kind == SEND} == {"done"}
    assert len([kind for kind, _ in mailed(site) if kind == "gift"]) == 2


@on_sqlite
def test_a_gift_waits_while_its_reader_subscribes_and_no_day_is_lost(site: Installation) -> None:
    gift = buy(site)
    bea = friend(site)
    redeem(gift, bea)
    site.travel(10 * DAY)
    site.browser = bea
    site.subscribe("monthly")
    site.settle()
    look(site)
    assert reason(site, bea) == "subscription"
    (row,) = rows(site, GiftSubscription)
    (own,) = (each for each in rows(site, Grant) if each.source == "subscription")
    assert (row.starts_at, row.ends_at) == (own.ends_at, own.ends_at + 80 * DAY)
    (subscription,) = site.simulator.world.store.find("subscription", [])
    with sdk(site.stripe_url) as stripe:
        stripe.subscriptions.cancel(subscription["id"])
    site.settle()
    look(site)
    now = site.clocks.business()
    assert reason(site, bea) == "gift"
    (row,) = rows(site, GiftSubscription)
    assert (row.starts_at, row.ends_at) == (now, now + 80 * DAY)


@on_sqlite
def test_a_refund_ends_it_redeemed_or_not(site: Installation) -> None:
    gift, bea = buy(site), friend(site)
    redeem(gift, bea)
    site.clocks.travel(timedelta(hours=1))
    (paid,) = rows(site, Pass)
    with sdk(site.stripe_url) as stripe:
        stripe.refunds.create(
            {"payment_intent": paid.id, "metadata": {"paywall_access": "end_access"}}
        )
    site.settle()
    assert reason(site, bea) == "subscribers_only"
    refused = redeem(gift, friend(site, "cleo@example.org"))
    assert (refused.status_code, "given back" in refused.json()["detail"]) == (409, True)
    (shown,) = site.browser.get("/v1/me/gift-subscriptions").json()["items"]
    assert shown["state"] == "refunded"


def waiting(site: Installation) -> list[str]:
    """Whose gifts would be arranged anew."""

    async def ask(database: Database) -> list[str]:
        async with database.reading() as session:
            return await readers_to_arrange(session, site.clocks.business())

    return site.in_database(ask)


def test_only_gifts_that_have_to_move_are_arranged(site: Installation) -> None:
    """Neither one in its place, nor the one behind it, nor one that nothing moves any more."""
    bea = friend(site)
    for _ in range(2):
        site.subscribe("quarter", gift={})
        site.travel(DAY)
    gifts = site.browser.get("/v1/me/gift-subscriptions").json()["items"]
    for gift in gifts:
        redeem(gift, bea)
    assert waiting(site) == []
    site.browser = bea
    site.subscribe("monthly")
    site.settle()
    look(site)
    first, second = sorted((each.starts_at, each.ends_at) for each in rows(site, GiftSubscription))
    (own,) = (each for each in rows(site, Grant) if each.source == "subscription")
    assert (first[0], second[0]) == (own.ends_at, first[1])
    assert waiting(site) == []
    staff = {"Authorization": f"Bearer {site.api_key}"}
    for gift in gifts:
        assert site.browser.delete(f"{ADMIN}/{gift['id']}", headers=staff).status_code == 204
    with sdk(site.stripe_url) as stripe:
        (subscription,) = site.simulator.world.store.find("subscription", [])
        stripe.subscriptions.cancel(subscription["id"])
    site.settle()
    assert waiting(site) == []


@on_sqlite
def test_a_gift_that_cant_be_moved_is_tried_again_while_it_has_to(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    gift, bea = buy(site), friend(site)
    redeem(gift, bea)
    site.browser = bea
    site.subscribe("monthly")
    site.settle()

    async def fail(*_: object) -> None:
        raise LookupError

    def tried(minutes: int) -> tuple[str, int]:
        site.clocks.travel(timedelta(minutes=minutes))
        look(site)
        (job,) = (each for each in rows(site, Job) if each.kind == ARRANGE)
        return job.status, job.attempts

    with monkeypatch.context() as broken:
        broken.setattr(gift_rounds, "arrange_gifts", fail)
        first = [tried(minutes) for minutes in (0, 1, 5, 30)]
        assert first == [("waiting", attempts) for attempts in (1, 2, 3, 4)]
        then = [tried(minutes) for minutes in (120, 119, 1)]
        assert then == [("failed", attempts) for attempts in (5, 5, 6)]
    assert len(waiting(site)) == 1
    assert tried(120)[0] == "done"
    assert waiting(site) == []


@on_sqlite
def test_while_a_dispute_is_open_nobody_says_that_money_went_back(site: Installation) -> None:
    gift = buy(site)
    (paid,) = rows(site, Pass)
    with sdk(site.stripe_url) as stripe:
        (charge,) = stripe.charges.list({"payment_intent": paid.id}).data
    hook = f"{site.stripe_url}/_sim/dispute"
    assert httpx2.post(hook, json={"charge": charge.id}, timeout=PATIENCE).status_code == 200
    site.settle()
    bea = friend(site)
    refused = redeem(gift, bea)
    assert (refused.status_code, "until the bank has decided" in refused.json()["detail"]) == (
        409,
        True,
    )
    assert "on hold because the payment is disputed" in bea.get(gift["url"]).text
    assert "On hold, payment disputed" in site.browser.get("/account/gift-subscriptions").text
    (shown,) = site.browser.get("/v1/me/gift-subscriptions").json()["items"]
    assert shown["state"] == "disputed"


@on_sqlite
def test_the_newsroom_mails_it_again_and_takes_it_back(site: Installation) -> None:
    staff = {"Authorization": f"Bearer {site.api_key}"}
    gift, bea = buy(site), friend(site)
    path = f"{ADMIN}/{gift['id']}"
    unaddressed = site.browser.post(f"{path}/send", json={}, headers=staff)
    assert (unaddressed.status_code, unaddressed.json()["type"]) == (422, "/problems/invalid-email")
    sent = site.browser.post(f"{path}/send", json={"email": FRIEND}, headers=staff)
    assert sent.status_code == 204
    assert ("gift", FRIEND) in mailed(site)
    redeem(gift, bea)
    assert site.browser.post(f"{path}/send", json={}, headers=staff).status_code == 409
    for _ in range(2):
        assert site.browser.delete(path, headers=staff).status_code == 204
    assert reason(site, bea) == "subscribers_only"
    (item,) = site.browser.get(f"{ADMIN}?state=revoked", headers=staff).json()["items"]
    assert (item["state"], item["receiver_email"]) == ("revoked", None)
    assert item["buyer_id"] != item["redeemed_by"]


@on_sqlite
def test_pages_sell_and_redeem_without_a_script(site: Installation) -> None:
    assert "€25.00 for 90 days" in site.browser.get("/gift").text
    wrong = site.browser.post("/gift", data={"offer": site.offers["quarter"], "email": "nobody"})
    assert wrong.status_code == 422
    begun = site.browser.post("/gift", data={"offer": site.offers["quarter"], "day": "2026-12-24"})
    assert begun.status_code == 303
    (session,) = site.simulator.world.store.find("checkout.session", [])
    site.pay(session["id"])
    back = site.browser.get("/v1/checkout/return", params={"session_id": session["id"]})
    assert back.headers["Location"] == f"{site.url}/account/gift-subscriptions"
    page = site.browser.get("/account/gift-subscriptions")
    assert "Pass this link on to the recipient" in page.text
    (row,) = rows(site, GiftSubscription)
    (gift,) = site.browser.get("/v1/me/gift-subscriptions").json()["items"]
    bea = friend(site)
    path = gift["url"].removeprefix(site.url)
    assert bea.post(path).status_code == 303
    assert "You have access to the plan" in bea.get(path).text
    assert "already been redeemed" in site.new_browser().get(path).text
    assert bea.get(f"/gift/{row.id}.{'A' * 22}").status_code == 404
    # At a wall nobody is sold a gift.
    offers = site.unlock("a", site.new_browser()).json()["wall"]["offers"]
    assert site.offers["quarter"] not in {each["id"] for each in offers}
    refused = site.start_checkout("monthly", gift={"email": FRIEND})
    assert refused.status_code == 422


@on_sqlite
def test_a_subscriber_may_buy_one_and_who_has_no_confirmed_address_redeems_none(
    site: Installation,
) -> None:
    site.subscribe("monthly")
    gift = buy(site)
    assert redeem(gift, site.browser).status_code == 401
    assert reason(site, site.browser) == "subscription"
    assert len(rows(site, Reader)) == 1


def refund(site: Installation) -> None:
    site.clocks.travel(timedelta(minutes=1))
    (paid,) = rows(site, Pass)
    with sdk(site.stripe_url) as stripe:
        stripe.refunds.create(
            {"payment_intent": paid.id, "metadata": {"paywall_access": "end_access"}}
        )
    site.settle()


def compared(site: Installation) -> list[str]:
    """The payments that a comparison with Stripe looks at."""

    async def ask(database: Database) -> list[str]:
        async with database.reading() as session:
            return await opening_passes(session, site.clocks.business())

    return site.in_database(ask)


@on_sqlite
def test_what_was_refunded_is_neither_mailed_nor_listed_nor_compared(site: Installation) -> None:
    staff = {"Authorization": f"Bearer {site.api_key}"}
    buy(site, email=FRIEND, send_at=(site.clocks.business() + DAY).isoformat())
    listed = f"{ADMIN}?state=unredeemed"
    assert len(site.browser.get(listed, headers=staff).json()["items"]) == 1
    assert compared(site) == [each.id for each in rows(site, Pass)]
    refund(site)
    assert compared(site) == []
    assert site.browser.get(listed, headers=staff).json()["items"] == []
    site.travel(2 * DAY)
    look(site)
    assert ("gift", FRIEND) not in mailed(site)


@on_sqlite
def test_its_buyer_is_told_of_no_pass(site: Installation) -> None:
    buy(site)
    assert "Your pass" not in site.browser.get("/").text
    assert "Quarter" not in site.browser.get("/account").text


@on_sqlite
def test_what_an_erased_reader_redeemed_opens_nothing_any_more(site: Installation) -> None:
    gift, bea = buy(site), friend(site)
    redeem(gift, bea)
    assert bea.request("DELETE", "/v1/me", json={}).status_code == 204
    refund(site)
    look(site)
    (grant,) = rows(site, Grant)
    assert grant.ends_at <= site.clocks.business()
    (row,) = rows(site, GiftSubscription)
    assert row.ends_at == grant.ends_at


@on_sqlite
def test_a_gift_of_another_plan_runs_beside_a_subscription(site: Installation) -> None:
    sell(site, "quarter", **QUARTER, plan="all")
    gift, bea = buy(site), friend(site)
    site.browser = bea
    site.subscribe("monthly")
    site.settle()
    assert redeem(gift, bea).json()["state"] == "running"
    look(site)
    (row,) = rows(site, GiftSubscription)
    assert row.starts_at <= site.clocks.business()


def test_taking_back_redeeming_and_arranging_at_once_never_fail(site: Installation) -> None:
    staff = {"Authorization": f"Bearer {site.api_key}"}
    gift, bea = buy(site), friend(site)
    answers: list[int] = []

    def revoke() -> None:
        browser = site.new_browser()
        answers.append(browser.delete(f"{ADMIN}/{gift['id']}", headers=staff).status_code)

    works = [lambda: answers.append(redeem(gift, bea).status_code), revoke, revoke]
    threads = [threading.Thread(target=each) for each in (*works, lambda: look(site))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(set(answers)) in ([200, 204], [204, 409])
    assert reason(site, bea) == "subscribers_only"


@on_sqlite
def test_another_receiver_is_another_gift_and_not_in_ten_years(site: Installation) -> None:
    urls = [
        site.start_checkout("quarter", gift={"email": address}).json()["url"]
        for address in (FRIEND, FRIEND, "cleo@example.org")
    ]
    assert (urls[0] == urls[1], urls[1] == urls[2]) == (True, False)
    drafted = [each.receiver_email for each in rows(site, GiftSubscription)]
    assert sorted(drafted) == [FRIEND, "cleo@example.org"]
    late = (site.clocks.business() + 3660 * DAY).isoformat()
    refused = site.start_checkout("quarter", gift={"email": FRIEND, "send_at": late})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "body.gift.send_at")
    form = {"offer": site.offers["quarter"], "day": late[:10]}
    assert site.browser.post("/gift", data=form).status_code == 422
