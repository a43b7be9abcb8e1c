"""A local Stripe alone, with the service's own gateway to it."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import stripe

from service.payments.stripe_gateway import StripeGateway
from service.simulator.app import Simulator, create_simulator
from tests.conftest import MovingClocks
from tests.served import WEBHOOK_SECRET, free_port, serving


@dataclass
class StripeAtHand:
    url: str
    simulator: Simulator
    gateway: StripeGateway

    def listed(self, kind: str) -> list[dict[str, Any]]:
        """All objects of a kind, `price` or `checkout.session`."""
        return self.simulator.world.store.find(kind, [])


@contextlib.contextmanager
def sdk(url: str) -> Iterator[Any]:
    """Stripe's own client, for what somebody at the account's dashboard would do."""
    http: Any = stripe.HTTPXClient(allow_sync_methods=True, timeout=10)
    client = stripe.StripeClient("sk_test_local", base_addresses={"api": url}, http_client=http)
    try:
        yield client.v1
    finally:
        http.close()


def gateway_to(
    url: str, *, seconds: float = 4.0, http: stripe.HTTPClient | None = None
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
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    simulator = create_simulator(database=None, public_url=url, wall_now=clocks.wall, endpoints=())
    gateway = gateway_to(url)
    with serving(simulator, port):
        try:
            yield StripeAtHand(url, simulator, gateway)
        finally:
            await gateway.close()
