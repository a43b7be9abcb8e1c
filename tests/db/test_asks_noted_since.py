"""Where there were readers before asks for sign-in mails were noted, it is known since when they are."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from service.db import migrate
from service.db.engines import async_url
from service.db.tables import Rollup
from service.identity.sign_in_asks import NOTED
from tests.db.test_movements_carried_over import READERS

BEFORE, AFTER = "e60b7d3f9c18", "f8a31c6d05e2"


@pytest.mark.parametrize("has_readers", [True, False])
async def test_an_upgrade_is_remembered_where_there_were_readers(
    empty_database_url: str, *, has_readers: bool
) -> None:
    began = datetime.now(UTC)
    engine = create_async_engine(async_url(empty_database_url))
    async with engine.connect() as connection:
        await connection.run_sync(migrate.upgrade, BEFORE)
        if has_readers:
            await connection.execute(sa.insert(READERS), [{"id": "rdr_1", "created_at": began}])
            await connection.commit()
        await connection.run_sync(migrate.upgrade, AFTER)
        found = list(
            await connection.scalars(sa.select(Rollup.made_at).where(Rollup.name == NOTED))
        )
        await connection.run_sync(migrate.downgrade, BEFORE)
        left = list(await connection.scalars(sa.select(Rollup.name).where(Rollup.name == NOTED)))
    await engine.dispose()
    assert len(found) == int(has_readers)
    assert all(began <= at <= datetime.now(UTC) for at in found)
    assert left == []
