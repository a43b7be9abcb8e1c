"""A purchase's and a renewal's events in many orders: the same end state each time."""

import asyncio
import itertools
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from service.db.base import Base
from service.db.tables import (
    Checkout,
    Customer,
    DomainEvent,
    Grant,
    Mail,
    Reader,
    Subscription,
)
from tests.billing.replay import RETURN, Replay, handled_events, kept
from tests.checkout.rows import sign_in
from tests.served import Installation
from tests.stripe_at_hand import gateway_to, sdk
from tests.wire import Wire

BOUGHT = (Checkout, Customer, Grant, Reader, Subscription)
RENEWED = (Customer, DomainEvent, Grant, Mail, Reader, Subscription)
HOUR = timedelta(hours=1)
Event = dict[str, Any]


def anonymous(site: Installation) -> str:
    session_id: str = site.start_checkout().json()["session_id"]
    assert site.pay(session_id).status_code == 200
    return session_id


def known(site: Installation) -> str:
    sign_in(site)
    return anonymous(site)


def trial(site: Installation) -> str:
    session_id: str = site.start_checkout("trial").json()["session_id"]
    assert site.pay(session_id).status_code == 200
    return session_id


def cancelled_at_once(site: Installation) -> str:
    session_id = anonymous(site)
    (bought,) = site.simulator.world.store.find("subscription", [])
    with sdk(site.stripe_url) as stripe:
        stripe.subscriptions.update(bought["id"], {"cancel_at_period_end": True})
        stripe.subscriptions.cancel(bought["id"])
    return session_id


def left(site: Installation) -> str:
    session_id: str = site.start_checkout().json()["session_id"]
    with sdk(site.stripe_url) as stripe:
        stripe.checkout.sessions.expire(session_id)
    return session_id


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


PURCHASES: tuple[Callable[[Installation], str], ...] = (
    anonymous, known, trial, cancelled_at_once, left,
)  # fmt: skip
RENEWALS: tuple[Callable[[Installation], None], ...] = (
    in_time, after_a_failure, at_the_same_second,
)  # fmt: skip


def purchase_ends_alike(
    site: Installation,
    folder: Path,
    buy: Callable[[Installation], str],
    chance: random.Random,
    most: int,
) -> int:
    """Buy, and deliver its events in `most` orders, or all, with and without a return among the events.

    The site is on SQLite and Stripe tells it nothing by itself. Answers how many orders were tried.
    """
    session_id = buy(site)
    events = handled_events(site)
    assert events
    orders = [*some_orders(events, chance, most), *some_orders([RETURN, *events], chance, most)]

    async def compare() -> None:
        async with _replay(site, session_id, BOUGHT, kept(site, folder)) as replay:
            expected = await replay.end_state([RETURN, *events])
            paid = buy is not left
            assert [len(expected[table.__tablename__]) for table in BOUGHT] == (
                [1] * 5 if paid else [1, 0, 0, 0, 0]
            )
            for order in orders:
                names = [step if step == RETURN else step["type"] for step in order]
                assert await replay.end_state(order) == expected, names
            for order in orders[::10]:
                assert await replay.end_state([*order, *order]) == expected
                assert await replay.end_state(order, at_once=True) == expected

    asyncio.run(compare())
    return len(orders)


def renewal_ends_alike(
    site: Installation,
    folder: Path,
    renew: Callable[[Installation], None],
    chance: random.Random,
    most: int,
) -> int:
    """Subscribe and renew, and deliver the renewal's events in `most` orders, or all.

    The site is on SQLite and Stripe tells it nothing by itself. Answers how many orders were tried.
    """
    session_id = site.subscribe()
    before = kept(site, folder)
    earlier = len(handled_events(site))
    renew(site)
    events = handled_events(site)[earlier:]
    assert {"invoice.paid", "customer.subscription.updated"} <= {each["type"] for each in events}
    orders = some_orders(events, chance, most)

    async def compare() -> None:
        async with _replay(site, session_id, RENEWED, before) as replay:
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

    asyncio.run(compare())
    return len(orders)


def some_orders(steps: Sequence[Any], chance: random.Random, most: int) -> list[list[Any]]:
    """Every order of the steps, or `most` of them by chance where there are more."""
    if math.factorial(len(steps)) <= most:
        return [list(order) for order in itertools.permutations(steps)]
    return [chance.sample(steps, len(steps)) for _ in range(most)]


@asynccontextmanager
async def _replay(
    site: Installation, session_id: str, tables: Sequence[type[Base]], original: Path
) -> AsyncIterator[Replay]:
    gateway = gateway_to(site.stripe_url, http=Wire(site.simulator.world))
    yield Replay(site, gateway, session_id, tables, original)
    await gateway.close()
