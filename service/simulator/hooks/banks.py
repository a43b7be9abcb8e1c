"""Hooks below `/_sim` for what banks, time and the account's owner do at Stripe."""

import json
from collections.abc import Callable
from typing import Any, TypeVar, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.simulator.billing.collection import authenticate
from service.simulator.billing.intents import authenticate_intent
from service.simulator.payments.disputes import open_dispute
from service.simulator.payments.payouts import fail_payout
from service.simulator.payments.setup_intents import authenticate_setup
from service.simulator.protocol.errors import StripeError, invalid_parameter, missing_parameter
from service.simulator.protocol.expand import public
from service.simulator.store import JSON
from service.simulator.world import DebitStart, DunningEnd, World

_Choice = TypeVar("_Choice", bound=str)
_DUNNING_ENDS: tuple[DunningEnd, ...] = get_args(DunningEnd)
_DEBIT_STARTS: tuple[DebitStart, ...] = get_args(DebitStart)


class Hooks:
    """Answers the hooks of one world. They need no key: the local Stripe is for tests and demos."""

    def __init__(self, world: World) -> None:
        """The world whose banks and settings these hooks play."""
        self._world = world

    def routes(self) -> list[Route]:
        """Where the hooks live, below the local Stripe's root."""
        return [
            Route("/_sim/dispute", self.dispute, methods=["POST"]),
            Route("/_sim/invoice/{invoice}/authenticate", self.authenticate, methods=["POST"]),
            Route(
                "/_sim/payment_intent/{intent}/authenticate",
                self.authenticate_intent,
                methods=["POST"],
            ),
            Route(
                "/_sim/setup_intent/{intent}/authenticate",
                self.authenticate_setup,
                methods=["POST"],
            ),
            Route("/_sim/payout/{payout}/fail", self.fail_payout, methods=["POST"]),
            Route("/_sim/rules", self.rules, methods=["GET", "POST"]),
        ]

    async def dispute(self, request: Request) -> Response:
        """`{"charge": "ch_…", "inquiry": …}`: the buyer's bank contests a charge, or asks first."""
        entries = await _entries(request)
        return self._answer(lambda: self._dispute(entries))

    def _dispute(self, entries: dict[str, Any]) -> JSON:
        charge = self._world.fetch("charge", _text(entries, "charge"), param="charge")
        with self._world.under_clock(self._world.clock_of(charge)):
            inquiry = entries.get("inquiry") is True
            return open_dispute(self._world, charge["id"], inquiry=inquiry)

    async def authenticate(self, request: Request) -> Response:
        """The card's holder confirms the charge an invoice waits for. Answers the invoice."""
        return self._answer(lambda: self._authenticate(request.path_params["invoice"]))

    def _authenticate(self, identifier: str) -> JSON:
        invoice = self._world.fetch("invoice", identifier)
        with self._world.under_clock(self._world.clock_of(invoice)):
            refusal = authenticate(self._world, invoice)
        if refusal is not None:
            raise refusal.error()
        return invoice

    async def authenticate_intent(self, request: Request) -> Response:
        """The card's holder confirms the charge an intent waits for. Answers the intent."""
        return self._answer(lambda: self._authenticate_intent(request.path_params["intent"]))

    def _authenticate_intent(self, identifier: str) -> JSON:
        intent = self._world.fetch("payment_intent", identifier)
        with self._world.under_clock(self._world.clock_of(intent)):
            refusal = authenticate_intent(self._world, intent)
        if refusal is not None:
            raise refusal
        return self._world.fetch("payment_intent", identifier)

    async def authenticate_setup(self, request: Request) -> Response:
        """The card's holder confirms that it is saved. Answers the setup intent."""
        return self._answer(lambda: self._authenticate_setup(request.path_params["intent"]))

    def _authenticate_setup(self, identifier: str) -> JSON:
        intent = self._world.fetch("setup_intent", identifier)
        with self._world.under_clock(self._world.clock_of(intent)):
            authenticate_setup(self._world, intent)
        return intent

    async def fail_payout(self, request: Request) -> Response:
        """The bank sends a payout back. Answers the payout."""
        return self._answer(lambda: fail_payout(self._world, request.path_params["payout"]))

    async def rules(self, request: Request) -> Response:
        """`{"dunning_end": …}`: what happens to a subscription when all tries have failed."""
        entries = await _entries(request) if request.method == "POST" else None
        return self._answer(lambda: self._rules(entries))

    def _rules(self, entries: dict[str, Any] | None) -> JSON:
        world = self._world
        if entries is not None and entries.get("debit_starts"):
            world.set_debit_start(_one_of(entries, "debit_starts", _DEBIT_STARTS))
        elif entries is not None:
            world.set_dunning_end(_one_of(entries, "dunning_end", _DUNNING_ENDS))
        return {"dunning_end": world.rules.dunning_end, "debit_starts": world.rules.debit_starts}

    def _answer(self, act: Callable[[], JSON]) -> Response:
        self._world.catch_up()
        try:
            with self._world.transaction():
                return JSONResponse(public(self._world.store, act()))
        except StripeError as error:
            return JSONResponse(error.body(), error.status)


def _one_of(entries: dict[str, Any], name: str, options: tuple[_Choice, ...]) -> _Choice:
    wanted = _text(entries, name)
    for option in options:
        if option == wanted:
            return option
    raise invalid_parameter(name, f"{name} must be one of {', '.join(options)}.")


async def _entries(request: Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.body())
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {}


def _text(entries: dict[str, Any], name: str) -> str:
    value = entries.get(name)
    if not value:
        raise missing_parameter(name)
    return str(value)
