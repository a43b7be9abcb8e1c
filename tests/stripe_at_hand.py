"""A local Stripe alone, in this process, with the service's own gateway to it."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import stripe

from service.payments.stripe_gateway import StripeGateway
from service.simulator.app import Simulator, create_simulator
from tests.conftest import MovingClocks
from tests.patience import PATIENCE
from tests.served import WEBHOOK_SECRET
from tests.wire import Wire

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
