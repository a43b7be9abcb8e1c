"""A local Stripe over real HTTP, driven by the unmodified SDK, with a receiver for its webhooks."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx2
import stripe
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.simulator.api import OPERATIONS
from service.simulator.app import (
    DeliveryRules,
    Rules,
    Simulator,
    WebhookTarget,
    create_simulator,
)
from tests.conftest import MovingClocks
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.served import serving
from tests.simulator.document import JSON, StripeDocument

SECRET = "whsec_receiver"
KEY = "sk_test_local"
PAYS = "4242424242424242"
DECLINED = "4000000000000002"
NO_FUNDS = "4000000000009995"
FAILS_LATER = "4000000000000341"


class Receiver:
    """Takes webhooks, checks their signature with the SDK, and keeps what arrived.

    `answer` decides the status from the event and how often it came before; the default accepts.
    """

    def __init__(self, document: StripeDocument | None) -> None:
        self.events: list[JSON] = []
        self.arrivals: Counter[str] = Counter()
        self.connections: set[tuple[str, int]] = set()
        self.faults: list[str] = []
        self.answer: Callable[[JSON, int], int] = lambda _event, _before: 200
        self.tolerance: int | None = None
        self._document = document

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.connections.add(scope["client"])
        payload = (await request.body()).decode()
        try:
            stripe.WebhookSignature.verify_header(
                payload, request.headers["Stripe-Signature"], SECRET, tolerance=self.tolerance
            )
        except stripe.SignatureVerificationError as error:
            self.faults.append(str(error))
        event = json.loads(payload)
        if self._document:
            self.faults += self._document.faults_of_event(event)
        status = self.answer(event, self.arrivals[event["id"]])
        self.arrivals[event["id"]] += 1
        if status == 200:
            self.events.append(event)
        await Response(status_code=status)(scope, receive, send)

    @property
    def types(self) -> list[str]:
        """The types of what was accepted, in the order of arrival."""
        return [event["type"] for event in self.events]

    def objects(self, kind: str) -> list[JSON]:
        """What the accepted events of a type were about."""
        return [event["data"]["object"] for event in self.events if event["type"] == kind]


class Checked:
    """An ASGI application in front of the local Stripe that holds its answers to the document."""

    def __init__(self, simulator: Simulator, document: StripeDocument | None) -> None:
        self.faults: list[str] = []
        self.seen: set[tuple[str, str]] = set()
        self._simulator = simulator
        self._document = document

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if not path.startswith("/v1/"):
            await self._simulator(scope, receive, send)
            return
        heard: list[bytes] = []
        said: list[Message] = []

        async def listening() -> Message:
            message = await receive()
            heard.append(message.get("body", b""))
            return message

        async def saying(message: Message) -> None:
            said.append(message)
            await send(message)

        await self._simulator(scope, listening, saying)
        body = b"".join(message.get("body", b"") for message in said)
        asked = parse_qs(b"".join(heard).decode() or scope["query_string"].decode())
        expanded = any(name.startswith("expand") for name in asked)
        self._judge(scope["method"], path, said[0]["status"], body, expanded=expanded)

    def _judge(self, method: str, path: str, status: int, body: bytes, *, expanded: bool) -> None:
        for operation in OPERATIONS:
            if operation.method == method and operation.pattern.match(path):
                if status == 200:
                    self.seen.add((method, operation.template))
                if self._document:
                    self.faults += self._document.faults_of_answer(
                        method, operation.template, status, json.loads(body), expanded=expanded
                    )
                return


@dataclass
class LocalStripe:
    """A running local Stripe, seen from outside."""

    url: str
    simulator: Simulator
    clocks: MovingClocks
    client: stripe.StripeClient
    receiver: Receiver
    checked: Checked
    browser: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.browser = httpx2.Client(base_url=self.url, timeout=PATIENCE)

    @property
    def v1(self) -> Any:
        """The SDK's services. Untyped: the tests send wrong parameters too."""
        return self.client.v1

    @property
    def now(self) -> int:
        """World time."""
        moment: int = self.browser.get("/_sim/clock").json()["now"]
        return moment

    def move(self, **by: float) -> int:
        """Let world time pass; `days=…` as in timedelta. Webhooks are delivered, too."""
        to = int(self.now + timedelta(**by).total_seconds())
        answer = self.browser.post("/_sim/clock", json={"to": to})
        assert answer.status_code == 200, answer.text
        self.deliver()
        return to

    def deliver(self) -> None:
        """Deliver what is due and wait for it."""
        assert self.browser.post("/_sim/deliver").status_code == 200

    def queued(self) -> int:
        """How many deliveries are not accepted yet, given up ones included."""
        return sum(event.pending_webhooks for event in self.v1.events.list().auto_paging_iter())

    def said(self, kind: str) -> list[Any]:
        """What the newest hundred events of a type are about, oldest first."""
        events = self.v1.events.list({"type": kind, "limit": 100}).data
        return [event.data.object for event in events][::-1]

    def price(self, amount: int = 900, interval: str = "month", **fields: Any) -> Any:
        """A price of a new product."""
        product = self.v1.products.create({"name": "Digital"})
        return self.v1.prices.create(
            {
                "product": product.id,
                "unit_amount": amount,
                "currency": "eur",
                "recurring": {"interval": interval},
                **fields,
            }
        )

    def session(self, price: Any = None, **fields: Any) -> Any:
        """An open Checkout session."""
        return self.v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "line_items": [{"price": (price or self.price()).id, "quantity": 1}],
                "success_url": "https://news.example/back?session={CHECKOUT_SESSION_ID}",
                "cancel_url": "https://news.example/offers",
                **fields,
            }
        )

    def pay(self, session: Any, card: str = PAYS, **entries: str) -> httpx2.Response:
        """Pay through the hook for tests."""
        return self.browser.post(
            f"/_sim/checkout/{session.id}/pay",
            json={"card": card, "email": "ana@example.org", "name": "Ana", **entries},
        )

    def subscribe(self, price: Any = None, card: str = PAYS, **fields: Any) -> Any:
        """A subscription bought through Checkout."""
        session = self.session(price, **fields)
        answer = self.pay(session, card)
        assert answer.status_code == 200, answer.text
        bought = self.v1.checkout.sessions.retrieve(session.id)
        return self.v1.subscriptions.retrieve(bought.subscription)

    def customer(self, card: str | None = "pm_card_visa", **fields: Any) -> Any:
        """A customer, with a payment method as the default one unless `card` is None."""
        customer = self.v1.customers.create({"email": "ana@example.org", "name": "Ana", **fields})
        if card is None:
            return customer
        method = self.v1.payment_methods.attach(card, {"customer": customer.id})
        return self.v1.customers.update(
            customer.id, {"invoice_settings": {"default_payment_method": method.id}}
        )


class Host:
    """One server a test process; each local Stripe moves in with its receiver, and out again."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._tenant: tuple[ASGIApp, ASGIApp] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.http = stripe.HTTPXClient(allow_sync_methods=True, timeout=PATIENCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._loop = asyncio.get_running_loop()
            for stage in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{stage}.complete"})
            return
        assert self._tenant is not None
        chosen = self._tenant[scope["path"].startswith("/hooks")]
        await chosen(scope, receive, send)

    def run(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something on the server's loop."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    @contextlib.contextmanager
    def housing(self, simulator: Simulator, api: ASGIApp, hooks: ASGIApp) -> Iterator[None]:
        """Serve one local Stripe, from its start to its stop."""
        self._tenant = (api, hooks)
        self.run(simulator.start())
        try:
            yield
        finally:
            self.run(simulator.stop())
            self._tenant = None


@contextlib.contextmanager
def hosting() -> Iterator[Host]:
    """A running host."""
    host = Host()
    with serving(host, host.port):
        yield host
        host.http.close()  # type: ignore[no-untyped-call]  # the SDK left it untyped


@contextlib.contextmanager
def local_stripe(
    host: Host,
    clocks: MovingClocks,
    document: StripeDocument | None,
    *,
    database: Path | None = None,
    targets: Sequence[str] = ("/hooks",),
    rules: Rules | None = None,
    delivery: DeliveryRules | None = None,
) -> Iterator[LocalStripe]:
    """Start one. All it answers and sends is held to `document` when this ends."""
    simulator = create_simulator(
        database=database,
        public_url=host.url,
        wall_now=clocks.wall,
        endpoints=[WebhookTarget(host.url + path, SECRET) for path in targets],
        rules=rules,
        delivery=delivery,
    )
    receiver, checked = Receiver(document), Checked(simulator, document)
    client = stripe.StripeClient(KEY, base_addresses={"api": host.url}, http_client=host.http)
    with host.housing(simulator, checked, receiver):
        local = LocalStripe(host.url, simulator, clocks, client, receiver, checked)
        with local.browser:
            yield local
    assert not checked.faults, "\n".join(checked.faults[:20])
    assert not receiver.faults, "\n".join(receiver.faults[:20])
