"""The reports' routes as an application of their own."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from service.clock import Clocks
from service.db.session import Database
from service.identity.key_uses import KeyUses
from service.problems import install_handlers
from service.reports.routes import router
from service.running import Running, RunningApp
from service.settings import Settings
from tests.running import add_routes


@pytest.fixture
async def client(
    database: Database, settings: Settings, clocks: Clocks
) -> AsyncIterator[httpx2.AsyncClient]:
    app = RunningApp(Running(database, settings, clocks, KeyUses()))
    add_routes(app, router)
    install_handlers(app)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=settings.public_url) as client:
        yield client
