"""The content's routes behind the real error handlers and origin policy, over either database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from service.content import admin_routes, routes
from service.content.cache import ArticleCache
from service.content.rendering import Rendering
from service.db.session import Database
from service.identity.key_uses import KeyUses
from service.identity.origins import AnswerHeaders, OriginPolicy
from service.problems import install_handlers
from service.rules.in_force import RuleBook
from service.running import Running, RunningApp
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.keys import create_api_key
from tests.running import add_routes


@dataclass(frozen=True)
class Newsroom:
    """A client of the API, with a key that may write and one that may only read."""

    client: httpx2.AsyncClient
    writer: dict[str, str]
    reader: dict[str, str]

    async def put(self, slug: str, **fields: Any) -> httpx2.Response:
        body = {"title": "The ferry", "body": "<p>One</p><!--more--><p>Two</p>", **fields}
        return await self.client.put(f"/v1/admin/articles/{slug}", json=body, headers=self.writer)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.client.get(path, headers={"Accept-Encoding": "identity", **headers})


@pytest.fixture
async def newsroom(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Newsroom]:
    rules = RuleBook(settings)
    app = RunningApp(
        Running(
            settings,
            database,
            clocks,
            rules,
            ArticleCache(rules, clocks),
            KeyUses(),
            Rendering(),
        )
    )
    add_routes(app, routes.router, admin_routes.router)
    install_handlers(app)
    app.add_middleware(OriginPolicy, headers=AnswerHeaders.of(settings))
    keys = []
    async with database.transaction() as session:
        for scopes in (["articles:read", "articles:write"], ["articles:read"]):
            key = await create_api_key(session, label="test", scopes=scopes, now=clocks.wall())
            keys.append({"Authorization": f"Bearer {key}"})
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=settings.public_url) as client:
        yield Newsroom(client, *keys)
