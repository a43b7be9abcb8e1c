"""The connection to Stripe, and the only module that imports its SDK.

Its answers are converted at once: a StripeObject has no `.get` and follows the API's moods.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any

import stripe
import structlog
from stripe import HTTPXClient, StripeClient, StripeObject

from service.payments.deadline import deadline
from service.payments.gateway import GatewayRefused, GatewayUnavailable

log = structlog.get_logger()

API_VERSION = stripe.api_version
"""The version of the API that the SDK speaks, and in which webhooks are worded for us."""
_RETRIES = 2
_PAGE = 100
"""The most that Stripe lists at once."""


class StripeConnection:
    """Asks Stripe's API at `api_base`, or Stripe itself; the subclasses know what to ask."""

    def __init__(
        self,
        *,
        secret_key: str,
        webhook_secrets: Sequence[str],
        api_base: str | None,
        timeout_seconds: float,
        http: stripe.HTTPClient | None = None,
    ) -> None:
        """`http` carries the requests, by default over the network."""
        self._webhook_secrets = webhook_secrets
        self._seconds = timeout_seconds
        self._http = http or HTTPXClient(timeout=timeout_seconds)
        self._client = StripeClient(
            secret_key,
            base_addresses={"api": api_base.rstrip("/")} if api_base else None,
            max_network_retries=_RETRIES,
            http_client=self._http,
        )

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the SDK left it untyped

    async def _ask(self, call: Awaitable[StripeObject]) -> dict[str, Any]:
        try:
            async with deadline(self._seconds):
                answer = await call
        except (stripe.APIConnectionError, stripe.APIError, stripe.RateLimitError) as error:
            raise GatewayUnavailable(error.user_message or "Stripe can't be reached.") from error
        except (stripe.AuthenticationError, stripe.PermissionError) as error:
            # No reader can help this: for them Stripe is away, the operator finds the reason here.
            log.exception("stripe.key_refused", code=error.code)
            raise GatewayUnavailable("Stripe refuses our API key.") from error
        except stripe.StripeError as error:
            # A conflict is another request with the same idempotency key that is still under way.
            if error.http_status in {None, HTTPStatus.CONFLICT}:
                raise GatewayUnavailable(error.user_message or "Stripe is busy.") from error
            raise GatewayRefused(error.user_message or "no reason given", error.code) from error
        return answer.to_dict()

    async def _all(
        self, listing: Callable[[Any], Awaitable[StripeObject]], asked: dict[str, Any]
    ) -> list[dict[str, Any]]:
        return [document async for document in self._pages(listing, asked)]

    async def _pages(
        self, listing: Callable[[Any], Awaitable[StripeObject]], asked: dict[str, Any]
    ) -> AsyncIterator[dict[str, Any]]:
        """Every page of a list, each in its own time."""
        after: dict[str, Any] = {}
        while True:
            answer = await self._ask(listing({**asked, "limit": _PAGE, **after}))
            for document in answer["data"]:
                yield document
            if not answer["has_more"]:
                return
            last = answer["data"][-1]["id"] if answer["data"] else None
            if last in {None, after.get("starting_after")}:
                # What is cut short would be believed to be all: no open invoice, no dispute.
                raise GatewayUnavailable("Stripe's list breaks off.")
            after = {"starting_after": last}

    def _is_signed(self, payload: bytes, signature: str) -> bool:
        """Whether one of our secrets signed the body: there are two while they are exchanged."""
        for secret in self._webhook_secrets:
            try:
                stripe.WebhookSignature.verify_header(payload, signature, secret)
            except (stripe.SignatureVerificationError, UnicodeDecodeError):
                continue
            return True
        return False
