"""The SDK's requests to a local Stripe of this process, without a network between the two.

Where HTTP isn't the subject: tests/payments, tests/simulator and every served process ask over HTTP.
"""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import stripe
from starlette.types import ASGIApp, Receive, Scope, Send

from service.simulator.api import ApiRequest, answer
from service.simulator.app import Simulator
from service.simulator.world import World

Answer = tuple[str, int, Mapping[str, str]]


class Wire(stripe.HTTPClient):
    """Carries requests to the world at its end, in the thread that asks."""

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
    ) -> Answer:
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


class WireAcross(Wire):
    """To a local Stripe that is served: it is asked on its server's loop, one request after another.

    Raises RuntimeError where `/_sim/faults` has faults waiting, which only HTTP meets.
    """

    def __init__(self, served: "OnItsLoop", simulator: Simulator) -> None:
        super().__init__(simulator.world)
        self._served = served
        self._faults = simulator.faults

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        if self._faults.waiting:
            raise RuntimeError("A fault waits that no request without HTTP meets.")
        asked = super().request_async(method, url, headers, post_data)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked, self._served.loop))


class OnItsLoop:
    """An application, and since its lifespan began the loop that serves it."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self.loop = asyncio.get_running_loop()
        await self._app(scope, receive, send)
