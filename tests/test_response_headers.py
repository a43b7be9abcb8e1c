"""Headers that hold for every answer, and who may see the figures."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from pydantic import SecretStr

from service.db.session import Database
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside

pytestmark = on_sqlite
PATHS = ("/", "/account", "/articles/a", "/articles/none", "/v1/articles", "/v1/me", "/admin", "/static/paywall.js",
         "/openapi.json", "/docs", "/nothing", "/v1/checkout/return", "/healthz")  # fmt: skip


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside(database, settings, clocks) as made:
        await made.publish("a")
        yield made


async def test_no_answer_may_be_framed_or_read_by_another_sites_window(paywall: Paywall) -> None:
    for path in PATHS:
        answer = await paywall.client.get(path)
        headers = answer.headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
        assert headers.get_list("X-Content-Type-Options") == ["nosniff"], path
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        is_public = headers.get("Access-Control-Allow-Origin") == "*"
        expected = "cross-origin" if is_public else "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == expected, path
        assert "Strict-Transport-Security" not in headers


async def test_in_production_browsers_come_by_https_alone(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    production = settings.model_copy(
        update={
            "environment": "production",
            "public_url": "https://paywall.example.org",
            "insecure_cookies": False,
            "secret_key": SecretStr("a-secret-key-of-production-of-enough-length"),
        }
    )
    async with inside(database, production, clocks) as made:
        for path in PATHS:
            headers = (await made.client.get(path)).headers
            assert headers["Strict-Transport-Security"] == "max-age=31536000", path


async def test_signing_out_leaves_no_page_behind_for_the_back_button(paywall: Paywall) -> None:
    for method, path in (
        ("DELETE", "/v1/session"), ("DELETE", "/v1/sessions"), ("POST", "/account/sign-out"),
        ("POST", "/account/sign-out/everywhere"), ("DELETE", "/v1/me"),
    ):  # fmt: skip
        await paywall.sign_in()
        answer = await paywall.client.request(method, path)
        assert answer.headers["Clear-Site-Data"] == '"cache"', path


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "seen"),
    [
        ("127.0.0.1", "", (), True),
        ("::1", "", (), True),
        ("203.0.113.7", "", (), False),
        # A proxy on this machine calls for somebody else, whether or not it is listed.
        ("127.0.0.1", "203.0.113.7", (), False),
        ("127.0.0.1", "127.0.0.1", (), False),
        ("127.0.0.1", "203.0.113.7", ("127.0.0.1",), False),
        ("127.0.0.1", "10.0.0.3", ("127.0.0.1",), False),
        ("203.0.113.7", "127.0.0.1", ("127.0.0.1",), False),
    ],
)
async def test_strangers_dont_learn_that_there_are_figures(
    paywall: Paywall, peer: str, forwarded: str, trusted: tuple[str, ...], seen: bool
) -> None:
    settings = paywall.settings.model_copy(update={"trusted_proxies": trusted})
    async with inside(paywall.database, settings, paywall.clocks) as made:
        transport = httpx2.ASGITransport(app=made.app, client=(peer, 123))
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        async with httpx2.AsyncClient(
            transport=transport, base_url=made.settings.public_url
        ) as one:
            figures = await one.get("/metrics", headers=headers)
            absent = await one.get("/nothing.json", headers=headers)
    assert figures.status_code == (200 if seen else absent.status_code)
    assert ("paywall_" in figures.text) is seen
