"""Stripe down, silent or failing: buying says so in time, and reading goes on untouched."""

import asyncio
import contextlib
import dataclasses
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from service.app import create_app
from service.db.tables import Grant
from service.payments.asking import asking_stripe
from service.payments.configured import gateway_of_settings
from service.problems import Problem
from service.settings import Settings
from tests.checkout.rows import rows
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.served import Installation, installation, serving


def failing(status: int, body: bytes) -> ASGIApp:
    """A Stripe that answers everything with this."""

    async def answer(_: Request) -> Response:
        return Response(body, status)

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST", "DELETE"])])


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """A socket that accepts and never answers."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    held.append(server.accept()[0])

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)
    for connection in held:
        connection.close()


@contextlib.contextmanager
def stripe_that(fails: str) -> Iterator[str]:
    if fails == "is down":
        yield f"http://127.0.0.1:{free_port()}"
    elif fails == "is silent":
        with silent() as url:
            yield url
    else:
        status, _, body = fails.partition(" ")
        app = failing(int(status), body.encode() or b'{"error": {"type": "api_error"}}')
        with serving(app, free_port()) as url:
            yield url


@pytest.fixture
def bought(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    """A site with a subscriber; its Stripe tells nothing by itself."""
    with installation(settings, clocks, webhooks=False) as made:
        made.publish("a", access={"level": "subscribers"})
        for slug in "bcd":
            made.publish(slug)
        made.subscribe()
        yield made


STRIPE_SECONDS = 0.5
FAILURES = ["is down", "is silent", "500"]
"""What else Stripe may answer, `tests/payments/test_refusals.py` knows."""


@on_sqlite
def test_buying_says_so_in_time_and_reading_goes_on(bought: Installation) -> None:
    cookies = dict(bought.browser.cookies)
    pending = _pending(bought)
    for fails in FAILURES:
        with stripe_that(fails) as stripe_url, service_beside(bought, stripe_url) as site:
            # Nothing is known at this Stripe yet, so the offer has to be mirrored first.
            with ThreadPoolExecutor(6) as pool:
                returning = pool.submit(_come_back, site, pending)
                managing = pool.submit(_manage, site, cookies)
                started = list(pool.map(lambda _: _start(site), range(4)))
                answers = [*started, returning.result(), managing.result()]
            assert [each[0] for each in answers] == [503] * 6, (fails, answers)
            assert all(int(each[1]) > 0 for each in answers)
            with site.new_browser() as reader:
                reader.cookies.update(cookies)
                assert reader.post("/v1/articles/a/unlock").json()["reason"] == "subscription"
                assert reader.get("/v1/articles/a").status_code == 200
                assert reader.get("/v1/offers").status_code == 200
    assert bought.unlock("a").status_code == 200
    with bought.new_browser() as other:
        assert other.post("/v1/articles/b/unlock").status_code == 200


@on_sqlite
async def test_calls_that_are_answered_one_by_one_get_one_time_together(settings: Settings) -> None:
    hurried = settings.model_copy(update={"stripe_timeout_seconds": 0.01})

    async def ask_again_and_again() -> None:
        async with asking_stripe(hurried):
            for _ in count():
                await asyncio.sleep(0)

    with pytest.raises(Problem, match="stripe-unavailable") as refused:
        await ask_again_and_again()
    assert refused.value.headers["Retry-After"]


def _start(site: Installation) -> tuple[int, str]:
    with site.new_browser() as buyer:
        answer = buyer.post(
            "/v1/checkout", json={"offer": site.offers["yearly"], "return_to": "/articles/a"}
        )
    return answer.status_code, answer.headers.get("Retry-After", "0")


def _come_back(site: Installation, pending: str) -> tuple[int, str]:
    with site.new_browser() as buyer:
        page = buyer.get("/v1/checkout/return", params={"session_id": pending})
    assert "nothing is lost" in page.text
    return page.status_code, page.headers.get("Retry-After", "0")


def _manage(site: Installation, cookies: dict[str, str]) -> tuple[int, str]:
    with site.new_browser() as reader:
        reader.cookies.update(cookies)
        answer = reader.post("/v1/portal", json={"return_to": "/"})
    return answer.status_code, answer.headers.get("Retry-After", "0")


def _pending(site: Installation) -> str:
    """A paid session that nobody has come back from."""
    with site.new_browser() as other:
        body = {"offer": site.offers["monthly"], "return_to": "/articles/a"}
        session_id: str = other.post("/v1/checkout", json=body).json()["session_id"]
    site.pay(session_id)
    return session_id


@contextlib.contextmanager
def service_beside(site: Installation, stripe_url: str) -> Iterator[Installation]:
    """The same installation as another service sees it, whose Stripe is at `stripe_url`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = site.settings.model_copy(
        update={
            "stripe_api_base": stripe_url,
            "public_url": url,
            "stripe_timeout_seconds": STRIPE_SECONDS,
        }
    )
    app = create_app(settings, gateway=gateway_of_settings(settings), clocks=site.clocks)
    with serving(app, port):
        other = dataclasses.replace(site, url=url, stripe_url=stripe_url, settings=settings)
        with other.browser:
            yield other


@on_sqlite
def test_what_was_paid_while_we_could_not_ask_is_fulfilled_afterwards(
    bought: Installation,
) -> None:
    session_id = _pending(bought)
    with stripe_that("503") as stripe_url, service_beside(bought, stripe_url) as site:
        page = site.browser.get("/v1/checkout/return", params={"session_id": session_id})
        assert page.status_code == 503
    before = len(rows(bought, Grant))
    page = bought.browser.get("/v1/checkout/return", params={"session_id": session_id})
    assert page.status_code == 200
    assert len(rows(bought, Grant)) == before + 1
