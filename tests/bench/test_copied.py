from datetime import timedelta

import pytest
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import AccessEntry, HolderDay, ReaderDevice, RolledDay
from service.reports.queries import kept_rows
from tests.bench.copied import keep_ledger
from tests.reports import rows
from tests.reports.figures_asked import store
from tests.reports.rows import NOW

IN_SAMPLE = {"reader:rdr_7a", "device:dev_7b", "device:dev_20"}
OUTSIDE = {"reader:rdr_1a", "device:dev_1b"}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_the_copies_ledger_has_the_devices_of_readers_in_the_sample(
    database: Database,
) -> None:
    """One of them isn't in it by its own name."""
    day = NOW.date() - timedelta(days=1)
    reader = rows.reader(id="rdr_7a")
    await store(
        database, reader,
        RolledDay(day=day, rows=kept_rows.MOST_ROWS + 1, rolled_at=NOW),
        *(HolderDay(day=day, holder=each, reads=0, counted=0) for each in IN_SAMPLE | OUTSIDE),
    )  # fmt: skip
    await store(database, ReaderDevice(device_id="dev_20", reader_id=reader.id, linked_at=NOW))
    await keep_ledger(database, NOW.date())
    async with database.reading() as session:
        assert set(await session.scalars(select(AccessEntry.holder))) == IN_SAMPLE
