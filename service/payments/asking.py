"""Asking Stripe on behalf of somebody who waits: in time, and with answers they can act on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import structlog
from fastapi import Depends
from starlette.requests import HTTPConnection

from service.payments.deadline import deadline
from service.payments.gateway import (
    Gateway,
    GatewayKeyRefused,
    GatewayRefused,
    GatewayUnavailable,
)
from service.payments.reach import Payments
from service.problems import Problem
from service.running import running_of
from service.settings import Settings

RETRY_AFTER_SECONDS = "5"

log = structlog.get_logger()


async def gateway_of(connection: HTTPConnection) -> Gateway:
    """The gateway of the application that answers this request, or Problem `selling-is-off`."""
    gateway = running_of(connection).get(Payments).gateway
    if gateway is None:
        raise Problem("selling-is-off")
    return gateway


AppGateway = Annotated[Gateway, Depends(gateway_of)]


@asynccontextmanager
async def asking_stripe(settings: Settings) -> AsyncIterator[None]:
    """All calls inside together get the configured time (PAYWALL_STRIPE_TIMEOUT_SECONDS).

    Raises Problem `stripe-unavailable`, and `purchase-refused` for what Stripe will never do.
    """
    try:
        async with deadline(settings.stripe_timeout_seconds):
            yield
    except GatewayUnavailable as error:
        tell = log.error if isinstance(error, GatewayKeyRefused) else log.warning
        tell("stripe.unavailable", reason=str(error))
        headers = {"Retry-After": RETRY_AFTER_SECONDS}
        raise Problem("stripe-unavailable", headers=headers) from error
    except GatewayRefused as error:
        log.error("stripe.refused", code=error.code, reason=error.reason)  # noqa: TRY400 foreseen
        raise Problem("purchase-refused") from error
