"""Passes: paid once, open for their time, for a plan or a single article."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from service.access.words import long_day
from service.account.merge import merge
from service.billing.pass_ledger import emit_ended_passes
from service.billing.passes import sync_pass
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Checkout, DomainEvent, Grant, Pass, PromotionUse, Reader, Subscription
from tests.checkout.rows import DAY, rows, sell, sessions, sign_in
from tests.databases import on_sqlite
from tests.served import Installation
from tests.stripe_at_hand import gateway_to, sdk

DAY_PASS: dict[str, Any] = {"amount": 200, "currency": "EUR", "interval": "day", "kind": "pass"}
ONE_ARTICLE: dict[str, Any] = {
    "amount": 90, "currency": "EUR", "interval": "week", "kind": "pass", "covers": "article",
}  # fmt: skip


def buy(site: Installation, offer: str, **fields: Any) -> str:
    """Buy, pay and come back; the Checkout session's id."""
    started = site.start_checkout(offer, **fields)
    assert started.status_code == 201, started.text
    session_id: str = started.json()["session_id"]
    assert site.pay(session_id).status_code == 200
    back = site.browser.get("/v1/checkout/return", params={"session_id": session_id})
    assert (back.status_code, back.headers["Location"]) == (303, f"{site.url}/articles/a")
    return session_id


def spans(site: Installation) -> list[tuple[datetime, datetime]]:
    """From when to when each pass opens, by its grant."""
    grants = [each for each in rows(site, Grant) if each.source == "pass"]
    return sorted((each.starts_at, each.ends_at) for each in grants)


def synced(site: Installation, payment_id: str) -> str:
    """What `sync_pass` answers, asked of the site's own Stripe."""

    async def ask(database: Database) -> str:
        gateway = gateway_to(site.stripe_url)
        try:
            return await sync_pass(
                Context(site.settings, site.clocks, database), gateway, payment_id
            )
        finally:
            await gateway.close()

    return site.in_database(ask)


def look_for_ended_passes(site: Installation) -> None:
    """What the service does of itself every minute."""
    site.in_database(lambda database: emit_ended_passes(database, site.clocks))


@on_sqlite
def test_a_day_pass_opens_for_a_day_and_can_be_bought_again(site: Installation) -> None:
    sell(site, "day", **DAY_PASS)
    begun = site.clocks.business()
    (shown,) = (
        each
        for each in site.unlock("a").json()["wall"]["offers"]
        if each["id"] == site.offers["day"]
    )
    assert (shown["kind"], shown["covers"], shown["price_text"]) == (
        "pass", "plan", "€2.00 for a day",
    )  # fmt: skip
    session_id = buy(site, "day")
    (session,) = sessions(site)
    (checkout,) = rows(site, Checkout)
    (intent,) = site.simulator.world.store.find("payment_intent", [])
    assert session["mode"] == "payment"
    assert session["customer"] is not None
    assert session["client_reference_id"] == checkout.id
    assert session["metadata"] == intent["metadata"] == {"checkout": checkout.id}
    assert (checkout.status, checkout.stripe_subscription_id) == ("completed", None)
    assert site.unlock("a").json()["reason"] == "pass"
    (grant,) = site.browser.get("/v1/me").json()["grants"]
    assert (grant["source"], grant["scope"]) == ("pass", "plan:digital")
    (bought,) = rows(site, Pass)
    assert (bought.id, bought.amount, bought.currency) == (intent["id"], 200, "EUR")

    # Coming back again, the webhook and a look at Stripe change nothing.
    site.browser.get("/v1/checkout/return", params={"session_id": session_id})
    site.settle()
    assert synced(site, bought.id) == "synced"
    assert spans(site) == [(begun, begun + DAY)]
    assert len(rows(site, Reader)) == 1

    # Another one begins when this one ends.
    site.clocks.travel(timedelta(hours=20))
    buy(site, "day")
    assert spans(site) == [(begun, begun + DAY), (begun + DAY, begun + 2 * DAY)]
    site.clocks.travel(timedelta(hours=4))
    assert site.unlock("a").json()["reason"] == "pass"
    site.clocks.travel(DAY)
    assert site.unlock("a").status_code == 402
    look_for_ended_passes(site)
    look_for_ended_passes(site)
    told = [
        (each.type, each.occurred_at)
        for each in rows(site, DomainEvent)
        if each.type.startswith("pass.")
    ]
    assert sorted(told) == [
        ("pass.bought", begun), ("pass.bought", begun + timedelta(hours=20)),
        ("pass.ended", begun + DAY), ("pass.ended", begun + 2 * DAY),
    ]  # fmt: skip

    # It was no subscription: the trial is still offered, and given.
    site.subscribe("trial")
    (subscription,) = rows(site, Subscription)
    assert subscription.status == "trialing"
    assert site.unlock("a").json()["reason"] == "subscription"
    history = site.browser.get(
        f"/v1/admin/subscribers/{subscription.reader_id}",
        headers={"Authorization": f"Bearer {site.api_key}"},
    ).json()
    assert ("access_given", "pass") in {
        (each["kind"], each["note"]) for each in history["timeline"]
    }


@on_sqlite
def test_a_pass_for_one_article_opens_that_article(site: Installation) -> None:
    sell(site, "one", plan="", **ONE_ARTICLE)
    site.publish("b", access={"level": "subscribers"})
    site.publish("hidden", access={"level": "subscribers"}, status="draft")
    for article, status in (
        (None, 422),
        ("", 422),
        ("x\u0000", 422),
        ("none", 404),
        ("hidden", 404),
    ):
        fields = {} if article is None else {"article": article}
        assert site.start_checkout("one", **fields).status_code == status, article
    page = site.browser.get("/articles/a").text
    assert '<input type="hidden" name="article" value="a">' in page
    assert "€0.90 for this article, for a week</button>" in page
    assert "This article" not in site.browser.get("/account").text
    form = {"offer": site.offers["one"], "return_to": "/articles/a", "article": "a"}
    onward = site.browser.post("/subscribe", data=form).headers["Location"]
    assert onward.startswith(site.stripe_url)
    buy(site, "one", article="a")
    assert site.unlock("a").json()["reason"] == "pass"
    until = long_day(site.clocks.business() + 7 * DAY, site.settings.zone)
    assert f"Your pass One opens “A” until {until}" in site.browser.get("/account").text
    assert site.unlock("b").status_code == 402
    buy(site, "one", article="b")
    assert site.unlock("b").json()["reason"] == "pass"
    # Each is by itself.
    now = site.clocks.business()
    assert spans(site) == [(now, now + 7 * DAY)] * 2
    token = site.browser.post("/v1/session/token").json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert site.browser.get("/v1/articles/b/full", headers=bearer).status_code == 200
    site.clocks.travel(7 * DAY)
    assert site.unlock("a").status_code == 402

    # A subscription that runs needs no pass for its plan; a single article may lie outside of it.
    sell(site, "day", **DAY_PASS)
    site.subscribe()
    refused = site.start_checkout("day")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/already-subscribed")
    assert refused.json()["portal"].startswith(site.stripe_url)
    assert site.start_checkout("one", article="a").status_code == 201
    # Other offers don't mind the name of an article.
    with site.new_browser() as other:
        body = {"offer": site.offers["monthly"], "return_to": "/", "article": "a"}
        assert other.post("/v1/checkout", json=body).status_code == 201


@on_sqlite
def test_money_given_back_and_disputes_end_a_pass(site: Installation) -> None:
    sell(site, "day", **{**DAY_PASS, "interval": "week"})
    sign_in(site)
    begun = site.clocks.business()
    buy(site, "day")
    (first,) = rows(site, Pass)
    site.clocks.travel(DAY)
    buy(site, "day")
    second = max(rows(site, Pass), key=lambda each: each.paid_at)
    site.travel(DAY)
    with sdk(site.stripe_url) as stripe:
        # Kept by setting, a part of it anyway; then the operator's word for it ends it.
        stripe.refunds.create({"payment_intent": first.id, "amount": 150})
        site.settle()
        assert spans(site)[0] == (begun, begun + 7 * DAY)
        site.travel(timedelta(hours=1))
        stripe.refunds.create(
            {"payment_intent": first.id, "metadata": {"paywall_access": "end_access"}}
        )
    site.settle()
    ended = site.clocks.business()
    assert spans(site) == [(begun, ended), (ended, ended + 7 * DAY)]
    assert site.unlock("a").json()["reason"] == "pass"
    told = [each.after for each in rows(site, DomainEvent) if each.type == "payment.refunded"]
    assert sorted(each["amount_refunded"] for each in told) == [50, 150]
    stops = {each.id: each.access_stop for each in rows(site, Pass)}
    assert stops == {first.id: "refund", second.id: ""}
    assert synced(site, "pi_of_another_shop") == "not a pass of ours"
    # Another account's key finds no charge: what was given back opens nothing for that.
    with site.simulator.world.transaction():
        site.simulator.world.store.connection.execute("DELETE FROM objects WHERE kind = 'charge'")
    before = spans(site)
    assert synced(site, first.id) == "not at Stripe"
    assert spans(site) == before


@on_sqlite
def test_a_disputed_pass_is_frozen(site: Installation) -> None:
    sell(site, "day", **{**DAY_PASS, "interval": "week"})
    begun = site.clocks.business()
    for outcome, opened in (("won", 200), ("lost", 402)):
        with site.new_browser() as buyer:
            body = {"offer": site.offers["day"], "return_to": "/articles/a"}
            session_id = buyer.post("/v1/checkout", json=body).json()["session_id"]
            assert site.pay(session_id, card="4000000000000259").status_code == 200
            buyer.get("/v1/checkout/return", params={"session_id": session_id})
            site.settle()
            (session,) = (each for each in sessions(site) if each["id"] == session_id)
            payment = session["payment_intent"]
            assert site.unlock("a", buyer).status_code == 402
            (dispute,) = (
                each
                for each in site.simulator.world.store.find("dispute", [])
                if each["payment_intent"] == payment
            )
            evidence = "winning_evidence" if outcome == "won" else "losing_evidence"
            with sdk(site.stripe_url) as stripe:
                stripe.disputes.update(
                    dispute["id"], {"evidence": {"uncategorized_text": evidence}, "submit": True}
                )
            site.settle()
            assert site.unlock("a", buyer).status_code == opened, outcome
    assert max(end for _, end in spans(site)) == begun + 7 * DAY


@on_sqlite
def test_a_pass_that_costs_nothing_by_a_code_opens_all_the_same(site: Installation) -> None:
    sell(site, "day", **DAY_PASS)
    with sdk(site.stripe_url) as stripe:
        coupon = stripe.coupons.create({"percent_off": 100, "duration": "once"})
        stripe.promotion_codes.create(
            {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "GIFT"}
        )
    buy(site, "day", promotion_code="GIFT")
    assert site.unlock("a").json()["reason"] == "pass"
    (bought,) = rows(site, Pass)
    assert bought.amount == 0
    assert synced(site, bought.id) == "synced"
    assert len(spans(site)) == 1
    # What takes everything off is a use of the code all the same.
    (use,) = rows(site, PromotionUse)
    assert (use.sold, use.pass_id, use.code, use.coupon) == ("pass", bought.id, "GIFT", coupon.id)


@on_sqlite
def test_the_code_of_a_pass_is_recorded_once(site: Installation) -> None:
    sell(site, "day", **DAY_PASS)
    with sdk(site.stripe_url) as stripe:
        coupon = stripe.coupons.create({"percent_off": 50, "duration": "once"})
        code = stripe.promotion_codes.create(
            {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "HALF"}
        )
    session_id = buy(site, "day", promotion_code="HALF")
    site.settle()
    site.browser.get("/v1/checkout/return", params={"session_id": session_id})
    buy(site, "day")
    bought = next(each for each in rows(site, Pass) if each.amount == 100)
    (use,) = rows(site, PromotionUse)
    with sdk(site.stripe_url) as stripe:
        session = stripe.checkout.sessions.retrieve(
            session_id, {"expand": ["total_details.breakdown"]}
        )
    assert session.total_details is not None
    assert session.total_details.breakdown is not None
    (taken_off,) = session.total_details.breakdown.discounts
    assert (use.discount_id, taken_off.amount) == (taken_off.discount.id, 100)
    assert (use.pass_id, use.subscription_id, use.sold) == (bought.id, None, "pass")
    assert (use.coupon, use.promotion_code, use.code) == (coupon.id, code.id, "HALF")
    assert (use.at, use.plan, use.currency) == (bought.paid_at, "digital", "EUR")
    sell(site, "quarter", **{**DAY_PASS, "kind": "gift", "interval_count": 90})
    buy(site, "quarter", promotion_code="HALF", gift={})
    (given,) = (each for each in rows(site, PromotionUse) if each.sold == "gift")
    assert (given.code, given.currency) == ("HALF", "EUR")


@on_sqlite
def test_who_bought_twice_without_signing_in_has_one_after_the_other(site: Installation) -> None:
    sell(site, "day", **DAY_PASS)
    begun = site.clocks.business()
    buy(site, "day")
    with site.new_browser() as other:
        body = {"offer": site.offers["day"], "return_to": "/articles/a"}
        session_id = other.post("/v1/checkout", json=body).json()["session_id"]
        assert site.pay(session_id).status_code == 200
        other.get("/v1/checkout/return", params={"session_id": session_id})
    site.settle()
    assert spans(site) == [(begun, begun + DAY)] * 2

    async def turn_out_to_be_one(database: Database) -> None:
        async with database.transaction() as session:
            first, second = await session.scalars(select(Reader).order_by(Reader.id))
            await merge(session, second, first, site.clocks)

    site.in_database(turn_out_to_be_one)
    assert spans(site) == [(begun, begun + DAY), (begun + DAY, begun + 2 * DAY)]
    assert len({each.reader_id for each in rows(site, Grant)}) == 1
