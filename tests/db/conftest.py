"""Databases of a former release, for the migrations that come after it."""

import asyncio
import secrets
import shutil
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from service.db import migrate
from service.db.engines import async_url
from tests.databases import Once
from tests.postgres import PostgresServer

FORMER = "b3f60d92e8a7"
"""The revision of these databases: most of all migrations come before it, and are played once a run."""


async def _upgrade(url: str) -> None:
    engine = create_async_engine(async_url(url))
    async with engine.connect() as connection:
        await connection.run_sync(migrate.upgrade, FORMER)
    await engine.dispose()


@pytest.fixture(scope="session")
def former_file(once: Once) -> Path:
    """A SQLite database, to be copied."""
    return once("former.db", lambda path: asyncio.run(_upgrade(f"sqlite:///{path}")))


@pytest.fixture(scope="session")
def former_name(postgres_server: PostgresServer, once: Once) -> str:
    """The name of a PostgreSQL database, to be copied."""

    def make(path: Path) -> None:
        name = f"former_{secrets.token_hex(6)}"
        asyncio.run(_upgrade(postgres_server.create_database(name)))
        path.write_text(name)

    return once("former-name", make).read_text()


@pytest.fixture(params=["sqlite", "postgresql"])
def former_database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a new database without rows, as the release of `FORMER` left it."""
    if request.param == "sqlite":
        path: Path = request.getfixturevalue("sqlite_folder") / "former.db"
        shutil.copyfile(request.getfixturevalue("former_file"), path)
        return f"sqlite:///{path}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    template: str = request.getfixturevalue("former_name")
    return server.create_database(f"test_{secrets.token_hex(6)}", template=template)
