"""How Stripe's refusals and silences are told to those who ask it."""

from collections.abc import Mapping
from typing import Any

import pytest
import stripe

from service.payments.gateway import GatewayRefused, GatewayUnavailable
from tests.stripe_at_hand import URL, gateway_to

TOLD = b'{"error": {"type": "api_error", "message": "No"}}'


class Answers(stripe.HTTPClient):
    """A Stripe that answers everything with this status and body."""

    name = "answers"

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self._answer = body, status

    async def request_async(self, *_: Any, **__: Any) -> tuple[bytes, int, Mapping[str, str]]:
        return *self._answer, {}

    async def sleep_async(self, _: float) -> None:
        """The SDK tries again at once."""

    async def close_async(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (500, TOLD, GatewayUnavailable),
        (503, b"", GatewayUnavailable),
        (429, TOLD, GatewayUnavailable),
        (409, TOLD, GatewayUnavailable),
        (401, TOLD, GatewayUnavailable),
        (403, TOLD, GatewayUnavailable),
        (200, b"<html>", GatewayUnavailable),
        (400, TOLD, GatewayRefused),
        (402, TOLD, GatewayRefused),
        (404, TOLD, GatewayRefused),
    ],
)
async def test_what_a_caller_is_told(status: int, body: bytes, told: type[Exception]) -> None:
    gateway = gateway_to(URL, http=Answers(status, body))
    with pytest.raises(told):
        await gateway.retrieve_subscription("sub_1")


async def test_a_key_that_may_not_read_invoice_items_sells_all_the_same() -> None:
    gateway = gateway_to(URL, http=Answers(403, TOLD))
    assert await gateway.pending_prorations_of("cus_1", "sub_1") == ()
