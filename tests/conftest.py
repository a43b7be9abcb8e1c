"""What all tests share: both databases, settings, and clocks that a test moves."""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.clock import Clocks
from service.db import migrate
from service.db.session import Database
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
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database(f"test_{secrets.token_hex(6)}")


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database, to be copied."""
    path = tmp_path_factory.mktemp("template") / "paywall.db"
    asyncio.run(migrate.migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def migrated_name(postgres_server: PostgresServer) -> str:
    """The name of a migrated PostgreSQL database, to be copied."""
    name = f"template_{secrets.token_hex(6)}"
    asyncio.run(migrate.migrate(postgres_server.create_database(name)))
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new database, migrated and without rows.

    Copied, because to migrate one for each test takes longer than most tests.
    """
    if request.param == "sqlite":
        path = tmp_path / "paywall.db"
        shutil.copyfile(request.getfixturevalue("migrated_file"), path)
        return f"sqlite:///{path}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    template: str = request.getfixturevalue("migrated_name")
    return server.create_database(f"test_{secrets.token_hex(6)}", template=template)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database without rows."""
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
        background_interval_seconds=0.2,
    )
