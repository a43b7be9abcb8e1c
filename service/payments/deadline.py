"""How long callers wait for Stripe, however many calls they make."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.payments.gateway import GatewayUnavailable


@asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[None]:
    """GatewayUnavailable when the calls inside take longer than this together."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise GatewayUnavailable(f"Stripe didn't answer within {seconds:g} seconds.") from error
