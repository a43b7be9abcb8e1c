"""Subscribers that a Stripe account has already become readers, with the history of what they paid.

Stripe's subscriptions are walked, the newest first. A customer's turn comes with the newest one that isn't
stored, and then all of theirs are stored in one transaction: who was imported is imported whole, wherever a
run stops, and the next one goes on there. Matched is by Stripe's customer alone. The address that Stripe has
is a suggestion until its reader signs in with it (service/account/merge.py).

Nothing is mailed, sent to other systems, or changed at Stripe.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field, replace

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.adopt import Adoption, adopt_all, why_not_adoptable
from service.billing.brought_in import Brought, Entry, Note, customer_notes, entry_of
from service.billing.compare import undone
from service.billing.import_customer import FetchedCustomer, store_customer, told_of
from service.billing.ledger import state_of
from service.billing.movement_rows import movements_of_reader
from service.billing.patience import PAUSES, Patience
from service.billing.snapshot import Snapshot, take_snapshot
from service.billing.sold import sold_item
from service.billing.sync import (
    customer_key,
    sync_subscription,
    until_current,
)
from service.db.context import Context
from service.db.tables import Customer, Offer, Subscription
from service.identity.audit import Change, change_by
from service.identity.email import email_key
from service.offers.pricing import InvalidPrice
from service.payments.gateway import (
    Gateway,
    GatewayRefused,
    GatewayUnavailable,
    StripeSubscription,
)
from service.payments.set_up import StripePrice
from service.problems import Problem

log = structlog.get_logger()

_AT_ONCE = 4
"""Customers; each asks Stripe a handful of times, of the hundred calls a second that it allows."""


class NotThisAccount(Exception):
    """The key is another account's or another mode's; the message says what to do."""


@dataclass(frozen=True)
class Import:
    """How a run goes. `adoptions` by price; `record` gets what becomes of each subscription."""

    context: Context
    gateway: Gateway
    adoptions: Mapping[str, Adoption]
    is_dry: bool
    actor: str
    record: Callable[[Entry], None] = lambda _: None
    progress: Callable[[Brought], None] = lambda _: None
    pauses: Sequence[float] = PAUSES


async def import_subscribers(run: Import) -> Brought:
    """Import every customer who has something that we sell, and isn't a reader's yet.

    Safe to repeat, and to interrupt and repeat. Raises NotThisAccount, InvalidPrice where a price can't be
    adopted, and GatewayUnavailable; what was imported by then stays.
    """
    await _refuse_other_account(run)
    if not run.is_dry:
        async with change_by(run.context, run.actor) as change:
            await adopt_all(change, run.adoptions)
    walk = _Walk(run, Patience(tuple(run.pauses)))
    await walk.all()
    if not run.is_dry and walk.brought.imported:
        async with change_by(run.context, run.actor) as change:
            counts = {
                "customers": walk.brought.customers,
                "subscriptions": walk.brought.imported,
            }
            await change.record("stripe.import", "stripe", after=counts)
    return walk.brought


async def _refuse_other_account(run: Import) -> None:
    """With a key of the test mode, or of another account, nothing that we sell is there."""
    async with run.context.database.reading() as session:
        offers = list(
            await session.scalars(select(Offer).where(Offer.stripe_price_id.is_not(None)))
        )
    for offer in offers:
        if await run.gateway.retrieve_price(offer.stripe_price_id or "") is None:
            raise NotThisAccount(
                f"Nothing was imported. Stripe doesn't know the price {offer.stripe_price_id} of {offer.name} "
                "with this key: it is another account's, or of the other mode (sk_test_ or sk_live_). Look at "
                "PAYWALL_STRIPE_SECRET_KEY."
            )


@dataclass
class _Walk:
    run: Import
    patience: Patience
    brought: Brought = field(default_factory=Brought)
    prices: dict[str, StripePrice | None] = field(default_factory=dict)
    addresses: set[int] = field(default_factory=set)
    """Digests of those seen, to tell which several customers have."""

    async def all(self) -> None:
        some: list[StripeSubscription] = []
        async for listed in self.patience.listing(self.run.gateway.subscriptions):
            self.brought.read += 1
            with self.noting(listed):
                if await self.is_new(listed):
                    some.append(listed)
            if len(some) == _AT_ONCE:
                await self.customers(some)
                some = []
            self.run.progress(self.brought)
        await self.customers(some)
        self.run.progress(self.brought)

    async def customers(self, some: Sequence[StripeSubscription]) -> None:
        """Ask for them side by side, and store them one after the other: in the order of Stripe's list."""
        asked = await asyncio.gather(*map(self.fetch, some), return_exceptions=True)
        for listed, answer in zip(some, asked, strict=True):
            with self.noting(listed):
                if isinstance(answer, BaseException):
                    raise answer
                await self.put(listed, answer)

    @contextmanager
    def noting(self, listed: StripeSubscription) -> Iterator[None]:
        """What fails for one customer is noted, and keeps no other one out."""
        try:
            yield
        except GatewayRefused as error:
            words = f"Stripe refused: {error.reason}. Look at it in Stripe's dashboard."
            self.note(listed, Note("refused", words))
        except (GatewayUnavailable, InvalidPrice, Problem):
            raise
        except Exception as error:
            log.exception("import.failed", subscription=listed.id)
            words = f"It couldn't be read: {error!r}. Look at it in Stripe's dashboard, and import again."
            self.note(listed, Note("failed", words))

    async def is_new(self, listed: StripeSubscription) -> bool:
        """Whether it is ours to import; what isn't is counted."""
        async with self.run.context.database.reading() as session:
            customer = await session.get(Customer, listed.customer_id)
            is_stored = await session.get(Subscription, listed.id) is not None
            is_bound = customer is not None and customer.imported_at is None
            if is_stored or is_bound:
                self.brought.known += 1
                return False
            if await self.is_sold(session, listed):
                return True
        price = listed.items[0].price
        self.brought.add_foreign(price, why_not_adoptable(price))
        return False

    async def is_sold(self, session: AsyncSession, listed: StripeSubscription) -> bool:
        if any(item.price.id in self.run.adoptions for item in listed.items):
            return True
        return await sold_item(session, listed.items) is not None

    async def put(self, listed: StripeSubscription, answer: FetchedCustomer | None) -> None:
        answers = [answer]

        async def attempt() -> None:
            fetched = answers.pop() if answers else await self.fetch(listed)
            if fetched is not None:
                await self.take_in(fetched)

        await until_current(attempt)

    async def take_in(self, fetched: FetchedCustomer) -> None:
        async with self.transaction(fetched.customer_id) as session:
            entries, told = await self.store(session, fetched)
        if not entries:
            return
        self.brought.customers += 1
        for entry in entries:
            self.brought.add(entry)
            self.run.record(entry)
        if not self.run.is_dry:
            for subscription_id in told:
                await self.patience.ask(
                    lambda each=subscription_id: sync_subscription(  # type: ignore[misc]
                        self.run.context, self.run.gateway, each
                    )
                )

    def transaction(self, customer_id: str) -> AbstractAsyncContextManager[AsyncSession]:
        database, key = self.run.context.database, customer_key(customer_id)
        return undone(database, key) if self.run.is_dry else database.serialised(key)

    async def fetch(self, listed: StripeSubscription) -> FetchedCustomer | None:
        """None: it isn't the newest of what isn't stored of its customer."""
        gateway, database = self.run.gateway, self.run.context.database
        asked_at = self.run.context.clocks.wall()
        customer_id = listed.customer_id
        theirs = await self.patience.ask(lambda: gateway.subscriptions_of(customer_id))
        async with database.reading() as session:
            new = [
                each
                for each in theirs
                if await session.get(Subscription, each.id) is None
                and await self.is_sold(session, each)
            ]
        if not new or new[0].id != listed.id:
            return None
        customer = await self.patience.ask(lambda: gateway.retrieve_customer(customer_id))
        snapshots = [
            await self.patience.ask(
                lambda each=each: take_snapshot(database, gateway, each.id)  # type: ignore[misc]
            )
            for each in reversed(new)
        ]
        email = None if customer.deleted else customer.email
        return FetchedCustomer(
            customer_id, email, snapshots, await self.billed(snapshots), asked_at
        )

    async def billed(self, snapshots: Sequence[Snapshot]) -> dict[str, StripePrice]:
        found = {
            item.price.id: item.price for each in snapshots for item in each.subscription.items
        }
        for price_id in {
            line.price_id
            for each in snapshots
            for bill in each.money.invoices
            for line in bill.lines
        }:
            if price_id not in self.prices:
                self.prices[price_id] = found.get(price_id) or await self.patience.ask(
                    lambda each=price_id: self.run.gateway.retrieve_price(each)  # type: ignore[misc]
                )
            price = self.prices[price_id]
            if price is not None:
                found[price_id] = price
        return found

    async def store(
        self, session: AsyncSession, fetched: FetchedCustomer
    ) -> tuple[list[Entry], set[str]]:
        """Everything of the customer's; and the subscriptions of which Stripe sent events meanwhile."""
        context = self.run.context
        if self.run.is_dry:
            await adopt_all(Change(session, context.clocks, self.run.actor), self.run.adoptions)
        reader_id = await store_customer(session, context, fetched)
        if reader_id is None:
            return [], set()
        entries = await self.entries(session, fetched, reader_id)
        return entries, await told_of(session, fetched)

    async def entries(
        self, session: AsyncSession, fetched: FetchedCustomer, reader_id: str
    ) -> list[Entry]:
        """What has become of each, the newest with what there is to say of the customer."""
        made = Counter(
            each.subscription_id for each in await movements_of_reader(session, reader_id)
        )
        rows = [
            await session.get_one(Subscription, each.subscription.id) for each in fetched.snapshots
        ]
        entries = [
            entry_of(
                state_of(row, None), fetched.customer_id, fetched.email, movements=made[row.id]
            )
            for row in rows
        ]
        key = email_key(fetched.email)
        notes = customer_notes(
            entries,
            has_address=key is not None,
            is_shared=key is not None and hash(key) in self.addresses,
        )
        if key is not None:
            self.addresses.add(hash(key))
        return [*entries[:-1], replace(entries[-1], notes=(*entries[-1].notes, *notes))]

    def note(self, listed: StripeSubscription, note: Note) -> None:
        entry = Entry("skipped", listed.customer_id, listed.id, listed.status, notes=(note,))
        self.brought.add(entry)
        self.run.record(entry)
