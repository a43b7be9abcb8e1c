"""What a token is for: articles, or the account; and what needs a sign-in just now."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from service.db.session import Database
from service.identity.declarations import declared_routes
from service.identity.permissions import SignedIn
from service.settings import Settings
from tests.account.visitor import Visitor
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.mailbox import newest_mail

ANA = "ana@gazette.example"
pytestmark = on_sqlite

BESIDES = [
    ("POST", "/v1/checkout", {"offer": "monthly", "return_to": "/"}),
    ("POST", "/v1/sign-in/confirm", {"token": "x"}),
    ("POST", "/v1/checkout/cs_test_1/complete", {}),
    ("GET", "/account", None),
]
"""Public calls that act for the reader where one is known."""


async def app_of(paywall: Paywall) -> Visitor:
    """An app in which Ana is signed in, with a subscription's grant."""
    app = Visitor(paywall.client, paywall.settings, "app")
    await app.ask(ANA)
    mail = await newest_mail(paywall.database, ANA)
    assert (await app.confirm(token=mail.token)).status_code == 200
    return app


async def token_of(app: Visitor, scope: str) -> dict[str, str]:
    answer = await app.refresh(scope=scope)
    assert answer.status_code == 200, answer.text
    app.token = app.handed(answer)
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def call(
    paywall: Paywall, method: str, path: str, headers: dict[str, str], json: Any = None
) -> httpx2.Response:
    async with paywall.new_client() as client:
        return await client.request(method, path, json=json, headers=headers)


async def test_a_token_for_reading_opens_articles_and_nothing_else(mailed: Paywall) -> None:
    reading = await token_of(await app_of(mailed), "articles:read")
    of_the_account = [
        (method, path, None)
        for (method, path), may_call in declared_routes(mailed.app.routes).items()
        if may_call == SignedIn()
    ]
    assert len(of_the_account) > 10
    for method, path, body in of_the_account + BESIDES:
        answer = await call(mailed, method, path, reading, body)
        assert answer.status_code == 403, (method, path, answer.text)
        if path.startswith("/v1"):
            assert answer.json()["type"] == "/problems/insufficient-scope"
            assert 'scope="account"' in answer.headers["WWW-Authenticate"]
    read = await call(mailed, "POST", "/v1/articles/for-members/unlock", reading)
    assert read.json()["reason"] == "registered"
    assert (await call(mailed, "GET", "/v1/articles/for-members/full", reading)).status_code == 200


async def test_a_token_for_the_account_opens_no_article_at_an_edge(mailed: Paywall) -> None:
    account = await token_of(await app_of(mailed), "account")
    me = await call(mailed, "GET", "/v1/me", account)
    assert me.json()["email"] == ANA
    for slug in ("a", "for-members", "premium"):
        full = await call(mailed, "GET", f"/v1/articles/{slug}/full", account)
        assert (full.status_code, full.json()["type"]) == (403, "/problems/article-not-covered")
    # A browser's session is its cookie: no page's script gets a token for the account.
    body = {"scope": "account"}
    assert (await call(mailed, "POST", "/v1/session/token", {}, body)).status_code == 422


async def test_what_the_meter_opened_is_closed_once_subscribers_alone_may_read(
    mailed: Paywall,
) -> None:
    token = (await mailed.unlock("a")).json()["token"]
    assert (await mailed.full("a", token)).status_code == 200
    for level in ("registered", "subscribers"):
        await mailed.publish("a", access={"level": level})
        assert (await mailed.full("a", token)).status_code == 403


NEEDS_A_RECENT_SIGN_IN = [
    ("DELETE", "/v1/me"), ("POST", "/v1/portal"), ("GET", "/account/erase"), ("POST", "/account/erase"),
    ("POST", "/account/portal"), ("POST", "/v1/me/address"), ("POST", "/account/address"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), NEEDS_A_RECENT_SIGN_IN)
async def test_somebody_at_the_readers_device_later_has_to_sign_in_once_more(
    mailed: Paywall, clocks: MovingClocks, method: str, path: str
) -> None:
    browser = Visitor(mailed.client, mailed.settings)

    async def sign_in() -> None:
        await browser.ask(ANA)
        mail = await newest_mail(mailed.database, ANA)
        assert (await browser.confirm(token=mail.token)).status_code == 200

    await sign_in()
    clocks.travel(timedelta(minutes=15, seconds=1))
    refused = await browser.call(method, path, {"return_to": "/"})
    assert refused.status_code == 403
    assert "Sign in again" in refused.text
    assert (await browser.me()).status_code == 200
    await sign_in()
    clocks.travel(timedelta(minutes=15))
    body = None if path == "/v1/me" else {"return_to": "/"}
    assert (await browser.call(method, path, body)).status_code != 403


async def test_where_no_mail_is_sent_nobody_has_to_sign_in_once_more(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    async with inside(database, settings, clocks) as paywall:
        await paywall.sign_in()
        clocks.travel(timedelta(hours=1))
        assert (await paywall.client.delete("/v1/me")).status_code == 204
