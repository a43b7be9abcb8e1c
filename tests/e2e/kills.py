"""`paywall serve` is killed again and again while readers buy, renew, pay twice and cancel.

SIGKILL leaves no time for anything. After the last one another process does what is left to do; then
access is what Stripe's state says, and nothing was done twice.
"""

import asyncio
import contextlib
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from pydantic import SecretStr
from sqlalchemy import func, select
from stripe import InvalidRequestError

from service.billing.events import HANDLED
from service.billing.follow_ups import CANCEL, REFUND, SYNC
from service.billing.inbox import JOB
from service.db.business_clock import follow, move_forward
from service.db.session import Database
from service.db.tables import DomainEvent, Grant, Job, Mail, Offer
from service.offers.pricing import checked_price
from service.offers.store import create_offer
from service.settings import Settings
from service.simulator.app import DeliveryRules, Simulator, WebhookTarget, create_simulator
from tests.billing.model.agreement import check
from tests.billing.model.lives import Lives
from tests.conftest import MovingClocks
from tests.forked import Command, command
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.processes import environment, wait_until_ready
from tests.served import WEBHOOK_SECRET, serving
from tests.stripe_at_hand import gateway_to, sdk

MONTH = timedelta(days=31, hours=2)
FOLLOWING = (JOB, CANCEL, REFUND, SYNC)


@dataclass
class Mortal:
    """A serving process that can be killed, and the local Stripe that outlives it."""

    url: str
    stripe_url: str
    settings: Settings
    simulator: Simulator
    stripe: Any
    offer: str
    chance: random.Random
    sessions: list[tuple[httpx2.Client, str]] = field(default_factory=list)

    @contextlib.contextmanager
    def serving(self) -> Iterator[Command]:
        """A process that answers; it has to be killed by the end."""
        configured = self.settings
        stripe = {
            "PAYWALL_STRIPE_SECRET_KEY": configured.stripe_secret_key.get_secret_value(),
            "PAYWALL_STRIPE_WEBHOOK_SECRET": configured.stripe_webhook_secret.get_secret_value(),
            "PAYWALL_STRIPE_API_BASE": configured.stripe_api_base or "",
            "PAYWALL_STRIPE_TIMEOUT_SECONDS": "30",
            "PAYWALL_MAIL_FROM": configured.mail_from,
            "PAYWALL_BACKGROUND_INTERVAL_SECONDS": str(configured.background_interval_seconds),
            "PAYWALL_LOG_LEVEL": "error",
        }
        port = self.url.rpartition(":")[2]
        variables = {**environment(configured), **stripe}
        with command("serve", "--port", port, environment=variables) as process:
            wait_until_ready(self.url, process)
            yield process
            assert process.wait() == -signal.SIGKILL

    def die_in_the_background(self) -> float:
        """A process answers all requests and is killed in what it does afterwards; seconds until then."""
        with self.serving() as process:
            began = time.monotonic()
            self.live(renews=False)
            process.kill()
            return time.monotonic() - began

    def die_once(self, life: float, *, renews: bool) -> None:
        """A process begins, is busy, and is killed after `life` seconds, whatever it does then."""
        with self.serving() as process:
            killer = threading.Timer(life, process.kill)
            killer.start()
            try:
                self.live(renews=renews)
            finally:
                killer.join()

    def live(self, *, renews: bool) -> None:
        """What happens meanwhile; the process may be gone before any of it."""
        steps: list[Callable[[], None]] = [self.come_back, self.pay_twice, self.cancel]
        steps.append(self.renew if renews else self.buy)
        self.chance.shuffle(steps)
        for step in [self.buy, *steps]:
            with contextlib.suppress(httpx2.TransportError):
                step()

    def buy(self) -> None:
        browser = httpx2.Client(base_url=self.url, timeout=PATIENCE)
        body = {"offer": self.offer, "return_to": "/account"}
        try:
            started = browser.post("/v1/checkout", json=body)
        except httpx2.TransportError:
            browser.close()
            raise
        if started.status_code != 201:
            browser.close()
            return
        session: str = started.json()["session_id"]
        self.sessions.append((browser, session))
        entries = {"card": "4242424242424242", "email": f"{len(self.sessions)}@example.org"}
        address = f"{self.stripe_url}/_sim/checkout/{session}/pay"
        assert httpx2.post(address, json=entries, timeout=PATIENCE).is_success
        self.return_of(browser, session)

    def come_back(self) -> None:
        """Everybody's way back, as often as they like."""
        for browser, session in self.sessions[-2:]:
            self.return_of(browser, session)

    def return_of(self, browser: httpx2.Client, session: str) -> None:
        answer = browser.get("/v1/checkout/return", params={"session_id": session})
        assert answer.status_code in {200, 303, 503}, answer.text

    def pay_twice(self) -> None:
        """A second subscription beside the one that somebody has."""
        alive = self.alive()
        if alive:
            held = self.chance.choice(alive)
            self.stripe.subscriptions.create(
                {
                    "customer": held["customer"],
                    "items": [{"price": held["items"]["data"][0]["price"]}],
                    "default_payment_method": held["default_payment_method"],
                    "metadata": held["metadata"],
                }
            )

    def cancel(self) -> None:
        alive = self.alive()
        if len(alive) > 1:
            held = self.chance.choice(alive)["id"]
            try:
                if self.chance.random() < 0.5:
                    self.stripe.subscriptions.update(held, {"cancel_at_period_end": True})
                else:
                    self.stripe.subscriptions.cancel(held)
            except InvalidRequestError:
                # The service ends what was paid twice, perhaps since this one was looked up.
                if self.stripe.subscriptions.retrieve(held).status != "canceled":
                    raise

    def renew(self) -> None:
        """A month passes, here and at Stripe."""
        asyncio.run(self._pass(MONTH))
        world = self.simulator.world
        world.advance_to(datetime.fromtimestamp(world.now, UTC) + MONTH)

    async def _pass(self, by: timedelta) -> None:
        database = Database(self.settings.database_url)
        async with database.transaction() as session:
            await move_forward(session, by)
        await database.dispose()

    def alive(self) -> list[dict[str, Any]]:
        found = self.simulator.world.store.find("subscription", [])
        return [each for each in found if each["status"] == "active"]


async def _catalogue(settings: Settings) -> str:
    database = Database(settings.database_url)
    async with database.transaction() as session:
        price = checked_price(amount=900, currency="EUR", interval="month", trial_days=0)
        offer = await create_offer(
            session, name="Monthly", plan="digital", price=price, now=datetime.now(UTC)
        )
    await database.dispose()
    return offer.id


@contextlib.contextmanager
def mortal(settings: Settings, chance: random.Random) -> Iterator[Mortal]:
    """The local Stripe and a catalogue; no process serves yet."""
    url, stripe_port = f"http://127.0.0.1:{free_port()}", free_port()
    stripe_url = f"http://127.0.0.1:{stripe_port}"
    settings = settings.model_copy(
        update={
            "public_url": url,
            "mail_from": "Gazette <hello@gazette.example.org>",
            "stripe_secret_key": SecretStr("sk_test_local"),
            "stripe_webhook_secret": SecretStr(WEBHOOK_SECRET),
            "stripe_api_base": stripe_url,
        }
    )
    simulator = create_simulator(
        database=None,
        public_url=stripe_url,
        wall_now=lambda: datetime.now(UTC),
        endpoints=[
            WebhookTarget(f"{url}/v1/webhooks/stripe", WEBHOOK_SECRET, events=tuple(HANDLED))
        ],
        # A killed process gets its webhooks again soon.
        delivery=DeliveryRules(retry_after=(0.5,) * 9),
    )
    offer = asyncio.run(_catalogue(settings))
    with serving(simulator, stripe_port), sdk(stripe_url) as stripe:
        made = Mortal(url, stripe_url, settings, simulator, stripe, offer, chance)
        yield made
        for browser, _ in made.sessions:
            browser.close()


def survive(settings: Settings, number: int, kills: int) -> None:
    """Kill as often, at moments that the seed `number` gives, and compare what is left with Stripe.

    The first process is killed once all its requests are answered; how long that takes is the
    longest life of the others.
    """
    with mortal(settings, random.Random(number)) as made:  # noqa: S311 repeatable
        longest = made.die_in_the_background()
        for kill in range(1, kills):
            life = made.chance.uniform(0.05, 1) * longest
            made.die_once(life, renews=kill % 2 == 1)
        asyncio.run(_finish_and_compare(made))


async def _finish_and_compare(mortal: Mortal) -> None:
    gateway = gateway_to(mortal.stripe_url)
    # Later than any lease that a killed process holds.
    clocks = MovingClocks(datetime.now(UTC) + timedelta(minutes=1))
    lives = Lives(mortal.settings.database_url, gateway, mortal.simulator, mortal.settings, clocks)
    try:
        await follow(lives.database, clocks)
        await _work_off(lives)
        await lives.reconcile()
        await _work_off(lives)
        await check(lives)
        await _compare_counts(lives)
    finally:
        await lives.database.dispose()
        await gateway.close()


async def _work_off(lives: Lives) -> None:
    """As many rounds as it takes, each a lease later than the one before."""
    for _ in range(20):
        await lives.apply()
        async with lives.database.reading() as session:
            left = select(Job).where(Job.kind.in_(FOLLOWING), Job.status != "done")
            waiting = list(await session.scalars(left))
        assert {job.status for job in waiting} <= {"waiting"}, [job.result for job in waiting]
        if not waiting:
            return
        lives.clocks.travel(timedelta(seconds=35))
    raise AssertionError([(job.kind, job.key, job.result) for job in waiting])


async def _compare_counts(lives: Lives) -> None:
    store = lives.world.store
    prices = {each["id"] for each in store.find("price", [])}
    bought = [
        each for each in store.find("subscription", [])
        if each["items"]["data"][0]["price"] in prices
    ]  # fmt: skip
    assert bought
    back = Counter(each["charge"] for each in store.find("refund", []))
    assert set(back.values()) <= {1}, back
    async with lives.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Offer)) == 1
        grants = Counter(await session.scalars(select(Grant.reference)))
        told = Counter(
            await session.scalars(
                select(DomainEvent.subject_id).where(DomainEvent.type == "subscription.started")
            )
        )
        refunded = await session.scalar(
            select(func.count()).where(DomainEvent.type == "payment.refunded")
        )
        mails = Counter(await session.scalars(select(Mail.once)))
    once_each = Counter({each["id"]: 1 for each in bought})
    assert grants == once_each
    assert told == once_each
    assert refunded == back.total()
    assert set(mails.values()) <= {1}, mails
