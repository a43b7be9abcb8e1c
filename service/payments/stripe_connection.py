"""The connection to Stripe, and the only module that imports its SDK.

Its answers are converted at once: a StripeObject has no `.get` and follows the API's moods.
"""

import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from http import HTTPStatus
from typing import Any

import stripe
from stripe import HTTPXClient, StripeClient, StripeObject

from service.payments.contact import Contact
from service.payments.deadline import deadline
from service.payments.gateway import (
    GatewayKeyRefused,
    GatewayPermissionMissing,
    GatewayRefused,
    GatewayUnavailable,
)
from service.payments.silence import Silence

# httpcore 1.0 looks for this package several times a request, and Python remembers none that it didn't find: as None it
# counts as not installed. The SDK waits for httpcore's successor, where that is mended.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]

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
        self.contact = Contact(time.monotonic)
        self._silence = Silence(timeout_seconds, time.monotonic)
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
        if self._silence.refuses():
            if isinstance(call, Coroutine):
                call.close()
            raise GatewayUnavailable("Stripe doesn't answer.")
        started, heard = time.monotonic(), False
        try:
            answer = await self._answer(call)
            heard = True
        except (GatewayRefused, GatewayKeyRefused):
            heard = True
            raise
        finally:  # also where the caller gives up
            if heard:
                self._silence.heard()
            else:
                self._silence.unheard(time.monotonic() - started)
        if answer.last_response is not None:
            self.contact.answered(answer.last_response.headers or {})
        return answer.to_dict()

    async def _answer(self, call: Awaitable[StripeObject]) -> StripeObject:
        try:
            async with deadline(self._seconds):
                return await call
        except stripe.APIConnectionError as error:
            raise GatewayUnavailable("Stripe can't be reached.") from error
        except (stripe.APIError, stripe.RateLimitError) as error:
            raise GatewayUnavailable(error.user_message or "Stripe is in trouble.") from error
        except (stripe.AuthenticationError, stripe.PermissionError) as error:
            refused = _key_refused(error)
            self.contact.key_refused = str(refused)
            raise refused from error
        except stripe.StripeError as error:
            # A conflict is another request with the same idempotency key that is still under way.
            if error.http_status in {None, HTTPStatus.CONFLICT}:
                raise GatewayUnavailable(error.user_message or "Stripe is busy.") from error
            raise GatewayRefused(error.user_message or "no reason given", error.code) from error

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


def _key_refused(error: stripe.StripeError) -> GatewayKeyRefused:
    """What is wrong with the key, in a few words and without the key."""
    if isinstance(error, stripe.PermissionError):
        return GatewayPermissionMissing("a restricted key, it lacks a permission that this needs")
    expired = error.code == "api_key_expired"
    return GatewayKeyRefused("it has expired" if expired else "no account has it")
