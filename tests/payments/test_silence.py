"""A Stripe that accepts calls and never answers holds up two of them, and then nobody."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from service.payments.configured import gateway_of_settings
from service.payments.gateway import GatewayUnavailable
from service.payments.silence import Silence
from service.settings import Settings
from tests.databases import on_sqlite

SECRET = SecretStr("sk_test_local")


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_two_unanswered_calls_begin_it_and_an_answer_ends_it() -> None:
    time = Time()
    silence = Silence(5.0, time)
    silence.unheard(0.1)  # refused at once: that costs nobody time
    for _ in range(2):
        assert not silence.refuses()
        time.now += 5
        silence.unheard(5.0)
    assert time.now - 1000.0 <= 10
    assert silence.refuses()
    time.now += 5
    # One looks, the others go on without.
    assert [silence.refuses() for _ in range(3)] == [False, True, True]
    silence.unheard(4.9)
    assert silence.refuses()
    time.now += 5
    assert not silence.refuses()
    silence.heard()
    assert [silence.refuses() for _ in range(3)] == [False] * 3


@contextlib.asynccontextmanager
async def black_hole() -> AsyncIterator[tuple[str, list[asyncio.StreamWriter]]]:
    """Takes connections and never answers; what was taken."""
    taken: list[asyncio.StreamWriter] = []

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", taken
        for writer in taken:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@on_sqlite
async def test_a_checkout_after_two_that_waited_is_refused_without_asking(
    settings: Settings,
) -> None:
    async with black_hole() as (url, taken):
        stripe = {"stripe_api_base": url, "stripe_timeout_seconds": 0.1}
        sold = settings.model_copy(update={**stripe, "stripe_secret_key": SECRET})
        gateway = gateway_of_settings(sold)
        assert gateway is not None
        for _ in range(4):
            with pytest.raises(GatewayUnavailable):
                await gateway.retrieve_checkout_session("cs_test_1")
        asked = len(taken)
        with pytest.raises(GatewayUnavailable, match="doesn't answer"):
            await gateway.retrieve_checkout_session("cs_test_1")
        assert len(taken) == asked
        await gateway.close()
