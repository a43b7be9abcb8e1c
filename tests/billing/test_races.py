"""Many at once, and a renewal's events in every order: one effect, the same end state."""

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from service.billing.inbox import JOB
from service.db.tables import (
    Checkout,
    Customer,
    DomainEvent,
    Grant,
    InboxEvent,
    Job,
    Mail,
    Reader,
    Subscription,
)
from service.settings import Settings
from service.simulator.delivery import signature
from tests.billing.replay import Replay, handled_events, kept
from tests.checkout.rows import rows
from tests.conftest import MovingClocks
from tests.patience import PATIENCE
from tests.served import WEBHOOK_SECRET, Installation, installation
from tests.stripe_at_hand import Wire, gateway_to, sdk

SAME_EVENT, RETURNS, WEBHOOKS = 50, 100, 100
ONE_EACH = (Checkout, Customer, Grant, Reader, Subscription)
RENEWED = (Customer, DomainEvent, Grant, Mail, Reader, Subscription)
SOME_ORDERS = 24
"""All of four events."""
HOUR = timedelta(hours=1)


@pytest.fixture
def quiet(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    """A site that mails, whose Stripe tells nothing by itself."""
    # A hundred buyers at once wait for the local Stripe longer than one would for Stripe.
    patient = {"mail_from": "Gazette <hello@gazette.example.org>"}
    with installation(settings.model_copy(update=patient), clocks, webhooks=False) as made:
        made.publish("a", access={"level": "subscribers"})
        yield made


def paid(site: Installation) -> str:
    session_id: str = site.start_checkout().json()["session_id"]
    assert site.pay(session_id).status_code == 200
    return session_id


async def answers(site: Installation, steps: list[Any]) -> Counter[int]:
    """What the site says when all come at once: events as webhooks, sessions as buyers who return."""
    cookies = dict(site.browser.cookies)
    now = int(site.clocks.wall().timestamp())

    async def take(client: httpx2.AsyncClient, step: Any) -> int:
        if isinstance(step, str):
            address = f"{site.url}/v1/checkout/return?session_id={step}"
            return (await client.get(address)).status_code
        payload = json.dumps(step).encode()
        header = {"Stripe-Signature": signature(payload, WEBHOOK_SECRET, now)}
        address = f"{site.url}/v1/webhooks/stripe"
        return (await client.post(address, content=payload, headers=header)).status_code

    limits = httpx2.Limits(max_connections=len(steps))
    async with httpx2.AsyncClient(cookies=cookies, timeout=PATIENCE, limits=limits) as client:
        return Counter(await asyncio.gather(*(take(client, step) for step in steps)))


def settled_once(site: Installation, events: list[dict[str, Any]]) -> None:
    """One of each row of the purchase, told and mailed once, and each event applied once."""
    site.settle()
    for table in ONE_EACH:
        assert len(rows(site, table)) == 1, table
    assert {each.id for each in rows(site, InboxEvent)} == {each["id"] for each in events}
    applied = [job for job in rows(site, Job) if job.kind == JOB]
    assert Counter(job.key for job in applied) == Counter({each["id"]: 1 for each in events})
    assert {(job.status, job.attempts) for job in applied} == {("done", 0)}
    told = Counter(each.type for each in rows(site, DomainEvent))
    assert (told["subscription.started"], told["reader.created"], len(told)) == (1, 1, 2)
    assert [each.kind for each in rows(site, Mail)] == ["welcome"]


def test_the_same_event_many_times_at_once(quiet: Installation) -> None:
    session_id = paid(quiet)
    (completed,) = [
        each for each in handled_events(quiet) if each["type"] == "checkout.session.completed"
    ]
    assert asyncio.run(answers(quiet, [completed] * SAME_EVENT)) == {200: SAME_EVENT}
    settled_once(quiet, [completed])
    assert asyncio.run(answers(quiet, [session_id])) == {303: 1}
    settled_once(quiet, [completed])


def test_returns_race_with_webhooks(quiet: Installation) -> None:
    session_id = paid(quiet)
    events = handled_events(quiet)
    webhooks = (events * WEBHOOKS)[:WEBHOOKS]
    steps = [step for both in zip([session_id] * RETURNS, webhooks, strict=True) for step in both]
    assert asyncio.run(answers(quiet, steps)) == {303: RETURNS, 200: WEBHOOKS}
    settled_once(quiet, events)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_hundred_buyers_return_while_stripe_tells_of_them(quiet: Installation) -> None:
    """Strangers to each other: each purchase is granted once, whoever comes first."""
    bought = []
    for number in range(RETURNS):
        with quiet.new_browser() as browser:
            offer = {"offer": quiet.offers["monthly"], "return_to": "/articles/a"}
            bought.append(browser.post("/v1/checkout", json=offer).json()["session_id"])
        assert quiet.pay(bought[-1], email=f"reader-{number}@example.org").status_code == 200
    told = [each for each in handled_events(quiet) if each["type"] == "checkout.session.completed"]
    steps = [step for both in zip(bought, reversed(told), strict=True) for step in both]
    assert asyncio.run(answers(quiet, steps)) == {200: RETURNS + WEBHOOKS}
    quiet.settle()
    for table in ONE_EACH:
        assert len(rows(quiet, table)) == RETURNS, table
    holders = {each.reader_id for each in rows(quiet, Grant)}
    assert holders == {each.id for each in rows(quiet, Reader)}
    kinds = Counter(each.kind for each in rows(quiet, Mail))
    assert kinds == {"welcome": RETURNS}


def in_time(site: Installation) -> None:
    """The card pays, an hour after the period's end."""
    site.travel(timedelta(days=31) + 2 * HOUR)


def after_a_failure(site: Installation) -> None:
    """The first try fails, the second works with another card."""
    give_card(site, "pm_card_chargeCustomerFail")
    site.travel(timedelta(days=31) + 2 * HOUR)
    give_card(site, "pm_card_visa")
    site.travel(timedelta(days=2))


def at_the_same_second(site: Installation) -> None:
    """It fails, another card pays, and the reader cancels, all without time passing."""
    give_card(site, "pm_card_chargeCustomerFail")
    site.travel(timedelta(days=31) + 2 * HOUR)
    give_card(site, "pm_card_visa")
    (ours,) = site.simulator.world.store.find("subscription", [])
    with sdk(site.stripe_url) as stripe:
        stripe.invoices.pay(ours["latest_invoice"])
        stripe.subscriptions.update(ours["id"], {"cancel_at_period_end": True})


def give_card(site: Installation, method: str) -> None:
    (ours,) = site.simulator.world.store.find("subscription", [])
    with sdk(site.stripe_url) as stripe:
        card = stripe.payment_methods.attach(method, {"customer": ours["customer"]})
        stripe.subscriptions.update(ours["id"], {"default_payment_method": card.id})


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("renew", [in_time, after_a_failure, at_the_same_second])
def test_a_renewals_events_in_every_order(
    quiet: Installation, sqlite_folder: Path, renew: Callable[[Installation], None]
) -> None:
    session_id = quiet.subscribe()
    before = kept(quiet, sqlite_folder)
    known = len(handled_events(quiet))
    renew(quiet)
    events = handled_events(quiet)[known:]
    assert {"invoice.paid", "customer.subscription.updated"} <= {each["type"] for each in events}
    orders = some_orders(events)

    async def compare() -> None:
        gateway = gateway_to(quiet.stripe_url, http=Wire(quiet.simulator.world))
        replay = Replay(quiet, gateway, session_id, RENEWED, before)
        expected = await replay.end_state(events)
        told = Counter(each["type"] for each in expected["domain_events"])
        failed = renew is not in_time
        assert told["subscription.renewed"] == 1
        assert (told["subscription.payment_failed"], told["subscription.recovered"]) == (
            failed, failed,
        )  # fmt: skip
        assert told["subscription.cancel_scheduled"] == (renew is at_the_same_second)
        for order in orders:
            assert await replay.end_state(order) == expected, [each["type"] for each in order]
        for order in orders[::4]:
            assert await replay.end_state(order, at_once=True) == expected
        await gateway.close()

    asyncio.run(compare())


def some_orders(events: list[dict[str, Any]]) -> list[tuple[dict[str, Any], ...]]:
    """Every order, or a seeded sample where there are too many."""
    every = itertools.islice(itertools.permutations(events), SOME_ORDERS + 1)
    orders = list(every)
    if len(orders) <= SOME_ORDERS:
        return orders
    chance = random.Random(1)  # noqa: S311 a seed, so that it repeats
    return [tuple(chance.sample(events, len(events))) for _ in range(SOME_ORDERS)]
