"""Lists of Stripe's that come in pages: whole, or not at all."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from service.payments.gateway import GatewayUnavailable
from tests.stripe_at_hand import gateway_to


def charge(name: str) -> dict[str, Any]:
    return {
        "id": name, "status": "succeeded", "amount": 900, "amount_refunded": 0, "currency": "eur",
        "refunded": False, "disputed": False, "created": 1,
    }  # fmt: skip


@contextmanager
def answering(pages: dict[str, Any]) -> Iterator[str]:
    """A server with a page for each `starting_after`, "" being the first."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            after = parse_qs(urlsplit(self.path).query).get("starting_after", [""])[0]
            body = json.dumps({"object": "list", "url": "/v1/charges", **pages[after]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


WHOLE = {
    "": {"data": [charge("ch_3"), charge("ch_2")], "has_more": True},
    "ch_2": {"data": [charge("ch_1")], "has_more": False},
}
BROKEN = [
    {"": {"data": [], "has_more": True}},
    {**WHOLE, "ch_2": {"data": [], "has_more": True}},
    # The same page for ever.
    {**WHOLE, "ch_2": {"data": [charge("ch_2")], "has_more": True}},
]


async def listed(pages: dict[str, Any]) -> list[str]:
    with answering(pages) as address:
        gateway = gateway_to(address)
        try:
            return [each.id for each in await gateway.charges_of("cus_1")]
        finally:
            await gateway.close()


async def test_every_page_is_read() -> None:
    assert await listed(WHOLE) == ["ch_3", "ch_2", "ch_1"]


@pytest.mark.parametrize("pages", BROKEN)
async def test_a_list_that_breaks_off_is_believed_of_nothing(pages: dict[str, Any]) -> None:
    with pytest.raises(GatewayUnavailable):
        await listed(pages)
