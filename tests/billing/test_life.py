"""A subscription's life as its reader sees it: renewals, dunning, cancelling, what isn't ours."""

from datetime import timedelta
from typing import Any

import httpx2

from service.db.session import Database
from service.db.tables import Grant, Job, Subscription
from service.offers.store import archive_offer
from tests.checkout.rows import rows
from tests.databases import on_sqlite
from tests.patience import PATIENCE
from tests.served import Installation
from tests.stripe_at_hand import sdk

pytestmark = on_sqlite

DAY = timedelta(days=1)
FAILS_LATER = "4000000000000341"


def reads(site: Installation) -> str | None:
    """Why the article opens, or None at the wall."""
    answer = site.unlock("a")
    assert answer.status_code in {200, 402}
    reason: str | None = answer.json().get("reason") if answer.status_code == 200 else None
    return reason


def grant(site: Installation) -> Any:
    (only,) = rows(site, Grant)
    return only


def subscription(site: Installation) -> Any:
    (only,) = rows(site, Subscription)
    return only


def test_dunning_has_grace_and_then_ends(site: Installation) -> None:
    session_id = site.start_checkout("trial").json()["session_id"]
    assert site.pay(session_id, card=FAILS_LATER).status_code == 200
    assert site.browser.get(f"/v1/checkout/return?session_id={session_id}").status_code == 303
    assert reads(site) == "subscription"
    site.travel(13 * DAY)
    assert reads(site) == "subscription"
    site.travel(2 * DAY)
    row = subscription(site)
    assert row.status == "past_due"
    assert grant(site).in_grace is True
    assert grant(site).ends_at == row.past_due_since + 14 * DAY
    assert reads(site) == "subscription"
    # Told to frontends in the token, too.
    opened = site.unlock("a").json()
    assert opened["reason"] == "subscription"
    site.travel(row.past_due_since + 14 * DAY - site.clocks.business() - timedelta(minutes=1))
    assert reads(site) == "subscription"
    grace_end = grant(site).ends_at
    site.travel(timedelta(minutes=1))
    assert reads(site) is None
    site.travel(10 * DAY)
    assert subscription(site).status == "canceled"
    assert reads(site) is None
    assert grant(site).ends_at <= grace_end
    # Over is over: they may buy again, without a second trial.
    again = site.start_checkout("trial").json()["session_id"]
    assert site.pay(again).status_code == 200
    assert site.browser.get(f"/v1/checkout/return?session_id={again}").status_code == 303
    assert reads(site) == "subscription"
    assert sorted(each.status for each in rows(site, Subscription)) == ["active", "canceled"]


def test_an_archived_offer_goes_on_for_who_has_it(site: Installation) -> None:
    async def archive(database: Database) -> None:
        async with database.transaction() as session:
            await archive_offer(session, site.offers["monthly"], site.clocks.business())

    site.subscribe()
    site.in_database(archive)
    with sdk(site.stripe_url) as stripe:
        price = site.simulator.world.store.find("subscription", [])[0]["items"]["data"][0]["price"]
        stripe.prices.update(price, {"active": False})
    for _ in range(3):
        site.travel(30 * DAY)
        assert reads(site) == "subscription"
    assert subscription(site).status == "active"


def test_another_shops_subscription_on_the_account_is_counted_and_gives_nothing(
    site: Installation,
) -> None:
    site.subscribe()
    before = grant(site)
    ours = subscription(site)
    with sdk(site.stripe_url) as stripe:
        product = stripe.products.create({"name": "Mugs"})
        price = stripe.prices.create(
            {
                "product": product.id,
                "unit_amount": 1,
                "currency": "eur",
                "recurring": {"interval": "month"},
            }
        )
        # A stranger's, and one of our own reader's customer.
        stranger = stripe.customers.create({"email": "ana@example.org"})
        method = stripe.payment_methods.attach("pm_card_visa", {"customer": stranger.id})
        stripe.subscriptions.create(
            {
                "customer": stranger.id,
                "items": [{"price": price.id}],
                "default_payment_method": method.id,
            }
        )
        stripe.subscriptions.create({"customer": ours.customer_id, "items": [{"price": price.id}]})
    site.settle()
    assert grant(site) is not None
    assert grant(site).ends_at == before.ends_at
    assert subscription(site).id == ours.id
    assert {"foreign price", "unknown customer"} <= {job.result for job in rows(site, Job)}
    counted = httpx2.get(f"{site.url}/metrics", timeout=PATIENCE).text
    assert 'paywall_stripe_events_total{result="foreign price"}' in counted
    assert 'paywall_stripe_events_total{result="unknown customer"}' in counted
    site.travel(timedelta(days=35))
    assert reads(site) == "subscription"
    # Ours ends, and theirs goes on.
    with sdk(site.stripe_url) as stripe:
        stripe.subscriptions.cancel(ours.id)
    site.settle()
    assert reads(site) is None
