import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from service.db import migrate
from service.db.engines import async_url
from service.db.session import Database
from service.db.tables import MovementRow
from tests.bench.filled import filled
from tests.bench.said import Say
from tests.postgres import PostgresServer
from tests.surface.everything import filled as row

pytestmark = pytest.mark.postgres
FEW = 40
BEFORE = "a4c81e6f2d95"


async def go_back(url: str) -> None:
    engine = create_async_engine(async_url(url))
    async with engine.connect() as connection:
        await connection.run_sync(migrate.downgrade, BEFORE)
    await engine.dispose()


async def fill(url: str, _: int, __: Say) -> None:
    await migrate.prepare(url)
    database = Database(url)
    async with database.transaction() as session:
        at = datetime.now(UTC) - timedelta(days=3)
        session.add(row(MovementRow, at=at, kind="new", cause="purchase"))
    await database.dispose()


async def fill_nothing(_: str, __: int, ___: Say) -> None:
    pass


def test_what_was_filled_is_used_again_only_where_it_is_kept(
    postgres_server: PostgresServer,
) -> None:
    said: list[str] = []
    with filled(postgres_server, FEW, said.append, is_kept=True, fill=fill) as url:
        pass
    asyncio.run(go_back(url))
    said.clear()
    with filled(postgres_server, FEW, said.append, is_kept=True, fill=fill) as again:
        assert again == url
    told = " ".join(said)
    assert f"{FEW} subscribers: filled before, up to " in told
    assert "3 days ago" in told
    assert f"migrated from {BEFORE} to {migrate.head()}, so added up again" in told
    assert "renewals counted" in told
    said.clear()
    with filled(postgres_server, FEW, said.append, is_kept=False, fill=fill_nothing) as anew:
        assert anew != url
    assert "filled before" not in " ".join(said)
    assert not postgres_server.has_database(anew.rpartition("/")[2])
