"""Apply what waits in the inbox: one table from subject to action, each safe to repeat."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from prometheus_client import Counter

from service.billing import inbox
from service.billing.checkouts import find_checkout
from service.billing.events import Subject, refetch_of
from service.billing.fulfil import fulfil
from service.billing.inbox import ClaimedEvent
from service.billing.subscriptions import subscriptions_of_customer
from service.billing.sync import sync_subscription
from service.clock import Clocks
from service.db.session import Database
from service.payments.gateway import Gateway, GatewayUnavailable
from service.problems import Problem
from service.settings import Settings

EVENTS = Counter("paywall_stripe_events_total", "Stripe events, by what became of them", ["result"])
NOT_OURS = frozenset({"not a checkout of ours", "unknown customer", "foreign price"})

log = structlog.get_logger()


@dataclass(frozen=True)
class Applier:
    """What applying needs. Each action answers its result in words."""

    database: Database
    gateway: Gateway
    settings: Settings
    clocks: Clocks

    async def checkout(self, session_id: str) -> str:
        done = await fulfil(
            self.database, self.gateway, self.settings, self.clocks, session_id, refresh=True
        )
        return "not a checkout of ours" if done is None else f"checkout {done.state}"

    async def subscription(self, subscription_id: str) -> str:
        synced = await sync_subscription(
            self.database, self.gateway, self.settings, self.clocks, subscription_id
        )
        if synced.outcome == "unknown customer" and synced.checkout_id is not None:
            # An anonymous purchase whose session's own event is still to come.
            async with self.database.reading() as session:
                checkout = await find_checkout(session, synced.checkout_id)
            if checkout is not None and checkout.stripe_session_id is not None:
                return await self.checkout(checkout.stripe_session_id)
        return synced.outcome

    async def customer(self, customer_id: str) -> str:
        async with self.database.reading() as session:
            theirs = await subscriptions_of_customer(session, customer_id)
        for subscription_id in theirs:
            await self.subscription(subscription_id)
        return "synced" if theirs else "unknown customer"

    async def apply(self, event: ClaimedEvent) -> str:
        """Apply one event and answer its result."""
        refetch = refetch_of(event.type, event.object_id, event.subscription_id)
        if refetch is None:
            return "unknown customer"
        actions: Mapping[Subject, Callable[[str], Awaitable[str]]] = {
            "checkout": self.checkout,
            "subscription": self.subscription,
            "customer": self.customer,
        }
        return await actions[refetch.subject](refetch.id)


async def apply_due_events(
    database: Database, gateway: Gateway, settings: Settings, clocks: Clocks
) -> int:
    """Apply the due events one after the other; how many. Any number of processes may do so."""
    applier = Applier(database, gateway, settings, clocks)
    applied = 0
    while (event := await inbox.claim_next(database, clocks.wall())) is not None:
        if not await _apply_one(applier, event):
            break
        applied += 1
    return applied


async def _apply_one(applier: Applier, event: ClaimedEvent) -> bool:
    """Apply the event and note the result; False while Stripe is away."""
    database, now = applier.database, applier.clocks.wall
    with structlog.contextvars.bound_contextvars(event=event.id, type=event.type):
        try:
            result = await applier.apply(event)
        except GatewayUnavailable as error:
            log.warning("inbox.postponed", reason=str(error))
            await inbox.postpone(database, event, reason=str(error), now=now())
            return False
        except Problem:
            raise  # the database is away: the lease brings the event back
        except Exception as error:
            quarantined = await inbox.fail(database, event, reason=repr(error), now=now())
            log.exception("inbox.quarantined" if quarantined else "inbox.failed")
            EVENTS.labels("failed").inc()
            return True
        await inbox.finish(database, event, result=result, ignored=result in NOT_OURS, now=now())
        EVENTS.labels(result).inc()
        log.info("inbox.applied", result=result)
    return True
