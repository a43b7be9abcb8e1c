"""The service sends what a request put, at once, and what is left when it stops."""

import asyncio

import httpx2
import pytest

from service import app as assembly
from service.app import create_app
from service.db.session import Database
from service.outbox.mails import put_mail
from service.outbox.smtp import SmtpMailer, mail_server
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.outbox.post_office import post_office
from tests.patience import PATIENCE


async def test_a_request_s_mail_goes_out_at_once_and_the_last_one_before_the_end(
    database: Database, settings: Settings, clocks: MovingClocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "TASKS_END_SECONDS", PATIENCE)
    sender = "Gazette <hello@example.org>"
    # Only the wake-up sends within the test's time.
    settings = settings.model_copy(
        update={"mail_from": sender, "background_interval_seconds": 60.0, "language": "de"}
    )
    async with post_office() as office:
        mailer = SmtpMailer(mail_server(f"smtp://127.0.0.1:{office.port}"), sender)
        app = create_app(settings, gateway=None, clocks=clocks, mailer=mailer)
        transport = httpx2.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url=settings.public_url) as browser,
        ):
            asked = await browser.post(
                "/v1/sign-in", json={"email": "Ana@Bücher.example", "return_to": "/"}
            )
            assert asked.status_code == 202
            async with asyncio.timeout(PATIENCE):
                await office.has_received.wait()
            async with database.transaction() as session:
                await put_mail(
                    session, kind="erased", to="ben@example.org", to_key="ben@example.org",
                    reader_id=None, settings=settings, now=clocks.wall(),
                )  # fmt: skip
    first, last = office.received
    assert first.recipients == ["ana@xn--bcher-kva.example"]
    assert first.message["Subject"] == "Ihr Link und Ihr Code für The Paywall"
    body = first.message.get_body(("plain",))
    assert body is not None
    assert f"{settings.public_url}/account/sign-in?token=" in body.get_content()
    assert last.recipients == ["ben@example.org"]


@on_sqlite
async def test_without_a_sender_nothing_is_mailed(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    app = create_app(settings, gateway=None, clocks=clocks)
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=settings.public_url) as browser,
    ):
        asked = await browser.post(
            "/v1/sign-in", json={"email": "ana@example.org", "return_to": "/"}
        )
        assert asked.json()["type"].endswith("sign-in-is-off")
