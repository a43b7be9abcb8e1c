"""Lives of readers at the local Stripe, step by step, and the service that hears of them.

Every step is something that a reader, the newsroom, a bank, time or misfortune does; what happens to
subscriptions is in changes.py. `settle` lets the service finish; agreement.py compares what it believes
with the oracle, and letters.py reads the mails after each step.
"""

import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.account.erase import erase_reader
from service.account.merge import verified_account
from service.billing.apply_event import apply_due_events
from service.billing.dunning import remind_of_open_payments
from service.billing.events import HANDLED
from service.billing.fulfil import fulfil
from service.billing.inbox import store_event
from service.billing.late_renewals import sync_late_renewals
from service.billing.reconcile import reconcile
from service.checkout.start import Order, start_checkout
from service.db.context import Context
from service.db.tables import Job, Offer
from service.identity.callers import Caller
from service.identity.email import checked_address
from service.offers.pricing import checked_price
from service.offers.store import create_offer
from service.payments.gateway import GatewayRefused, GatewayUnavailable
from service.payments.stripe_gateway import StripeGateway
from service.problems import Problem
from service.settings import Settings
from service.simulator.app import Simulator
from service.simulator.checkout.purchase import Buyer as Payer
from service.simulator.checkout.purchase import pay
from service.simulator.delivery import signature
from service.simulator.payments.cards import CardEntry, default_expiry
from service.simulator.protocol.errors import StripeError
from tests.billing.model.changes import CARDS, Changes
from tests.billing.model.crashes import Fate, Killed, MortalDatabase, MortalGateway
from tests.billing.model.letters import Letters
from tests.billing.model.oracle import Document, Oracle, Policy
from tests.conftest import MovingClocks
from tests.served import WEBHOOK_SECRET

OFFERS = (
    # plan, amount, currency, interval, trial days
    ("digital", 900, "EUR", "month", 0),
    ("digital", 9000, "EUR", "year", 0),
    ("digital", 900, "EUR", "month", 14),
    ("all-access", 1500, "EUR", "month", 0),
)
AWAY = (Problem, GatewayUnavailable, GatewayRefused)
"""What a step may end with while Stripe is away, or where it makes no sense to Stripe."""


@dataclass
class Buyer:
    """Somebody with a browser: known by a session, else by the claim of what was begun."""

    address: str
    reader_id: str | None = None
    claim: str | None = None
    begun: list[str] = field(default_factory=list)
    """Checkout sessions, the oldest first."""


class Lives:
    """One history: a world at Stripe, a database, and the readers between them."""

    def __init__(
        self, url: str, gateway: StripeGateway, simulator: Simulator, settings: Settings,
        clocks: MovingClocks,
    ) -> None:  # fmt: skip
        self.fate = Fate()
        self.url, self.settings, self.clocks = url, settings, clocks
        self.simulator, self.world = simulator, simulator.world
        self.stripe = gateway
        self.letters = Letters(settings.zone)
        self.gateway: Any = MortalGateway(gateway, self.fate, self._look_at_stripe)
        self.database = MortalDatabase(url, self.fate)
        self.buyers = [Buyer(f"{name}@gazette.example") for name in ("ana", "bo", "cleo", "dan")]
        self.offers: list[str] = []
        self.steps = 0
        self.told = 0
        """How many of the world's events were looked at."""
        self.held: list[Document] = []
        """Events on their way."""

    @property
    def context(self) -> Context:
        return Context(self.settings, self.clocks, self.database)

    async def oracle(self, session: AsyncSession) -> Oracle:
        """Reads the world as it is now."""
        offers = list(await session.scalars(select(Offer)))
        return Oracle(
            self.world.store,
            Policy(self.settings.refund_policy, timedelta(days=self.settings.grace_days)),
            frozenset(each.stripe_price_id for each in offers if each.stripe_price_id),
        )

    async def _look_at_stripe(self, subscription_id: str) -> None:
        """What the service has just fetched, as the oracle sees it."""
        async with self.database.reading() as session:
            oracle = await self.oracle(session)
        facts = oracle.facts(subscription_id, self.clocks.business())
        if facts is not None:
            self.letters.saw(facts)

    async def begin(self) -> None:
        """The catalogue, and a buyer who has an account already."""
        async with self.database.transaction() as session:
            for number, (plan, amount, currency, interval, trial) in enumerate(OFFERS):
                price = checked_price(
                    amount=amount, currency=currency, interval=interval, trial_days=trial
                )
                offer = await create_offer(
                    session, name=f"Offer {number}", plan=plan, price=price,
                    now=self.clocks.business(),
                )  # fmt: skip
                self.offers.append(offer.id)
        await self.verify(0)

    # What readers do

    async def start(self, who: int, offer: int) -> None:
        buyer = self.buyers[who]
        caller = Caller(reader_id=buyer.reader_id, device_id=f"device-{who}")
        order = Order(self.offers[offer], "/", caller, buyer.claim)
        started = await start_checkout(self.context, self.gateway, order)
        buyer.claim = started.claim
        if started.session_id not in buyer.begun:
            buyer.begun.append(started.session_id)

    async def pay(self, who: int, card: int, *, nth: int = -1) -> None:
        buyer = self.buyers[who]
        if not buyer.begun:
            return
        session = self.world.fetch("checkout.session", buyer.begun[nth % len(buyer.begun)])
        entry = CardEntry(CARDS[card], default_expiry(self.world.now), "123")
        payer = Payer(email=buyer.address, name="A Reader", card=entry, authenticate=True)
        with self.world.transaction():
            if session["status"] == "open":
                pay(self.world, session, payer)

    async def come_back(self, who: int, *, nth: int = -1) -> None:
        buyer = self.buyers[who]
        if not buyer.begun:
            return
        done = await fulfil(
            self.context, self.gateway, buyer.begun[nth % len(buyer.begun)],
        )  # fmt: skip
        if done is not None and done.state == "paid" and buyer.reader_id is None:
            buyer.reader_id = done.reader_id

    async def verify(self, who: int) -> None:
        """Read the mail where it was bought: the purchase becomes the account's."""
        buyer = self.buyers[who]
        held = [buyer.reader_id] if buyer.reader_id is not None else []
        async with self.database.transaction() as session:
            account = await verified_account(
                session, checked_address(buyer.address), held, self.clocks
            )
            buyer.reader_id = account.id

    async def erase(self, who: int) -> None:
        """The reader goes, and may come back as a new one."""
        buyer = self.buyers[who]
        reader_id, buyer.reader_id, buyer.claim, buyer.begun = buyer.reader_id, None, None, []
        if reader_id is not None:
            await erase_reader(
                self.context, self.gateway, reader_id=reader_id, cancel_subscription=True
            )

    async def change(self, nth: int, how: str, more: int) -> None:
        """Something happens to one of the subscriptions."""
        found = self.world.store.find("subscription", [], oldest_first=True)
        if found:
            Changes(self.world).make(how, found[nth % len(found)], more)

    # Time, and what is heard

    async def pass_time(self, by: timedelta) -> None:
        self.clocks.travel(by)
        self.world.catch_up()

    def _listen(self) -> None:
        events = self.world.store.find("event", [], oldest_first=True)
        self.held += [each for each in events[self.told :] if each["type"] in HANDLED]
        self.told = len(events)

    async def deliver(self, seed: int) -> None:
        """Some of what is on its way arrives, in any order, once or twice; some never does."""
        self._listen()
        chance = random.Random(seed)  # noqa: S311 repeatable
        arriving = [each for each in self.held if chance.random() < 0.7]
        self.held = [each for each in self.held if each not in arriving]
        arriving = [each for each in arriving if chance.random() < 0.8]
        arriving += [each for each in arriving if chance.random() < 0.2]
        chance.shuffle(arriving)
        for event in arriving:
            now = self.clocks.wall()
            payload = json.dumps(event).encode()
            header = signature(payload, WEBHOOK_SECRET, int(now.timestamp()))
            received = self.stripe.verify_webhook(payload, header, now)
            async with self.database.transaction() as session:
                await store_event(session, received, now)

    async def apply(self) -> None:
        await apply_due_events(self.context, self.gateway)

    async def look_late(self) -> None:
        await sync_late_renewals(self.context, self.gateway)

    async def remind(self) -> None:
        await remind_of_open_payments(self.context)

    async def reconcile(self) -> None:
        await reconcile(
            self.context,
            self.gateway,
            started_by="model",
            fix=True,
            pauses=(),
        )

    async def attempt(self, step: Callable[[], Awaitable[None]]) -> None:
        """A step that may be refused, cut short or killed; then the process starts again. The mails that
        it left say what was true.
        """
        self.steps += 1
        is_whole = False
        try:
            await step()
            is_whole = True
        except (*AWAY, StripeError):
            pass
        except Killed:
            self.fate.strike(None)
            await self.database.dispose()
            self.database = MortalDatabase(self.url, self.fate)
        finally:
            self.fate.strike(None)
        await self.read_letters(is_whole=is_whole)

    async def read_letters(self, *, is_whole: bool) -> None:
        async with self.database.reading() as session:
            await self.letters.check(session, await self.oracle(session), is_whole=is_whole)

    # The end

    async def settle(self) -> None:
        """Let the service finish, by its own means: jobs with their retries, and a reconciliation."""
        await self._work_off()
        await self.reconcile()
        await self._work_off()
        await self.remind()
        await self.read_letters(is_whole=True)
        self.world.catch_up()

    async def _work_off(self) -> None:
        for _ in range(40):
            await self.apply()
            async with self.database.reading() as session:
                jobs = list(await session.scalars(select(Job).where(Job.status != "done")))
            given_up = [job for job in jobs if job.status == "failed"]
            assert not given_up, [(job.kind, job.key, job.result) for job in given_up]
            waiting = [job for job in jobs if not job.kind.startswith(("mail", "webhook"))]
            if not waiting:
                return
            await self.pass_time(timedelta(seconds=35))
        raise AssertionError([(job.kind, job.key, job.result) for job in waiting])
