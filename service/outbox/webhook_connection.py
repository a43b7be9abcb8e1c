"""One POST to an endpoint: to an address that was checked a moment ago, and to no other.

Imported when there is something to send (webhook_client.py).
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import httpx

from service.outbox.webhook_answer import Answer, NoAnswer
from service.outbox.webhook_targets import IpAddress, Targets

_CONNECT_SECONDS = 4.0
_TEXT_SECONDS = 1.0
_MOST_OF_ANSWER = 1024
_EXCERPT = 200


@dataclass(frozen=True)
class Connection:
    """Of one try: where it may go, its patience in seconds, and whose certificates it believes."""

    targets: Targets
    patience: float
    tls: ssl.SSLContext | None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post the body; the answer, whatever its status. Redirects aren't followed.

        TargetRefused where the URL isn't allowed now, NoAnswer where nothing came back.
        """
        try:
            async with asyncio.timeout(self.patience):
                parsed = self.targets.parse(url)
                addresses = await self.targets.addresses_of(parsed)
                return await self._post_to_first(parsed, addresses, body, headers)
        except TimeoutError as error:
            raise NoAnswer(f"no answer within {self.patience:g} seconds") from error
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise NoAnswer(f"no answer: {type(error).__name__} {error}".strip()) from error

    async def _post_to_first(
        self,
        url: httpx.URL,
        addresses: list[IpAddress],
        body: bytes,
        headers: Mapping[str, str],
    ) -> Answer:
        """Go through the addresses until one takes the connection."""
        for address in addresses[:-1]:
            try:
                return await self._post_to(url, address, body, headers)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._post_to(url, addresses[-1], body, headers)

    async def _post_to(
        self, url: httpx.URL, address: IpAddress, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        # The URL names the address, so nothing is looked up again; host and certificate are the
        # name's. A client of its own: no cookie, and no connection that was made for another name.
        host = url.raw_host.decode("ascii")
        async with (
            httpx.AsyncClient(
                verify=self.tls or _usual_tls(),
                trust_env=False,
                follow_redirects=False,
                # The try as a whole has its time: a second limit would now and then be the first to end it.
                timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),
            ) as client,
            client.stream(
                "POST",
                url.copy_with(host=str(address)),
                content=body,
                headers={
                    **headers,
                    "Host": url.netloc.decode("ascii"),
                    "Content-Type": "application/json",
                    "User-Agent": "Paywall-Webhooks/1",
                    "Accept-Encoding": "identity",
                },
                extensions={"sni_hostname": host.strip("[]")},
            ) as answer,
        ):
            # What a receiver says about success isn't needed.
            said = "" if answer.is_success else await _beginning(answer)
            return Answer(answer.status_code, said)


@cache
def _usual_tls() -> ssl.SSLContext:
    # Made once, when it is first needed: reading the authorities takes a while.
    return httpx.create_ssl_context(trust_env=False)


async def _beginning(answer: httpx.Response) -> str:
    """Some of the text in one line, or what of it came; the status counts without it.

    Raw: a few bytes that unpack to very many are left as they are.
    """
    held = b""
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(_TEXT_SECONDS):
            async for chunk in answer.aiter_raw():
                held += chunk
                if len(held) >= _MOST_OF_ANSWER:
                    break
    text = held[:_MOST_OF_ANSWER].decode(errors="replace")
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[
        :_EXCERPT
    ]
