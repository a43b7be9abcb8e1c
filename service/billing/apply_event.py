"""Apply what waits in the inbox: one table from subject to action, each safe to repeat.

What follows from it at Stripe is done in the same rounds (follow_up_jobs.py).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import structlog
from prometheus_client import Counter

from service.billing.checkouts import find_checkout
from service.billing.events import Refetch, Subject, booking_of, refetch_of
from service.billing.fetched import Fetched
from service.billing.follow_up_jobs import FollowUps
from service.billing.fulfil import fulfil
from service.billing.inbox import JOB
from service.billing.passes import sync_pass
from service.billing.subscriptions import subscriptions_of_customer
from service.billing.sync import Synced, SyncOutcome, sync_subscription
from service.db.context import Context
from service.db.tables import InboxEvent
from service.finance.books import book
from service.jobs.queue import ClaimedJob
from service.jobs.worker import Kind, Postponed, work
from service.payments.books import Booking
from service.payments.gateway import (
    Gateway,
    GatewayPermissionMissing,
    GatewayUnavailable,
    MoneyObject,
)

EVENTS = Counter("paywall_stripe_events_total", "Stripe events, by what became of them", ["result"])
MONEY_REFUSED = (
    "Invoices, payments and payouts aren't kept: the restricted key lacks a permission at Stripe. Let it "
    "read balance transactions and payouts (Developers, API keys). The next comparison that mends then "
    "fills in what is missing."
)
_KEPT, _NOT_KEPT = "booked", "money not kept"

log = structlog.get_logger()


@dataclass(frozen=True)
class Applier:
    """What applying needs. Each action answers its result in words.

    What was fetched for one event is used for those that waited with it: one applier is for one round.
    """

    context: Context
    gateway: Gateway
    fetched: Fetched = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fetched", Fetched(self.context))

    async def checkout(self, session_id: str) -> str:
        asked = Refetch("checkout", session_id)
        if (known := self.fetched.result(asked)) is not None:
            return known
        done = await fulfil(self.context, self.gateway, session_id, refresh=True)
        if done is None:
            return "not a checkout of ours"
        result = f"checkout {done.state}"
        self.fetched.note(asked, result)
        if done.subscription is not None:
            self._note_stored(done.subscription.id, done.subscription.outcome)
        return result

    async def subscription(self, subscription_id: str) -> str:
        asked = Refetch("subscription", subscription_id)
        if (known := self.fetched.result(asked)) is not None:
            return known
        synced = await sync_subscription(self.context, self.gateway, subscription_id)
        session_id = await self._unfulfilled(synced)
        if session_id is not None:
            return await self.checkout(session_id)
        if synced.stored is not None:
            self._note_stored(subscription_id, synced.outcome)
        return synced.outcome

    def _note_stored(self, subscription_id: str, outcome: SyncOutcome) -> None:
        if outcome != "foreign price":  # of which nothing may be stored
            self.fetched.note(Refetch("subscription", subscription_id), outcome)

    async def _unfulfilled(self, synced: Synced) -> str | None:
        """The Checkout session that has more to say of the subscription."""
        if synced.checkout_id is None:
            return None
        async with self.context.database.reading() as session:
            checkout = await find_checkout(session, synced.checkout_id)
        if checkout is None:
            return None
        # An anonymous purchase whose session's own event is still to come, or one that waits for its
        # money: only the subscription's own events say that it never comes.
        waits = checkout.status == "processing" and synced.stored is not None
        if synced.stored is None or (waits and synced.stored.status != "incomplete"):
            return checkout.stripe_session_id
        return None

    async def charge(self, charge_id: str) -> str:
        return await self._payment("charge", charge_id)

    async def refund(self, refund_id: str) -> str:
        return await self._payment("refund", refund_id)

    async def dispute(self, dispute_id: str) -> str:
        return await self._payment("dispute", dispute_id)

    async def _payment(self, kind: MoneyObject, object_id: str) -> str:
        payment_id = await self.gateway.payment_of(kind, object_id)
        if payment_id is None:
            return "no payment of ours"
        subscription_id = await self.gateway.subscription_of_payment(payment_id)
        if subscription_id is not None:
            return await self.subscription(subscription_id)
        return await sync_pass(self.context, self.gateway, payment_id)

    async def customer(self, customer_id: str) -> str:
        async with self.context.database.reading() as session:
            theirs = await subscriptions_of_customer(session, customer_id)
        for subscription_id in theirs:
            await self.subscription(subscription_id)
        return "synced" if theirs else "unknown customer"

    async def money(self, _: str) -> str:
        return _KEPT

    async def apply(self, event: InboxEvent) -> str:
        """Apply one event and answer its result. Access comes first, then what is kept of money."""
        result = await self._act(event)
        booking = booking_of(event.type, event.object_id)
        if booking is None or await self._keep(booking) == _KEPT:
            return result
        return _NOT_KEPT

    async def _keep(self, booking: Booking) -> str:
        """Whether the key may ask for money: without that the inbox goes on, since access needs none."""
        if (known := self.fetched.result(booking)) is not None:
            return known
        result = _KEPT
        try:
            await book(self.context, self.gateway, booking)
        except GatewayPermissionMissing:
            log.error("money.not_kept", kind=booking.kind, reason=MONEY_REFUSED)  # noqa: TRY400 foreseen
            result = _NOT_KEPT
        self.fetched.note(booking, result)
        return result

    async def _act(self, event: InboxEvent) -> str:
        refetch = refetch_of(event.type, event.object_id, event.subscription_id)
        if refetch is None:
            return "unknown customer"
        actions: Mapping[Subject, Callable[[str], Awaitable[str]]] = {
            "checkout": self.checkout,
            "subscription": self.subscription,
            "customer": self.customer,
            "charge": self.charge,
            "refund": self.refund,
            "dispute": self.dispute,
            "money": self.money,
        }
        return await actions[refetch.subject](refetch.id)

    async def run(self, job: ClaimedJob) -> str:
        """Apply the event that the job names."""
        async with self.context.database.reading() as session:
            event = await session.get(InboxEvent, job.key)
        if event is None:
            return "erased"
        await self.fetched.begin(event.id)
        try:
            result = await self.apply(event)
        except GatewayUnavailable as error:
            EVENTS.labels("postponed").inc()
            raise Postponed(str(error)) from error
        except Exception:
            EVENTS.labels("failed").inc()
            raise
        EVENTS.labels(result).inc()
        return result


async def apply_due_events(context: Context, gateway: Gateway) -> int:
    """Apply the due events, and what follows from them, one after the other; how many.

    Any number of processes may do so.
    """
    applier = Applier(context, gateway)
    follow_ups = FollowUps(context, gateway)
    return await work(
        context.database, {JOB: Kind(applier.run), **follow_ups.kinds()}, context.clocks
    )
