"""The demo's mailbox: what was mailed, for anybody at this machine, and in the demo alone."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from service.app import create_app
from service.db.session import Database
from service.demo import routes
from service.outbox.mails import put_mail
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.demo.process import running_demo
from tests.forked import processes
from tests.inside import Paywall, inside
from tests.patience import PATIENCE

LINK = "http://127.0.0.1:8000/account/sign-in?token=a&b=%22"


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    settings = settings.model_copy(update={"mail_from": "Gazette <hello@example.org>"})
    async with inside(database, settings, clocks) as paywall:
        paywall.app.include_router(routes.router)
        yield paywall


async def mailed(paywall: Paywall, to: str, code: str = "012345") -> str:
    async with paywall.database.transaction() as session:
        mail = await put_mail(
            session, kind="sign-in", to=to, to_key=to, reader_id=None, settings=paywall.settings,
            now=paywall.clocks.wall(), link=LINK, code=code, minutes=10,
        )  # fmt: skip
    assert mail is not None
    return mail.id


@on_sqlite
async def test_the_newest_is_first(paywall: Paywall) -> None:
    empty = await paywall.client.get("/mailbox")
    assert "There is none yet" in empty.text
    first = await mailed(paywall, "ana@example.org")
    paywall.clocks.travel(timedelta(minutes=5))
    second = await mailed(paywall, "ben@example.org")
    page = await paywall.client.get("/mailbox")
    assert page.headers["Cache-Control"] == "private, no-store"
    assert re.findall(r'href="/mailbox/(\w+)"', page.text) == [second, first]
    assert "to <bdi>ben@example.org</bdi>" in page.text
    assert "10 March 2026, 09:05" in page.text


@on_sqlite
async def test_a_mail_is_shown_as_text_and_in_a_frame_that_may_do_nothing(
    paywall: Paywall,
) -> None:
    mail_id = await mailed(paywall, "ana@example.org")
    page = await paywall.client.get(f"/mailbox/{mail_id}")
    assert page.status_code == 200
    assert "012345" in page.text
    (link,) = re.findall(r'href="(http://127[^"]*)"', page.text)
    assert unescape(link) == LINK
    assert f'src="/mailbox/{mail_id}/html" sandbox="allow-top-nav' in page.text
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    html = await paywall.client.get(f"/mailbox/{mail_id}/html")
    policy = html.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy + page.text
    assert "allow-same-origin" not in policy + page.text
    assert '<base target="_top">' in html.text
    assert "012345" in html.text


@on_sqlite
async def test_values_are_escaped(paywall: Paywall) -> None:
    mail_id = await mailed(paywall, "<img src=x>@example.org", code="<b>1</b>")
    for address in ("/mailbox", f"/mailbox/{mail_id}", f"/mailbox/{mail_id}/html"):
        page = await paywall.client.get(address)
        assert page.status_code == 200
        assert "<img" not in page.text
        assert "<b>1" not in page.text


@on_sqlite
async def test_what_is_not_there_is_a_page(paywall: Paywall) -> None:
    for address in ("mail_1", "mail_1/html", "mail_%00", "1", "%2e%2e", "mail_1%0a"):
        missing = await paywall.client.get(f"/mailbox/{address}")
        assert missing.status_code in {404, 422}, address
        assert "text/html" in missing.headers["Content-Type"]


@on_sqlite
def test_the_service_itself_has_no_mailbox(settings: Settings, clocks: MovingClocks) -> None:
    app = create_app(settings, gateway=None, clocks=clocks)
    assert not [c.path for c in iter_route_contexts(app.routes) if "mailbox" in (c.path or "")]


@processes
def test_a_link_to_sign_in_arrives_in_the_demo(tmp_path: Path) -> None:
    with (
        running_demo(tmp_path) as demo,
        httpx2.Client(base_url=demo.url, timeout=PATIENCE) as browser,
    ):
        assert f"{demo.url}/mailbox" in demo.greeting
        assert demo.environment["PAYWALL_MAIL_FROM"].endswith("<hello@ternsey.example>")
        assert 'href="/mailbox">Mailbox' in browser.get("/").text
        asked = browser.post(
            "/v1/sign-in", json={"email": "Ana+news@Example.org", "return_to": "/"}
        )
        assert asked.status_code == 202, asked.text
        (mail_id,) = re.findall(r'href="/mailbox/(\w+)"', browser.get("/mailbox").text)
        page = browser.get(f"/mailbox/{mail_id}").text
        assert "ana+news@example.org" in page
        (link,) = re.findall(rf'href="({demo.url}/account/sign-in[^"]*)"', page)
        assert browser.get(unescape(link)).status_code == 200
        (code,) = re.findall(r"^(\d{6})$", page, re.MULTILINE)
        confirmed = browser.post(
            "/v1/sign-in/confirm",
            json={
                "request_id": asked.json()["request_id"],
                "code": code,
                "session": "token",
            },
        )
        assert confirmed.status_code == 200, confirmed.text
        for style in ("bar", "mailbox"):
            assert browser.get(f"/demo/{style}.css").headers["Content-Type"].startswith("text/css")
