"""Lives of readers at the local Stripe, step by step, and the service that hears of them.

Every step is something that a reader, the newsroom, a bank, time or misfortune does. `settle` lets the
service finish; `check` compares what it believes with the oracle.
"""

import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import select

from service.account.erase import erase_reader
from service.account.merge import verified_account
from service.billing.apply_event import apply_due_events
from service.billing.events import HANDLED
from service.billing.fulfil import fulfil
from service.billing.inbox import store_event
from service.billing.late_renewals import sync_late_renewals
from service.billing.reconcile import reconcile
from service.checkout.start import Order, start_checkout
from service.db.context import Context
from service.db.tables import Customer, DomainEvent, Grant, Job, Offer
from service.identity.callers import Caller
from service.identity.email import checked_address
from service.identity.readers import settled_reader
from service.offers.pricing import checked_price
from service.offers.store import create_offer
from service.payments.gateway import GatewayRefused, GatewayUnavailable
from service.payments.stripe_gateway import StripeGateway
from service.problems import Problem
from service.settings import Settings
from service.simulator.api import ApiRequest, answer
from service.simulator.app import Simulator
from service.simulator.checkout.purchase import Buyer as Payer
from service.simulator.checkout.purchase import pay
from service.simulator.delivery import signature
from service.simulator.payments.cards import CardEntry, default_expiry
from service.simulator.payments.disputes import open_dispute
from service.simulator.portal.sessions import change_card
from service.simulator.protocol.errors import StripeError
from tests.billing.model.crashes import Fate, Killed, MortalDatabase, MortalGateway
from tests.billing.model.money import check_money
from tests.billing.model.oracle import Document, Oracle, Policy, live_by_holder
from tests.conftest import MovingClocks
from tests.served import WEBHOOK_SECRET

CARDS = (
    "4242424242424242", "4000000000007726", "4000000000000341", "4000000000000259",
    "4000002500003155", "4000000000005126",
)  # fmt: skip
OFFERS = (
    # plan, amount, currency, interval, trial days
    ("digital", 900, "EUR", "month", 0),
    ("digital", 9000, "EUR", "year", 0),
    ("digital", 900, "EUR", "month", 14),
    ("all-access", 1500, "EUR", "month", 0),
)
COUPONS: tuple[dict[str, Any], ...] = (
    {"percent_off": "100", "duration": "forever"},
    {"percent_off": "33.3", "duration": "forever"},
    {"percent_off": "50", "duration": "repeating", "duration_in_months": 2},
    {"amount_off": 200, "currency": "eur", "duration": "once"},
    {},
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
        self.gateway: Any = MortalGateway(gateway, self.fate)
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

    # What happens to a subscription, by the portal, the dashboard or a bank

    async def change(self, nth: int, how: str, more: int) -> None:
        found = self.world.store.find("subscription", [], oldest_first=True)
        if found:
            subscription = found[nth % len(found)]
            getattr(self, f"_{how}")(subscription, more)

    def _cancel(self, subscription: Document, more: int) -> None:
        end = max(item["current_period_end"] for item in subscription["items"]["data"])
        form = {"cancel_at": end} if more % 2 else {"cancel_at_period_end": "true"}
        self._api("POST", f"/v1/subscriptions/{subscription['id']}", form)

    def _resume(self, subscription: Document, _: int) -> None:
        form = {"cancel_at": ""} if subscription["cancel_at"] else {"cancel_at_period_end": "false"}
        self._api("POST", f"/v1/subscriptions/{subscription['id']}", form)

    def _end(self, subscription: Document, _: int) -> None:
        self._api("DELETE", f"/v1/subscriptions/{subscription['id']}", {})

    def _switch(self, subscription: Document, more: int) -> None:
        prices = [each["id"] for each in self.world.store.find("price", [], oldest_first=True)]
        item = subscription["items"]["data"][0]
        self._reprice(subscription, item, prices[more % len(prices)])

    def _special(self, subscription: Document, more: int) -> None:
        """Another price of the same product, agreed with this reader."""
        item = subscription["items"]["data"][0]
        self._reprice(subscription, item, self._new_price(item, 400 + more))

    def _leave_us(self, subscription: Document, more: int) -> None:
        """What another shop sells takes the place of what we sell."""
        item = subscription["items"]["data"][0]
        self._reprice(subscription, item, self._mugs(item, 300 + more))

    def _add_item(self, subscription: Document, more: int) -> None:
        """What another shop sells is charged with the same invoice."""
        price = self._mugs(subscription["items"]["data"][0], 300 + more)
        form = {"subscription": subscription["id"], "price": price}
        self._api("POST", "/v1/subscription_items", form)

    def _reprice(self, subscription: Document, item: Document, price: str) -> None:
        form = {"items[0][id]": item["id"], "items[0][price]": price}
        self._api("POST", f"/v1/subscriptions/{subscription['id']}", form)

    def _mugs(self, like: Document, amount: int) -> str:
        return self._new_price(
            like, amount, product=self._api("POST", "/v1/products", {"name": "Mugs"})["id"]
        )

    def _remove_item(self, subscription: Document, more: int) -> None:
        """One of several, perhaps ours; Stripe refuses to remove the last."""
        items = subscription["items"]["data"]
        self._api("DELETE", f"/v1/subscription_items/{items[more % len(items)]['id']}", {})

    def _new_price(self, like: Document, amount: int, *, product: str | None = None) -> str:
        price = self.world.fetch("price", like["price"])
        form = {
            "product": product or price["product"], "unit_amount": amount,
            "currency": price["currency"], "recurring[interval]": price["recurring"]["interval"],
        }  # fmt: skip
        return str(self._api("POST", "/v1/prices", form)["id"])

    def _pause(self, subscription: Document, more: int) -> None:
        behaviour = ("keep_as_draft", "void", "mark_uncollectible")[more % 3]
        form = {"pause_collection[behavior]": behaviour}
        self._api("POST", f"/v1/subscriptions/{subscription['id']}", form)

    def _collect(self, subscription: Document, _: int) -> None:
        self._api("POST", f"/v1/subscriptions/{subscription['id']}", {"pause_collection": ""})

    def _coupon(self, subscription: Document, more: int) -> None:
        """A coupon instead of those that it has, or none any more."""
        form: dict[str, Any] = {"discounts": ""}
        if coupon := COUPONS[more % len(COUPONS)]:
            made = self._api("POST", "/v1/coupons", coupon)
            form = {"discounts[0][coupon]": made["id"]}
        self._api("POST", f"/v1/subscriptions/{subscription['id']}", form)

    def _card(self, subscription: Document, more: int) -> None:
        """Another card, good or bad; what is owed is then paid or not."""
        form = {"customer": subscription["customer"], "return_url": "https://gazette.example/"}
        session = self._api("POST", "/v1/billing_portal/sessions", form)
        if "error" in session:
            return
        entry = CardEntry(CARDS[more % 3], default_expiry(self.world.now), "123")
        with self.world.transaction():
            change_card(
                self.world, self.world.fetch("billing_portal.session", session["id"]), entry
            )

    def _refund(self, subscription: Document, more: int) -> None:
        """Of the newest payment mostly, in full mostly; the operator says what becomes of access."""
        charges = [
            each for each in self.world.store.find("charge", [])
            if each["customer"] == subscription["customer"] and each["status"] == "succeeded"
        ]  # fmt: skip
        if not charges:
            return
        form: dict[str, Any] = {"charge": charges[more // 8 % len(charges)]["id"]}
        if more == 0:
            form["amount"] = 100
        if chosen := ("", "keep", "end_access", "cancel")[more % 4]:
            form["metadata[paywall_access]"] = chosen
        self._api("POST", "/v1/refunds", form)

    def _dispute(self, subscription: Document, more: int) -> None:
        open_ones = [
            each for each in self.world.store.find("dispute", [])
            if each["status"] == "needs_response"
        ]  # fmt: skip
        if open_ones and more % 2:
            word = "winning_evidence" if more % 4 == 1 else "losing_evidence"
            path = f"/v1/disputes/{open_ones[0]['id']}"
            self._api("POST", path, {"evidence[uncategorized_text]": word})
            return
        for charge in self.world.store.find("charge", []):
            if charge["customer"] == subscription["customer"] and charge["status"] == "succeeded":
                with self.world.transaction():
                    open_dispute(self.world, charge["id"])
                return

    def _give_up(self, subscription: Document, more: int) -> None:
        """An open invoice is voided or marked uncollectible."""
        verb = ("void", "mark_uncollectible")[more % 2]
        self._api("POST", f"/v1/invoices/{subscription['latest_invoice']}/{verb}", {})

    def _delete(self, subscription: Document, _: int) -> None:
        self._api("DELETE", f"/v1/customers/{subscription['customer']}", {})

    def _archive(self, subscription: Document, _: int) -> None:
        price = subscription["items"]["data"][0]["price"]
        self._api("POST", f"/v1/prices/{price}", {"active": "false"})

    def _api(self, method: str, path: str, form: dict[str, Any]) -> Document:
        given = answer(
            self.world,
            ApiRequest(method, path, urlencode(form), "Bearer sk_test_local", None, None),
        )
        assert given.status < 500, given.body
        answered: Document = json.loads(given.body)
        return answered

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

    async def reconcile(self) -> None:
        await reconcile(
            self.context,
            self.gateway,
            started_by="model",
            fix=True,
            pauses=(),
        )

    async def attempt(self, step: Callable[[], Awaitable[None]]) -> None:
        """A step that may be refused, cut short or killed; then the process starts again."""
        self.steps += 1
        try:
            await step()
        except (*AWAY, StripeError):
            return
        except Killed:
            self.fate.strike(None)
            await self.database.dispose()
            self.database = MortalDatabase(self.url, self.fate)
        finally:
            self.fate.strike(None)

    # The end

    async def settle(self) -> None:
        """Let the service finish, by its own means: jobs with their retries, and a reconciliation."""
        await self._work_off()
        await self.reconcile()
        await self._work_off()
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

    async def check(self) -> None:
        """Grants, holders, one live subscription a reader, ledger and MRR equal the oracle's."""
        async with self.database.reading() as session:
            offers = list(await session.scalars(select(Offer)))
            oracle = Oracle(
                self.world.store,
                Policy(self.settings.refund_policy, timedelta(days=self.settings.grace_days)),
                frozenset(each.stripe_price_id for each in offers if each.stripe_price_id),
            )
            holder = {
                each.id: await settled_reader(session, each.reader_id)
                for each in await session.scalars(select(Customer))
            }
            grants = {
                each.reference: each
                for each in await session.scalars(
                    select(Grant).where(Grant.source == "subscription")
                )
            }
            told = list(await session.scalars(select(DomainEvent)))
            await check_money(session, oracle)
        subscriptions = list(oracle.subscriptions())
        for each in subscriptions:
            assert each["customer"] in holder, f"nobody was bound to {each['customer']}"
            until = oracle.open_until(each)
            grant = grants.get(each["id"])
            assert grant is not None or each["status"] == "incomplete_expired", each["id"]
            if grant is None:
                continue
            assert grant.reader_id == holder[each["customer"]]
            self._compare(grant, until, each)
            self._compare_ledger(told, oracle, each)
        assert set(grants) <= {each["id"] for each in self.world.store.find("subscription", [])}
        sold = [each for each in subscriptions if oracle.our_item(each) is not None]
        for reader, live in live_by_holder(sold, holder).items():
            assert len(live) == 1, (reader, live)

    def _compare(self, grant: Grant, until: datetime, subscription: Document) -> None:
        """Open or closed now, and where it is open, to the same instant."""
        now = self.clocks.business()
        here = grant.ends_at if grant.starts_at <= now else now
        assert here is not None
        assert (here == until) if until > now else (here <= now), (
            f"{subscription['id']} ({subscription['status']}): here until {here} ({grant.note}), "
            f"by Stripe until {until}, now {now}"
        )

    def _compare_ledger(
        self, told: list[DomainEvent], oracle: Oracle, subscription: Document
    ) -> None:
        theirs = [each for each in told if each.subject_id == subscription["id"]]
        kinds = [each.type for each in theirs]
        began = subscription["status"] not in {"incomplete", "incomplete_expired"}
        assert kinds.count("subscription.started") == int(began)
        assert kinds.count("subscription.ended") == int(subscription["status"] == "canceled")
        renewed = {
            str((each.after or {}).get("invoice"))
            for each in theirs
            if each.type == "subscription.renewed"
        }
        # Of erased readers only that it happened is kept.
        if began and all(each.after is not None for each in theirs):
            assert renewed == oracle.renewals(subscription)
