"""A local Stripe: a stateful simulation that the unmodified SDK can talk to over HTTP.

No money moves. It enters an installation by the front door: Stripe's API below `/v1`, hosted pages
below `/checkout` and `/portal`, signed webhooks, and a few hooks of its own below `/_sim`.
"""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from service.simulator.account import ensure_account
from service.simulator.api import ApiRequest, answer
from service.simulator.billing import pausing, resuming, test_clocks
from service.simulator.billing.collection import handle_retry
from service.simulator.billing.cycle import HANDLERS
from service.simulator.billing.subscriptions import handle_cancellation
from service.simulator.catalogue import coupons, discounts, promotion_codes
from service.simulator.checkout.places import Place, asks_for_place
from service.simulator.checkout.purchase import (
    Buyer,
    authentication_address,
    pay,
    success_address,
)
from service.simulator.checkout.sessions import handle_expiry
from service.simulator.checkout.settlement import handle_settlement, settle_session
from service.simulator.delivery import Courier, DeliveryRules
from service.simulator.events.chaos import Chaos, ChaosRules
from service.simulator.events.endpoints import WebhookTarget, register_targets
from service.simulator.hooks.banks import Hooks
from service.simulator.hooks.disturbances import Disturbances, LostResponse
from service.simulator.hooks.faults import Faults
from service.simulator.pages.hosted import Pages
from service.simulator.payments import disputes, payouts, refunds
from service.simulator.payments.cards import CardEntry, default_expiry
from service.simulator.payments.debits import PAYING_ACCOUNT
from service.simulator.periods import DAY
from service.simulator.portal.configurations import ensure_configuration
from service.simulator.protocol.errors import StripeError, invalid_parameter
from service.simulator.store import Store
from service.simulator.world import Rules, World

_LONGEST_JUMP = 3_660 * DAY

__all__ = [
    "ChaosRules",
    "DeliveryRules",
    "Rules",
    "Simulator",
    "WebhookTarget",
    "create_simulator",
]


class Simulator:
    """The local Stripe as an ASGI application; mount it under a prefix or run it at `/`.

    Run alone it starts and stops with the server's lifespan; mounted, its host calls `start` and
    `stop`.
    """

    def __init__(self, world: World, courier: Courier, chaos: Chaos) -> None:
        """Use `create_simulator`."""
        self.world = world
        self.chaos = chaos
        self.faults = Faults()
        self._courier = courier
        world.on_commit = courier.wake
        self._app = Starlette(
            routes=[
                Route("/v1/{path:path}", self._api, methods=["GET", "POST", "DELETE"]),
                Route("/_sim/clock", self._clock, methods=["GET", "POST"]),
                Route("/_sim/deliver", self._deliver, methods=["POST"]),
                Route("/_sim/checkout/{session}/pay", self._pay, methods=["POST"]),
                Route("/_sim/checkout/{session}/settle", self._settle, methods=["POST"]),
                *Disturbances(world, chaos, self.faults).routes(),
                *Hooks(world).routes(),
                *Pages(world).routes(),
            ],
            lifespan=self._lifespan,
            exception_handlers={sqlite3.OperationalError: _cannot_keep},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        await self._app(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        await self.start()
        try:
            yield
        finally:
            await self.stop()

    async def start(self) -> None:
        """Catch up with what fell due while it was away, and deliver webhooks from now on."""
        self.world.catch_up()
        self._courier.start()

    async def stop(self) -> None:
        """Stop delivering and close the database; what is queued waits in it."""
        await self._courier.stop()
        self.world.store.close()

    async def deliver_pending(self) -> int:
        """Deliver all webhooks that are due.

        Returns:
            How many were accepted. Call it on the loop that serves, or without `start`.
        """
        return await self._courier.deliver_pending()

    def advance_to(self, to: datetime) -> int:
        """Move world time forwards; returns it as Unix seconds.

        Raises:
            StripeError: `to` lies in the past of the world.
        """
        return self.world.advance_to(to)

    def follow(self, other: datetime) -> None:
        """Move world time forwards to `other`, unless it is there or beyond already."""
        if other.timestamp() > self.world.now:
            self.world.advance_to(other)

    async def _api(self, request: Request) -> Response:
        body = await request.body()
        headers = request.headers
        path = "/v1/" + request.path_params["path"]
        fault = self.faults.take(request.method, path)
        refusal = fault.refusal() if fault else None
        if refusal is not None:
            return JSONResponse(refusal.body(), refusal.status)
        given = answer(
            self.world,
            ApiRequest(
                method=request.method,
                path=path,
                encoded=body.decode("utf-8", "replace")
                if request.method == "POST"
                else request.url.query,
                authorization=headers.get("authorization", ""),
                version=headers.get("stripe-version"),
                idempotency_key=headers.get("idempotency-key"),
            ),
        )
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        answered = LostResponse if fault and fault.kind == "lose_answer" else Response
        return answered(
            given.body, given.status, headers=given.headers, media_type="application/json"
        )

    async def _clock(self, request: Request) -> Response:
        try:
            if request.method == "POST":
                to = _instant(await _object(request))
                _refuse_far(to, self.world.now)
                self.world.advance_to(to)
        except StripeError as error:
            return JSONResponse(error.body(), error.status)
        return JSONResponse({"now": self.world.now})

    async def _deliver(self, request: Request) -> Response:
        if request.query_params.get("release") == "true":
            with self.world.transaction():
                self.chaos.release()
        return JSONResponse({"delivered": await self.deliver_pending()})

    async def _pay(self, request: Request) -> Response:
        world = self.world
        try:
            entries = await _object(request)
            world.catch_up()
            session = world.fetch("checkout.session", request.path_params["session"])
            with world.transaction(about=session):
                refusal = pay(world, session, _buyer(entries, session, world.now))
        except StripeError as error:
            refusal = error
        if refusal is not None:
            body = refusal.body()
            if refusal.code == "authentication_required":
                body["next"] = authentication_address(world, session)
            return JSONResponse(body, refusal.status)
        return JSONResponse({"status": "complete", "redirect_url": success_address(session)})

    async def _settle(self, request: Request) -> Response:
        world = self.world
        try:
            entries = await _object(request)
            succeed = entries.get("succeed")
            if not isinstance(succeed, bool):
                raise invalid_parameter("succeed", 'Send {"succeed": true} or {"succeed": false}.')
            world.catch_up()
            session = world.fetch("checkout.session", request.path_params["session"])
            with world.transaction(about=session):
                settled = settle_session(world, session, succeed=succeed)
        except StripeError as error:
            return JSONResponse(error.body(), error.status)
        return JSONResponse({"payment_status": settled["payment_status"]})


async def _cannot_keep(_: Request, error: Exception) -> Response:
    """A full disk, say: as Stripe tells failures of its own. Nothing was done."""
    refusal = StripeError(500, f"The local Stripe can't keep its data: {error}.", kind="api_error")
    return JSONResponse(refusal.body(), refusal.status)


async def _object(request: Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.body())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise StripeError(400, "Send a JSON object.")
    return value


def _instant(entries: dict[str, Any]) -> datetime:
    value = entries.get("to")
    try:
        if isinstance(value, str) and not value.isdigit():
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return datetime.fromtimestamp(int(str(value)), UTC)
    except (ValueError, OverflowError):
        raise StripeError(
            400, 'Send {"to": …} as an RFC 3339 time or Unix seconds.', param="to"
        ) from None


def _refuse_far(to: datetime, now: int) -> None:
    if to.timestamp() - now > _LONGEST_JUMP:
        raise StripeError(400, "The clock moves at most ten years at once.", param="to")


def _buyer(entries: dict[str, Any], session: dict[str, Any], now: int) -> Buyer:
    details = session["customer_details"] or {}
    authenticate = entries.get("authenticate")
    buyer = Buyer(
        email=str(entries.get("email") or details.get("email") or "reader@example.com"),
        name=str(entries.get("name") or details.get("name") or "Test Reader"),
        authenticate=authenticate if isinstance(authenticate, bool) else None,
        place=Place(
            str(entries.get("country") or "DE"),
            str(entries.get("postal_code") or "10115"),
            str(entries.get("tax_id") or ""),
        )
        if asks_for_place(session)
        else None,
    )
    if entries.get("method") == "bank_debit":
        return replace(buyer, account=str(entries.get("account") or PAYING_ACCOUNT))
    if not entries.get("card"):
        return buyer
    card = CardEntry(
        str(entries["card"]),
        str(entries.get("exp") or default_expiry(now)),
        str(entries.get("cvc") or "123"),
    )
    return replace(buyer, card=card)


def create_simulator(
    *,
    database: Path | None,
    public_url: str,
    wall_now: Callable[[], datetime],
    endpoints: Sequence[WebhookTarget] = (),
    rules: Rules | None = None,
    delivery: DeliveryRules | None = None,
    chaos: ChaosRules | None = None,
) -> Simulator:
    """Assemble a local Stripe.

    Args:
        database: its SQLite file, created if absent; None keeps everything in memory.
        public_url: its root as browsers reach it; hosted pages hand out URLs below it.
        wall_now: the real time, aware UTC. World time is this plus what `/_sim/clock` added.
        endpoints: webhook receivers, created or brought up to date by their URL.
        rules: billing settings such as what ends dunning.
        delivery: retries and time-out of webhooks.
        chaos: how deliveries are disturbed, not at all by default; `/_sim/chaos` changes it.
    """
    world = create_world(database=database, public_url=public_url, wall_now=wall_now, rules=rules)
    with world.transaction():
        register_targets(world, endpoints)
    disturbing = Chaos(world, chaos)
    return Simulator(world, Courier(world, delivery or DeliveryRules(), disturbing), disturbing)


def create_world(
    *,
    database: Path | None,
    public_url: str,
    wall_now: Callable[[], datetime],
    rules: Rules | None = None,
) -> World:
    """A simulated world with its account, which nobody serves; the arguments are `create_simulator`'s."""
    world = World(Store(database), wall_now, rules or Rules(), public_url)
    world.handlers |= {
        **HANDLERS,
        **coupons.HANDLERS,
        **discounts.HANDLERS,
        **disputes.HANDLERS,
        **pausing.HANDLERS,
        **payouts.HANDLERS,
        **promotion_codes.HANDLERS,
        **refunds.HANDLERS,
        **resuming.HANDLERS,
        **test_clocks.HANDLERS,
        "debit.settle": handle_settlement,
        "invoice.retry": handle_retry,
        "session.expire": handle_expiry,
        "subscription.cancel": handle_cancellation,
    }
    with world.transaction():
        ensure_account(world)
        ensure_configuration(world)
    return world
