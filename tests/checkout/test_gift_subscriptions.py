"""Gift subscriptions from the purchase to their end: paid by one, mailed to and redeemed by another."""

from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import select

from service.billing.gift_rounds import SEND
from service.db.session import Database
from service.db.tables import GiftSubscription, Grant, Job, Pass, Reader
from service.settings import Settings
from tests.checkout.gifts import (
    ADMIN,
    FRIEND,
    buy,
    compared,
    friend,
    gift_shop,
    look,
    mailed,
    reason,
    redeem,
    refund,
)
from tests.checkout.rows import DAY, rows
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.patience import PATIENCE
from tests.served import Installation
from tests.stripe_at_hand import sdk


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    with gift_shop(settings, clocks) as made:
        yield made


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
