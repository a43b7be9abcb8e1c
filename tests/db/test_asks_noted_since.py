"""Where there were readers before asks for sign-in mails were noted, it is known since when they are."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from service.db import migrate
from service.db.engines import async_url
from service.db.tables import Rollup
from service.identity.sign_in_asks import NOTED
from tests.db.test_movements_carried_over import READERS

BEFORE, AFTER = "e60b7d3f9c18", "f8a31c6d05e2"


async def test_an_upgrade_is_remembered_where_there_were_readers(former_database_url: str) -> None:
    began = datetime.now(UTC)
    named = sa.select(Rollup.made_at).where(Rollup.name == NOTED)
    engine = create_async_engine(async_url(former_database_url))
    async with engine.connect() as connection:
        await connection.run_sync(migrate.upgrade, BEFORE)
        for readers in (0, 1):
            rows = [{"id": "rdr_1", "created_at": began}][:readers]
            if rows:
                await connection.execute(sa.insert(READERS), rows)
                await connection.commit()
            await connection.run_sync(migrate.upgrade, AFTER)
            found = list(await connection.scalars(named))
            assert len(found) == readers
            assert all(began <= at <= datetime.now(UTC) for at in found)
            await connection.run_sync(migrate.downgrade, BEFORE)
            assert not list(await connection.scalars(named))
    await engine.dispose()
