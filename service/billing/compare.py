"""Whether what we believe of one object at Stripe is what Stripe says now, and if not, in what.

What we would believe is found by the one way that there is, storing what Stripe says (sync.py,
passes.py), in a transaction that is rolled back. So a comparison can't disagree with the code that
it is about, and writes nothing.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.customers import reader_of_customer
from service.billing.discounts import in_words, read
from service.billing.movement_rows import is_in_mrr
from service.billing.outside import OUTSIDE_ADVICE, OUTSIDE_WORDS, Outside
from service.billing.passes import store_pass, take_pass
from service.billing.snapshot import take_snapshot
from service.billing.statuses import TERMINAL_STATUS
from service.billing.sync import customer_key, store_snapshot, until_current
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Checkout, Grant, Pass, Subscription
from service.grants.grants import Source
from service.grants.store import put_grant
from service.identity.readers import settled_reader
from service.offers.store import archive_offer, find_offer
from service.payments.gateway import Gateway, GatewayRefused, StripeCheckoutSession

log = structlog.get_logger()
Facts = Mapping[str, str]
"""What is believed of an object, by name; empty: nothing is."""
NOTHING = "nothing"
MISSING, GONE, OUTSIDE = "missing here", "gone there", "outside of the catalogue"
UNBOUND = "no reader's"


@dataclass(frozen=True)
class Difference:
    """`what` is missing here, gone there, or names what is `here` otherwise than at `stripe`."""

    object: str
    what: str
    here: str
    stripe: str
    reason: str = ""

    @property
    def can_be_mended(self) -> bool:
        """What is gone there isn't: with a key of another account everything would be."""
        return self.what != GONE


@dataclass(frozen=True)
class Comparer:
    """Compares single objects. Every method may raise GatewayUnavailable."""

    context: Context
    gateway: Gateway

    async def subscription(self, subscription_id: str) -> list[Difference]:
        """A subscription whose customer is one of ours, with its grant."""
        found = await _compared(subscription_id, lambda: self._subscription(subscription_id))
        async with self.context.database.reading() as session:
            row = await session.get(Subscription, subscription_id)
        if row is None or not row.outside or any(each.what == OUTSIDE for each in found):
            return found
        return [*found, _outside(row)]

    async def _subscription(self, subscription_id: str) -> tuple[Facts, Facts | None]:
        snapshot = await take_snapshot(self.context.database, self.gateway, subscription_id)
        fetched = snapshot.subscription
        async with undone(self.context.database, customer_key(fetched.customer_id)) as session:
            here = await _subscription_facts(session, subscription_id)
            reader_id = await reader_of_customer(session, fetched.customer_id)
            if reader_id is None:
                # Bought by somebody who hasn't come back, and of whose checkout we haven't heard.
                bought = fetched.metadata.get("checkout", NOTHING)
                return here, here or {"status": fetched.status, "bought through": bought}
            if here.get("status") == TERMINAL_STATUS:
                # Over is over: what Stripe says afterwards isn't stored any more.
                over = {"status": fetched.status, "in MRR": "no"}
                return here, {**here, **over, **_closed(here)}
            await store_snapshot(
                session, self.context, snapshot,
                reader_id=await settled_reader(session, reader_id),
            )  # fmt: skip
            await session.flush()
            session.expire_all()
            return here, await _subscription_facts(session, subscription_id)

    async def unbound(self, subscription_id: str) -> list[Difference]:
        """A subscription of what we sell whose customer is no reader's: it opens nothing."""
        customer_id = (await self.gateway.retrieve_subscription(subscription_id)).customer_id
        async with self.context.database.reading() as session:
            if await reader_of_customer(session, customer_id) is not None:
                return []
        return [
            Difference(
                subscription_id, UNBOUND, "opens nothing", f"paid by {customer_id}",
                f"Say whose it is: paywall readers bind READER {customer_id}, or /admin/unbound.",
            )
        ]  # fmt: skip

    async def offer(self, offer_id: str) -> list[Difference]:
        """An offer that is sold, whose price at Stripe may be archived: every click would fail."""
        async with self.context.database.reading() as session:
            offer = await find_offer(session, offer_id)
        if offer is None or offer.stripe_price_id is None or offer.archived_at is not None:
            return []
        price = await self.gateway.retrieve_price(offer.stripe_price_id)
        if price is None:
            return [_gone(offer_id)]
        if price.active:
            return []
        return [
            Difference(
                offer_id,
                "offer",
                "sold",
                f"{price.id} is archived",
                "Nobody can buy it. It is withdrawn; make the price active again at Stripe and create "
                "the offer anew to sell it again.",
            )
        ]

    async def withdraw(self, offer_id: str) -> None:
        """Take off the wall what Stripe sells no longer."""
        async with self.context.database.transaction() as session:
            await archive_offer(session, offer_id, self.context.clocks.business())
        log.warning("billing.offer_withdrawn", offer=offer_id, reason="its price is archived")

    async def close_ended(self, subscription_id: str) -> None:
        """End the access of a subscription that is over here, where it goes beyond its end."""
        async with self.context.database.transaction() as session:
            row = await session.get(Subscription, subscription_id)
            grant = await _grant(session, "subscription", subscription_id)
            if row is None or row.status != TERMINAL_STATUS or row.ended_at is None:
                return
            if grant is not None and (grant.ends_at is None or grant.ends_at > row.ended_at):
                await put_grant(
                    session, source="subscription", reference=subscription_id,
                    reader_id=grant.reader_id, scope=grant.scope, starts_at=grant.starts_at,
                    ends_at=row.ended_at, in_grace=False, note="ended",
                    now=self.context.clocks.business(),
                )  # fmt: skip

    async def bought_pass(self, pass_id: str) -> list[Difference]:
        """A pass that we know, with its grant."""
        return await _compared(pass_id, lambda: self._pass(pass_id))

    async def _pass(self, pass_id: str) -> tuple[Facts, Facts | None]:
        snapshot = await take_pass(self.context.database, self.gateway, pass_id)
        async with self.context.database.reading() as session:
            known = await session.get(Pass, pass_id)
        if known is None:
            return {}, {}
        if snapshot.charge is None and known.amount:
            return {}, None
        async with undone(
            self.context.database, customer_key(known.customer_id or pass_id)
        ) as session:
            here = await _pass_facts(session, pass_id)
            row = await session.get_one(Pass, pass_id)
            checkout = await session.get_one(Checkout, row.checkout_id)
            await store_pass(
                session, self.context, snapshot, checkout,
                reader_id=await settled_reader(session, row.reader_id),
                customer_id=row.customer_id,
            )  # fmt: skip
            await session.flush()
            session.expire_all()
            return here, await _pass_facts(session, pass_id)

    async def checkout(self, session_id: str, status: str) -> list[Difference]:
        """A checkout of ours that is under way as far as we know; `status` is what we know."""
        try:
            fetched = await self.gateway.retrieve_checkout_session(session_id)
        except GatewayRefused as error:
            if not error.is_missing:
                raise
            return [_gone(session_id)]
        return differences(session_id, {"checkout": status}, {"checkout": _state(fetched)})


def differences(object_id: str, here: Facts, there: Facts) -> list[Difference]:
    """Where the two differ; an object that only one of them knows is one difference."""
    if not here and there:
        told = ", ".join(f"{name} {value}" for name, value in there.items())
        return [Difference(object_id, MISSING, NOTHING, told)]
    return [
        Difference(object_id, name, here.get(name, NOTHING), there.get(name, NOTHING))
        for name in dict.fromkeys([*here, *there])
        if here.get(name) != there.get(name)
    ]


async def _compared(
    id_: str, facts: Callable[[], Awaitable[tuple[Facts, Facts | None]]]
) -> list[Difference]:
    """The differences between here and there; None there, or a refusal of Stripe's: it is gone."""
    try:
        here, there = await until_current(facts)
    except GatewayRefused as error:
        if not error.is_missing:
            raise
        return [_gone(id_)]
    return [_gone(id_)] if there is None else differences(id_, here, there)


def _outside(row: Subscription) -> Difference:
    """It is known, and differs until somebody changes it at Stripe: it must not be taken for healthy."""
    outside: Outside = row.outside  # type: ignore[assignment]  # only sync.py writes it
    return Difference(
        row.id, OUTSIDE, "in no figure", f"{OUTSIDE_WORDS[outside]} ({row.price_id})",
        OUTSIDE_ADVICE[outside],
    )  # fmt: skip


def _gone(object_id: str) -> Difference:
    return Difference(
        object_id, GONE, "stored", NOTHING,
        "Stripe doesn't know it with our key, which may be another account's or another mode's. "
        "Nothing is changed here for that: compare the key with the one it was bought with.",
    )  # fmt: skip


def _state(
    fetched: StripeCheckoutSession,
) -> Literal["open", "expired", "processing", "completed", "failed"]:
    if fetched.status != "complete":
        return "expired" if fetched.status == "expired" else "open"
    if fetched.is_paid:
        return "completed"
    return "failed" if fetched.has_failed else "processing"


async def _subscription_facts(session: AsyncSession, subscription_id: str) -> Facts:
    row = await session.get(Subscription, subscription_id)
    if row is None:
        return {}
    facts = {
        "status": row.status,
        "reader": row.reader_id,
        "price": f"{row.amount} {row.currency} every {row.interval_count} {row.interval}",
        "discounts": in_words(read(row.discounts)),
        "price with discounts": f"{row.net_amount} now, {row.recurring_amount} for ever",
        "next charge": f"{_time(row.next_charge_at)}, {row.next_amount}",
        OUTSIDE: row.outside or "nothing",
        "offer": row.offer_id,
        "plan": row.plan,
        "seats": f"{row.seats}, {row.next_seats or row.seats} from {_time(row.next_seats_at)}",
        "period end": _time(row.current_period_end),
        "trial end": _time(row.trial_end),
        "scheduled end": _time(row.cancel_at),
        "ended at": _time(row.ended_at),
        "cancelled at": _time(row.cancelled_at),
        "reader's words": f"{row.cancel_feedback or 'none'}, {len(row.cancel_comment)} characters",
        "collection": "paused" if row.pauses_collection else "running",
        "past due since": _time(row.past_due_since),
        "payment problem": row.payment_problem or "none",
        "access stop": row.access_stop or "none",
        "in MRR": "yes" if await is_in_mrr(session, row.id) else "no",
    }
    return {**facts, **await _grant_facts(session, "subscription", subscription_id)}


async def _pass_facts(session: AsyncSession, pass_id: str) -> Facts:
    row = await session.get(Pass, pass_id)
    if row is None:
        return {}
    facts = {
        "reader": row.reader_id,
        "opens": row.scope,
        "price": f"{row.amount} {row.currency}",
        "from": _time(row.starts_at),
        "until": _time(row.ends_at),
        "access stop": row.access_stop or "none",
    }
    return {**facts, **await _grant_facts(session, "pass", pass_id)}


async def _grant_facts(session: AsyncSession, source: Source, reference: str) -> Facts:
    grant = await _grant(session, source, reference)
    if grant is None:
        return {"access": NOTHING}
    return {
        "access": f"{grant.scope} for {grant.reader_id}",
        "access ends": _time(grant.ends_at),
        "access in grace": "yes" if grant.in_grace else "no",
    }


async def _grant(session: AsyncSession, source: Source, reference: str) -> Grant | None:
    found: Grant | None = await session.scalar(
        select(Grant).where(Grant.source == source, Grant.reference == reference)
    )
    return found


def _time(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at is not None else "none"


def _closed(here: Facts) -> Facts:
    """The access that an ended subscription leaves: none after its end."""
    late = here["ended at"] != "none" and here.get("access ends", "") > here["ended at"]
    return {"access ends": here["ended at"]} if late else {}


@asynccontextmanager
async def undone(database: Database, key: str) -> AsyncIterator[AsyncSession]:
    """A serialised transaction of which nothing stays."""
    async with database.serialised(key) as session:
        yield session
        await session.rollback()
