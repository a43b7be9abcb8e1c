"""A reader's session over HTTP: tokens that carry live grants, and signing out."""

from collections.abc import AsyncIterator
from datetime import timedelta

import jwt
import pytest

from service.db.session import Database
from service.identity.cookies import cookie_name
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside(database, settings, clocks) as made:
        await made.publish("premium", access={"level": "subscribers"})
        yield made


@on_sqlite
async def test_a_token_tells_of_live_grants_and_nothing_private(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    reader_id = await paywall.sign_in("plan:digital")
    answer = await paywall.client.post("/v1/session/token")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert claims["sub"] == reader_id
    assert claims["exp"] - claims["iat"] == 600
    assert [(each["plan"], each["scope"]) for each in claims["ent"]] == [
        ("digital", "plan:digital")
    ]
    assert "@" not in str(claims)
    assert (await paywall.full("premium", body["access_token"])).status_code == 200


@on_sqlite
async def test_nobody_gets_a_token(paywall: Paywall, settings: Settings) -> None:
    name = cookie_name("session", settings)
    for cookie in ("", "x", "x" * 4000, "'; --", "%00"):
        answer = await paywall.client.post(
            "/v1/session/token", headers={"Cookie": f"{name}={cookie}"}
        )
        assert answer.status_code == 401, cookie
    assert (await paywall.client.delete("/v1/session")).status_code == 401


async def test_signing_out_ends_the_session_here_and_elsewhere(
    paywall: Paywall, settings: Settings
) -> None:
    await paywall.sign_in("plan:digital")
    secret = paywall.client.cookies[cookie_name("session", settings)]
    assert (await paywall.unlock("premium")).status_code == 200
    out = await paywall.client.delete("/v1/session")
    assert out.status_code == 204
    assert "Max-Age=0" in out.headers["Set-Cookie"]
    async with paywall.new_client() as thief:
        thief.cookies.set(cookie_name("session", settings), secret)
        assert (await thief.post("/v1/session/token")).status_code == 401
        assert (await thief.post("/v1/articles/premium/unlock")).status_code == 402


@on_sqlite
async def test_a_session_ends_when_unused_and_at_last(
    paywall: Paywall, settings: Settings, clocks: MovingClocks
) -> None:
    await paywall.sign_in()
    step = timedelta(days=settings.session_idle_days) - timedelta(minutes=1)
    start = clocks.wall()
    while clocks.wall() + step < start + timedelta(days=settings.session_days):
        clocks.travel(step)
        assert (await paywall.client.post("/v1/session/token")).status_code == 200
    clocks.travel(step)
    assert (await paywall.client.post("/v1/session/token")).status_code == 401


@on_sqlite
async def test_an_idle_session_ends(
    paywall: Paywall, settings: Settings, clocks: MovingClocks
) -> None:
    await paywall.sign_in()
    clocks.travel(timedelta(days=settings.session_idle_days))
    assert (await paywall.client.post("/v1/session/token")).status_code == 401


@on_sqlite
async def test_another_site_acts_for_nobody(paywall: Paywall) -> None:
    await paywall.sign_in()
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        for method, address in (("POST", "/v1/session/token"), ("DELETE", "/v1/session")):
            answer = await paywall.client.request(method, address, headers=headers)
            assert answer.status_code == 403, headers
    assert (await paywall.client.post("/v1/session/token")).status_code == 200
