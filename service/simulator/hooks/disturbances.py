"""Hooks below `/_sim` that disturb: chaos in deliveries, faults in answers, rolled secrets."""

import json
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from service.simulator.events.chaos import Chaos, read_rules
from service.simulator.events.endpoints import roll_secret
from service.simulator.hooks.faults import Faults, read_fault
from service.simulator.periods import DAY
from service.simulator.protocol.errors import StripeError, invalid_parameter
from service.simulator.world import World

_LONGEST_OVERLAP = 7 * DAY


class LostResponse(Response):
    """An answer that doesn't arrive: it announces a body and then hangs up."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the head alone; the server closes the connection, since the body is missing."""
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )


class Disturbances:
    """Answers the hooks of one world. They need no key: the local Stripe is for tests and demos."""

    def __init__(self, world: World, chaos: Chaos, faults: Faults) -> None:
        """What these hooks switch."""
        self._world = world
        self._chaos = chaos
        self._faults = faults

    def routes(self) -> list[Route]:
        """Where the hooks live, below the local Stripe's root."""
        return [
            Route("/_sim/chaos", self.chaos, methods=["GET", "POST"]),
            Route("/_sim/faults", self.faults, methods=["GET", "POST"]),
            Route("/_sim/endpoints/{endpoint}/roll", self.roll, methods=["POST"]),
        ]

    async def chaos(self, request: Request) -> Response:
        """`{"seed": 7, "shuffle": true, …}` disturbs deliveries, `{}` leaves them alone again."""
        if request.method == "POST":
            try:
                self._chaos.change(read_rules(await _entries(request)))
            except StripeError as error:
                return JSONResponse(error.body(), error.status)
        rules = self._chaos.rules
        return JSONResponse(asdict(rules) if rules else {})

    async def faults(self, request: Request) -> Response:
        """`{"kind": …, "match": …, "next": n}` adds a fault, `{}` takes all back."""
        if request.method == "POST":
            try:
                self._faults.add(read_fault(await _entries(request)))
            except StripeError as error:
                return JSONResponse(error.body(), error.status)
        waiting = [
            {
                "kind": fault.kind,
                "match": fault.match,
                "next": fault.left,
                "seconds": fault.seconds,
            }
            for fault in self._faults.waiting
        ]
        return JSONResponse({"waiting": waiting})

    async def roll(self, request: Request) -> Response:
        """A new secret for a webhook endpoint; the old one signs too, `keep_for` seconds long."""
        try:
            entries = await _entries(request)
            keep_for = entries.get("keep_for", DAY)
            if not isinstance(keep_for, int) or not 0 <= keep_for <= _LONGEST_OVERLAP:
                raise invalid_parameter("keep_for", "keep_for must be 0 to 604800 seconds.")
            self._world.catch_up()
            with self._world.transaction():
                secret = roll_secret(self._world, request.path_params["endpoint"], keep_for)
        except StripeError as error:
            return JSONResponse(error.body(), error.status)
        return JSONResponse({"secret": secret})


async def _entries(request: Request) -> dict[str, Any]:
    body = await request.body()
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise StripeError(400, "Send a JSON object.")
    return value
