"""A whole installation over real HTTP: the service and a local Stripe, each on a port of its own."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import httpx2
import uvicorn
from pydantic import SecretStr
from sqlalchemy import func, select
from starlette.types import ASGIApp

from service.app import create_app
from service.billing.events import HANDLED
from service.billing.follow_ups import CANCEL, REFUND, SYNC
from service.billing.inbox import JOB
from service.db.business_clock import move_forward
from service.db.session import Database
from service.db.tables import Job
from service.identity.permissions import SCOPES
from service.offers.pricing import checked_price
from service.offers.store import create_offer
from service.payments.stripe_gateway import StripeGateway
from service.settings import Settings
from service.simulator.app import Simulator, WebhookTarget, create_simulator
from service.simulator.delivery import DeliveryRules
from tests.conftest import MovingClocks
from tests.keys import create_api_key
from tests.passwords import QUICK
from tests.patience import PATIENCE, PAUSE, wait_until
from tests.ports import free_port
from tests.wire import OnItsLoop, WireAcross

STRIPE_KEY, WEBHOOK_SECRET = "sk_test_local", "whsec_localtests"
CANARY = "The lighthouse keeper kept a second set of books."
BEGUN = (JOB, CANCEL, REFUND, SYNC)
"""Jobs that follow from what Stripe tells."""
T = TypeVar("T")


class Beside:
    """A database as another process beside the service sees it, with connections that stay open."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __call__(self, act: Callable[[Database], Awaitable[T]]) -> T:
        """What `act` returns; from any thread, whether or not a loop runs in it."""

        async def run() -> T:
            return await act(self._database)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def close(self) -> None:
        self(Database.dispose)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Server(uvicorn.Server):
    """Ends as soon as it is told to; the framework's own looks every tenth of a second whether it may."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 uvicorn's signature
        for listening in self.servers:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 its state tells nobody
            await asyncio.sleep(PAUSE)
        await self.lifespan.shutdown()

    def end(self) -> None:
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._ending.set)


@contextlib.contextmanager
def serving(app: ASGIApp, port: int) -> Iterator[str]:
    """Serve `app` in a thread; its origin. The lifespan has run when this yields."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="on")
    server = _Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started or not thread.is_alive(), "the server starts")
    if not server.started:
        raise RuntimeError("the server didn't start; its log is above")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.end()
        thread.join(PATIENCE)
        if thread.is_alive():
            raise RuntimeError("the server didn't stop")


@dataclass
class Installation:
    """A running service with its local Stripe, and a browser that keeps cookies."""

    url: str
    stripe_url: str
    settings: Settings
    simulator: Simulator
    clocks: MovingClocks
    api_key: str
    offers: dict[str, str]
    in_database: Beside
    new_gateway: Callable[[], StripeGateway]
    """A gateway of its own to the local Stripe, as another process beside the service has one."""
    browser: httpx2.Client = field(init=False)
    browsers: list[httpx2.Client] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.browser = self.new_browser()

    def new_browser(self, **options: Any) -> httpx2.Client:
        """Another browser: no cookies yet; redirects are seen, not followed. It is closed at the end."""
        made = httpx2.Client(base_url=self.url, timeout=PATIENCE, **options)
        self.browsers.append(made)
        return made

    def publish(self, slug: str, **fields: Any) -> None:
        body = f"<p>Opening of {slug}.</p><!--more--><p>{CANARY}</p><p>Ending of {slug}.</p>"
        document = {"title": slug.replace("-", " ").capitalize(), "body": body, **fields}
        answer = self.browser.put(
            f"/v1/admin/articles/{slug}",
            json=document,
            headers={"Authorization": f"Bearer {self.api_key}"},
        )
        assert answer.status_code in {200, 201}, answer.text

    def unlock(self, slug: str, browser: httpx2.Client | None = None) -> httpx2.Response:
        return (browser or self.browser).post(f"/v1/articles/{slug}/unlock")

    def start_checkout(
        self, offer: str = "monthly", return_to: str = "/articles/a", **fields: Any
    ) -> httpx2.Response:
        body = {"offer": self.offers[offer], "return_to": return_to, **fields}
        return self.browser.post("/v1/checkout", json=body)

    def pay(
        self, session_id: str, card: str = "4242424242424242", email: str = "ana@example.org"
    ) -> httpx2.Response:
        address = f"{self.stripe_url}/_sim/checkout/{session_id}/pay"
        return httpx2.post(address, json={"card": card, "email": email}, timeout=PATIENCE)

    def subscribe(
        self, offer: str = "monthly", return_to: str = "/articles/a", **fields: Any
    ) -> str:
        """Buy, pay and come back; the Checkout session's id."""
        session_id: str = self.start_checkout(offer, return_to, **fields).json()["session_id"]
        assert self.pay(session_id).status_code == 200
        back = self.browser.get(f"/v1/checkout/return?session_id={session_id}")
        assert (back.status_code, back.headers["Location"]) == (303, f"{self.url}{return_to}")
        return session_id

    def travel(self, by: timedelta) -> datetime:
        """Let business time and Stripe's pass, and all that follows from it happen."""

        async def move(database: Database) -> None:
            async with database.transaction() as session:
                self.clocks.offset = await move_forward(session, by)

        self.in_database(move)
        now = self.clocks.business()
        moved = httpx2.post(
            f"{self.stripe_url}/_sim/clock",
            json={"to": now.isoformat()},
            timeout=PATIENCE,
        )
        assert moved.status_code == 200, moved.text
        self.settle()
        return now

    def settle(self) -> None:
        """Wait until every webhook is delivered and every event applied."""

        def settled() -> bool:
            made, queued = self._deliveries()
            if queued:
                httpx2.post(f"{self.stripe_url}/_sim/deliver", timeout=PATIENCE)
                return False
            # What was applied since may have made Stripe tell more.
            return not self.in_database(_unapplied) and self._deliveries() == (made, 0)

        wait_until(settled, "webhooks are delivered and applied")

    def _deliveries(self) -> tuple[int, int]:
        """How many there ever were, and how many wait."""
        found: tuple[int, int] = self.simulator.world.store.connection.execute(
            "SELECT (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'deliveries'),"
            " (SELECT count(*) FROM deliveries WHERE due IS NOT NULL)"
        ).fetchone()
        return found


async def _unapplied(database: Database) -> int | None:
    """How many jobs wait that follow from what Stripe tells."""
    waiting = Job.kind.in_(BEGUN), Job.status == "waiting"
    async with database.reading() as session:
        return await session.scalar(select(func.count()).where(*waiting))


async def _furnish(database: Database, clocks: MovingClocks) -> tuple[str, dict[str, str]]:
    """An API key and the catalogue."""
    offers = {}
    async with database.transaction() as session:
        for key, amount, currency, interval, trial in (
            ("monthly", 900, "EUR", "month", 0),
            ("yearly", 9000, "EUR", "year", 0),
            ("trial", 900, "USD", "month", 14),
        ):
            price = checked_price(
                amount=amount, currency=currency, interval=interval, trial_days=trial
            )
            offer = await create_offer(
                session, name=key.capitalize(), plan="digital", price=price, now=clocks.business()
            )
            offers[key] = offer.id
        api_key = await create_api_key(
            session, label="tests", scopes=sorted(SCOPES), now=clocks.wall()
        )
    return api_key, offers


@contextlib.contextmanager
def installation(
    settings: Settings,
    clocks: MovingClocks,
    *,
    webhooks: bool = True,
    port: int | None = None,
    public_url: str | None = None,
) -> Iterator[Installation]:
    """Start everything; the service asks Stripe without a network. `webhooks` False: Stripe tells nothing by itself.

    `public_url` is where browsers reach the service, where that isn't 127.0.0.1 at its port.
    """
    port, stripe_port = port or free_port(), free_port()
    url, stripe_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{stripe_port}"
    settings = settings.model_copy(
        update={
            "public_url": public_url or url,
            "stripe_secret_key": SecretStr(STRIPE_KEY),
            "stripe_webhook_secret": SecretStr(WEBHOOK_SECRET),
            "stripe_api_base": stripe_url,
            "stripe_timeout_seconds": PATIENCE,
        }
    )
    # As `paywall stripe setup` registers it.
    target = WebhookTarget(f"{url}/v1/webhooks/stripe", WEBHOOK_SECRET, events=tuple(HANDLED))
    simulator = create_simulator(
        database=None,
        public_url=stripe_url,
        wall_now=clocks.wall,
        endpoints=(target,) if webhooks else (),
        # The clocks stand still: one that took too long on a busy machine would never be tried again.
        delivery=DeliveryRules(timeout=PATIENCE),
    )
    stripe = OnItsLoop(simulator)

    def new_gateway() -> StripeGateway:
        return StripeGateway(
            secret_key=STRIPE_KEY,
            webhook_secrets=[WEBHOOK_SECRET],
            api_base=stripe_url,
            timeout_seconds=PATIENCE,
            http=WireAcross(stripe, simulator),
        )

    app = create_app(settings, gateway=new_gateway(), clocks=clocks, passwords=QUICK)
    with (
        contextlib.closing(Beside(settings.database_url)) as beside,
        serving(stripe, stripe_port),
        serving(app, port),
    ):
        key, offers = beside(lambda database: _furnish(database, clocks))
        made = Installation(
            url, stripe_url, settings, simulator, clocks, key, offers, beside, new_gateway
        )
        try:
            yield made
        finally:
            for browser in made.browsers:
                browser.close()
