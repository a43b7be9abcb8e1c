"""A local Stripe alone, in this process, with the service's own gateway to it."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
import stripe

from service.payments.stripe_gateway import StripeGateway
from service.simulator.api import ApiRequest, answer
from service.simulator.app import Simulator, create_simulator
from service.simulator.world import World
from tests.conftest import MovingClocks
from tests.patience import PATIENCE
from tests.served import WEBHOOK_SECRET

URL = "http://stripe.gazette.example"


@dataclass
class StripeAtHand:
    """`dashboard` is the SDK's client, for what somebody at the account's dashboard would do."""

    simulator: Simulator
    gateway: StripeGateway
    dashboard: Any

    async def hook(self, name: str, **entries: Any) -> dict[str, Any]:
        """POST one of the local Stripe's own hooks for tests, `dispute` for one."""
        transport = httpx2.ASGITransport(app=self.simulator)
        async with httpx2.AsyncClient(transport=transport, base_url=URL) as client:
            answer = await client.post(f"/_sim/{name}", json=entries)
        assert answer.is_success, answer.text
        said: dict[str, Any] = answer.json()
        return said

    def listed(self, kind: str) -> list[dict[str, Any]]:
        """All objects of a kind, `price` or `checkout.session`."""
        return self.simulator.world.store.find(kind, [])


class Wire(stripe.HTTPClient):
    """Carries the SDK's requests to the world at its end without a network between the two.

    Where HTTP isn't the subject: tests/simulator and every served installation ask over HTTP.
    """

    name = "wire"

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        headers = headers or {}
        parts = urlsplit(url)
        given = answer(
            self._world,
            ApiRequest(
                method=method.upper(),
                path=parts.path,
                encoded=(post_data or "") if method.lower() == "post" else parts.query,
                authorization=headers.get("Authorization", ""),
                version=headers.get("Stripe-Version"),
                idempotency_key=headers.get("Idempotency-Key"),
            ),
        )
        return given.body, given.status, given.headers

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        body, status, said = self.request(method, url, headers, post_data)
        return body.encode(), status, said

    async def close_async(self) -> None:
        """Nothing is open."""


@contextlib.contextmanager
def sdk(url: str) -> Iterator[Any]:
    """Stripe's own client, for what somebody at the account's dashboard would do."""
    http: Any = stripe.HTTPXClient(allow_sync_methods=True, timeout=PATIENCE)
    client = stripe.StripeClient("sk_test_local", base_addresses={"api": url}, http_client=http)
    try:
        yield client.v1
    finally:
        http.close()


def gateway_to(
    url: str, *, seconds: float = PATIENCE, http: stripe.HTTPClient | None = None
) -> StripeGateway:
    return StripeGateway(
        secret_key="sk_test_local",
        webhook_secrets=[WEBHOOK_SECRET],
        api_base=url,
        timeout_seconds=seconds,
        http=http,
    )


@contextlib.asynccontextmanager
async def stripe_at_hand(clocks: MovingClocks) -> AsyncIterator[StripeAtHand]:
    simulator = create_simulator(database=None, public_url=URL, wall_now=clocks.wall, endpoints=())
    wire = Wire(simulator.world)
    gateway = gateway_to(URL, http=wire)
    dashboard = stripe.StripeClient(
        "sk_test_local", base_addresses={"api": URL}, http_client=wire
    ).v1
    yield StripeAtHand(simulator, gateway, dashboard)
    await gateway.close()
