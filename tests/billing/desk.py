"""A billing desk: a database and a local Stripe, whose events are heard when and as a test says."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2
from sqlalchemy import select

from service.app import close, create_app
from service.billing.apply_event import apply_due_events
from service.billing.customers import bind_customer
from service.billing.events import HANDLED
from service.billing.inbox import store_event
from service.db.context import Context
from service.db.session import Database
from service.db.tables import AuditEntry, DomainEvent, Grant, Job, Subscription
from service.identity.readers import create_reader
from service.offers.mirror import mirror_offer
from service.offers.pricing import checked_price
from service.offers.store import create_offer
from service.payments.gateway import Gateway, StripeEvent
from service.payments.stripe_objects import event_of
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.stripe_at_hand import StripeAtHand, stripe_at_hand

Order = Callable[[Sequence[StripeEvent]], Sequence[StripeEvent]]


def as_it_was(events: Sequence[StripeEvent]) -> Sequence[StripeEvent]:
    return events


def backwards(events: Sequence[StripeEvent]) -> Sequence[StripeEvent]:
    return events[::-1]


@dataclass
class Desk:
    """`stripe` is the SDK's client, as somebody at the account's dashboard has it."""

    database: Database
    gateway: Gateway
    settings: Settings
    clocks: MovingClocks
    at_stripe: StripeAtHand
    stripe: Any
    price: str
    other_price: str
    heard: set[str] = field(default_factory=set)

    @property
    def context(self) -> Context:
        return Context(self.settings, self.clocks, self.database)

    async def reader(self, email: str = "ana@example.org") -> tuple[str, str]:
        """A reader with a customer at Stripe; both ids."""
        customer: str = self.stripe.customers.create({"email": email}).id
        async with self.database.transaction() as session:
            reader = await create_reader(session, email=email, clocks=self.clocks)
            await bind_customer(
                session, customer_id=customer, reader_id=reader.id, now=self.clocks.business()
            )
        return reader.id, customer

    def subscribe(self, customer: str, card: str = "pm_card_visa", **fields: Any) -> str:
        """A subscription of the offer that is paid for at once, or begins with its trial."""
        method = self.stripe.payment_methods.attach(card, {"customer": customer})
        made = self.stripe.subscriptions.create(
            {
                "customer": customer,
                "items": [{"price": self.price}],
                "default_payment_method": method.id,
                **fields,
            }
        )
        return str(made.id)

    def payment(self, subscription: str) -> str:
        """The payment intent of its latest invoice."""
        asked = {"invoice": self.stripe.subscriptions.retrieve(subscription).latest_invoice}
        return str(self.stripe.invoice_payments.list(asked).data[0].payment.payment_intent)

    def status(self, subscription: str) -> str:
        return str(self.stripe.subscriptions.retrieve(subscription).status)

    async def hear(self, order: Order = as_it_was, *, gateway: Gateway | None = None) -> None:
        """Hear of all that is new in this order, and do what follows, until nothing is left."""
        while True:
            # From its store: to list and parse all of them again takes as long as to apply the new ones.
            listed = reversed(self.at_stripe.listed("event"))
            said = [each for each in listed if each["type"] in HANDLED]
            new = [event_of(each) for each in said if each["id"] not in self.heard]
            self.heard |= {each.id for each in new}
            async with self.database.transaction() as session:
                for event in order(new):
                    await store_event(session, event, self.clocks.wall())
            done = await apply_due_events(self.context, gateway or self.gateway)
            if not new and not done:
                return

    def travel(self, **by: int) -> None:
        """Let time pass here and at Stripe; nobody hears of it yet."""
        self.clocks.travel(timedelta(**by))
        self.at_stripe.simulator.world.catch_up()

    async def row(self, subscription: str) -> Subscription:
        async with self.database.reading() as session:
            return await session.get_one(Subscription, subscription)

    async def is_open(self, subscription: str) -> bool:
        """Whether the subscription's grant opens anything now."""
        async with self.database.reading() as session:
            ends_at = await session.scalar(
                select(Grant.ends_at).where(Grant.reference == subscription)
            )
        return ends_at is not None and ends_at > self.clocks.business()

    async def told(self, subscription: str) -> list[str]:
        """The ledger's rows of it, by date, without the ids."""
        return [each.type.removeprefix("subscription.") for each in await self.ledger(subscription)]

    async def ledger(self, subscription: str) -> list[DomainEvent]:
        async with self.database.reading() as session:
            found = await session.scalars(
                select(DomainEvent)
                .where(DomainEvent.subject_id == subscription)
                .order_by(DomainEvent.occurred_at, DomainEvent.once)
            )
            return list(found)

    async def jobs(self, kind: str) -> list[Job]:
        async with self.database.reading() as session:
            return list(await session.scalars(select(Job).where(Job.kind == kind)))

    async def audited(self) -> list[tuple[str, str, str]]:
        """Actor, action and target of each row of the audit log."""
        async with self.database.reading() as session:
            rows = await session.scalars(select(AuditEntry).order_by(AuditEntry.id))
            return [(each.actor, each.action, each.target) for each in rows]


@contextlib.asynccontextmanager
async def desk_on(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Desk]:
    """A desk with two offers, the second the dearer."""
    async with stripe_at_hand(clocks) as at_stripe:
        prices: list[str] = []
        for name, amount in (("Digital", 900), ("All access", 1500)):
            async with database.transaction() as session:
                price = checked_price(amount=amount, currency="EUR", interval="month", trial_days=0)
                offer = await create_offer(
                    session, name=name, plan=name.lower().replace(" ", "-"), price=price,
                    now=clocks.business(),
                )  # fmt: skip
            prices.append((await mirror_offer(database, at_stripe.gateway, offer)).price_id)
        first, second = prices
        yield Desk(
            database, at_stripe.gateway, settings, clocks, at_stripe, at_stripe.dashboard,
            first, second,
        )  # fmt: skip


@contextlib.asynccontextmanager
async def service_at(desk: Desk) -> AsyncIterator[httpx2.AsyncClient]:
    """The whole service on the desk's database and Stripe, without its background work."""
    app = create_app(desk.settings, gateway=desk.at_stripe.gateway, clocks=desk.clocks)
    transport = httpx2.ASGITransport(app=app)
    try:
        async with httpx2.AsyncClient(
            transport=transport, base_url=desk.settings.public_url
        ) as client:
            yield client
    finally:
        await close(app.running)
