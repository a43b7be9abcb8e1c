"""What all tests share: both databases, settings, and clocks that a test moves."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import create_async_engine

from service.clock import Clocks
from service.db import migrate
from service.db.session import Database, async_url
from service.settings import Settings
from tests.postgres import PostgresServer

pytest_plugins = ["tests.postgres"]

START = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


class MovingClocks(Clocks):
    """Both clocks, standing still until a test moves them."""

    def __init__(self, start: datetime = START) -> None:
        self.time = start
        super().__init__(wall=lambda: self.time)

    def travel(self, by: timedelta) -> datetime:
        """Let wall and business time pass."""
        self.time += by
        return self.time


@pytest.fixture
def clocks() -> MovingClocks:
    return MovingClocks()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'paywall.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database(f"test_{secrets.token_hex(6)}")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database without rows."""
    engine = create_async_engine(async_url(database_url))
    async with engine.begin() as connection:
        await connection.run_sync(migrate.upgrade)
    await engine.dispose()
    database = Database(database_url)
    yield database
    await database.dispose()


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(
        _env_file=None,
        database_url=database_url,
        secret_key=SecretStr("a-secret-key-for-tests-of-enough-length"),
        public_url="http://127.0.0.1:8000",
        insecure_cookies=True,
        publication="gazette",
        time_zone="Europe/Lisbon",
        background_interval_seconds=0.05,
    )
