"""A renewal whose webhooks are lost: Stripe is asked before the slack ends, and not all the time."""

import asyncio
from collections.abc import Iterator

import pytest

from service.billing.late_renewals import sync_late_renewals
from service.db.context import Context
from service.db.session import Database
from service.db.tables import DomainEvent, Subscription
from service.payments.stripe_gateway import gateway_of_settings
from service.settings import Settings
from tests.checkout.rows import DAY, rows
from tests.conftest import MovingClocks
from tests.served import Installation, installation


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    """Stripe tells nothing by itself."""
    with installation(settings, clocks, webhooks=False) as made:
        made.publish("a", access={"level": "subscribers"})
        yield made


def asked(site: Installation) -> int:
    """How many subscriptions Stripe is asked for now."""

    async def ask() -> int:
        database = Database(site.settings.database_url)
        gateway = gateway_of_settings(site.settings)
        assert gateway is not None
        try:
            return await sync_late_renewals(Context(site.settings, site.clocks, database), gateway)
        finally:
            await gateway.close()
            await database.dispose()

    return asyncio.run(ask())


def test_a_renewal_that_nobody_told_of_is_found(site: Installation) -> None:
    site.subscribe("monthly")
    assert asked(site) == 0
    site.travel(31 * DAY)
    assert asked(site) == 1
    (subscription,) = rows(site, Subscription)
    assert subscription.current_period_end > site.clocks.business() + 25 * DAY
    assert asked(site) == 0
    site.travel(27 * DAY)
    assert site.unlock("a").json()["reason"] == "subscription"


def test_an_end_that_nobody_told_of_closes_at_once(site: Installation) -> None:
    site.subscribe("monthly")
    (subscription,) = rows(site, Subscription)
    ended = {"cancel_at": int(subscription.current_period_end.timestamp())}
    with site.simulator.world.transaction():
        document = site.simulator.world.fetch("subscription", subscription.id)
        site.simulator.world.update(document, ended)
        site.simulator.world.schedule(ended["cancel_at"], "subscription.cancel", subscription.id)
    site.travel(32 * DAY)
    assert site.unlock("a").json()["granted"]
    assert asked(site) == 1
    (subscription,) = rows(site, Subscription)
    assert subscription.status == "canceled"
    assert not site.unlock("a").json()["granted"]


def test_while_nothing_new_is_known_it_asks_hourly(site: Installation) -> None:
    site.subscribe("monthly")
    world = site.simulator.world
    world.handlers = {name: lambda *_: None for name in world.handlers}
    site.travel(31 * DAY)
    assert [asked(site), asked(site)] == [1, 0]
    site.travel(DAY / 24)
    assert [asked(site), asked(site)] == [1, 0]
    assert site.unlock("a").json()["granted"]
    site.travel(2 * DAY)
    assert not site.unlock("a").json()["granted"]


def test_a_trial_that_ends_soon_is_looked_at_once(site: Installation) -> None:
    site.subscribe("trial")
    site.travel(10 * DAY)
    assert asked(site) == 0
    site.travel(2 * DAY)
    assert [asked(site), asked(site)] == [1, 0]
    told = [event.type for event in rows(site, DomainEvent)]
    assert told.count("subscription.trial_will_end") == 1


def test_what_stripe_refuses_doesnt_stay_first_in_line(site: Installation) -> None:
    """Another account's, since the key was changed: asked for hourly, like the others."""
    site.subscribe("monthly")
    (subscription,) = rows(site, Subscription)
    with site.simulator.world.transaction():
        site.simulator.world.store.unschedule(subscription.id)
        site.simulator.world.store.drop(subscription.id)
    site.travel(31 * DAY)
    assert [asked(site), asked(site)] == [1, 0]
    site.travel(DAY)
    assert asked(site) == 1
