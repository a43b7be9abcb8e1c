"""A local Stripe alone, with the service's own gateway to it."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import stripe

from service.payments.stripe_gateway import StripeGateway
from service.simulator.api import ApiRequest, answer
from service.simulator.app import Simulator, create_simulator
from service.simulator.world import World
from tests.conftest import MovingClocks
from tests.patience import PATIENCE
from tests.served import WEBHOOK_SECRET, free_port, serving


@dataclass
class StripeAtHand:
    url: str
    simulator: Simulator
    gateway: StripeGateway

    def listed(self, kind: str) -> list[dict[str, Any]]:
        """All objects of a kind, `price` or `checkout.session`."""
        return self.simulator.world.store.find(kind, [])


class Wire(stripe.HTTPClient):
    """Carries a gateway's requests to the world at its end without a network between the two.

    For tests that ask thousands of times: over HTTP the local Stripe is asked everywhere else.
    """

    name = "wire"

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
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
        return given.body.encode(), given.status, given.headers

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
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    simulator = create_simulator(database=None, public_url=url, wall_now=clocks.wall, endpoints=())
    gateway = gateway_to(url)
    with serving(simulator, port):
        try:
            yield StripeAtHand(url, simulator, gateway)
        finally:
            await gateway.close()
