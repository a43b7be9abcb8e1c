"""The whole application in this process, without a server: every layer, and all of its database."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from sqlalchemy import select

from service.app import Service, close, create_app, make_ready
from service.crawlers.names import Names
from service.db.session import Database
from service.db.tables import AccessEntry
from service.grants.store import put_grant
from service.identity.cookies import cookie_name
from service.identity.permissions import SCOPES
from service.identity.readers import create_reader
from service.identity.sessions import open_session
from service.metering.ledger import Ledger
from service.outbox.webhook_targets import Resolve, resolve_host
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.keys import create_api_key
from tests.passwords import QUICK
from tests.server_bytes import ByBytes

CANARY = "The ferryman kept the second key."


@dataclass
class Paywall:
    """The application with a client that keeps cookies, and a key that may do everything."""

    app: Service
    client: httpx2.AsyncClient
    new_client: Callable[[], httpx2.AsyncClient]
    settings: Settings
    clocks: MovingClocks
    database: Database
    staff: dict[str, str]

    async def publish(self, slug: str, **fields: Any) -> None:
        body = f"<p>Opening of {slug}.</p><!--more--><p>{CANARY}</p>"
        document = {"title": slug.capitalize(), "body": body, **fields}
        answer = await self.client.put(
            f"/v1/admin/articles/{slug}", json=document, headers=self.staff
        )
        assert answer.status_code in {200, 201}, answer.text

    async def unlock(self, slug: str, **headers: str) -> httpx2.Response:
        return await self.client.post(f"/v1/articles/{slug}/unlock", headers=headers)

    async def full(self, slug: str, token: str) -> httpx2.Response:
        bearer = {"Authorization": f"Bearer {token}"}
        return await self.client.get(f"/v1/articles/{slug}/full", headers=bearer)

    async def sign_in(self, *scopes: str) -> str:
        """A new reader with a subscription of these scopes, signed in; its id."""
        async with self.database.transaction() as session:
            reader = await create_reader(session, email=None, clocks=self.clocks)
            for scope in scopes:
                await put_grant(
                    session, source="subscription", reference=f"{reader.id}/{scope}",
                    reader_id=reader.id, scope=scope, starts_at=self.clocks.business(),
                    ends_at=None, now=self.clocks.business(),
                )  # fmt: skip
            opened = await open_session(
                session, reader_id=reader.id, now=self.clocks.wall(), settings=self.settings
            )
        self.client.cookies.set(
            cookie_name("session", self.settings), opened.token, domain="127.0.0.1"
        )
        return reader.id

    async def access_token(self) -> str:
        token: str = (await self.client.post("/v1/session/token")).json()["access_token"]
        return token

    async def ledger(self) -> list[AccessEntry]:
        """All rows of the ledger, those noted in memory included."""
        await self.app.running.get(Ledger).flush(self.database)
        async with self.database.reading() as session:
            return list(await session.scalars(select(AccessEntry).order_by(AccessEntry.id)))


@asynccontextmanager
async def inside(
    database: Database,
    settings: Settings,
    clocks: MovingClocks,
    resolve: Resolve = resolve_host,
    *,
    background: bool = False,
    names: Names | None = None,
    by_asgi: bool = True,
) -> AsyncIterator[Paywall]:
    """A new application on the database; nothing is sold.

    `background` False: no task runs by itself, so that requests alone do what a test sees, and take
    a third of the time. True: the lifespan runs, and with it mails, webhooks and caches' refreshing.
    Not `by_asgi`: requests go through the service's own server, as bytes.
    """
    app = create_app(
        settings, gateway=None, clocks=clocks, passwords=QUICK, resolve=resolve, names=names
    )
    transport = httpx2.ASGITransport(app=app) if by_asgi else ByBytes(app)

    def new_client() -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=transport, base_url=settings.public_url)

    async with database.transaction() as session:
        key = await create_api_key(session, label="tests", scopes=sorted(SCOPES), now=clocks.wall())
    staff = {"Authorization": f"Bearer {key}"}
    living = app.router.lifespan_context(app) if background else _ready(app)
    async with living, new_client() as client:
        yield Paywall(app, client, new_client, settings, clocks, database, staff)


@asynccontextmanager
async def _ready(app: Service) -> AsyncIterator[None]:
    await make_ready(app.running)
    try:
        yield
    finally:
        await close(app.running)
