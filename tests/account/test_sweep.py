"""What is written of a reader just after they were erased goes, however the service was running."""

from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select

from service.account.erase import SWEPT_AT_START, SWEPT_FOR, Sweep
from service.db.context import Context
from service.db.session import Database
from service.db.tables import AccessEntry, Reader
from service.identity.readers import create_reader
from service.metering.ledger import entry_at, write_all
from service.settings import Settings
from tests.conftest import MovingClocks

LATE = timedelta(seconds=1)


async def _erased(database: Database, at: datetime) -> str:
    """A reader erased at that time, of whom a request wrote a read a moment later."""
    async with database.transaction() as session:
        reader = await create_reader(
            session, email=None, clocks=MovingClocks(at - timedelta(days=1))
        )
        (await session.get_one(Reader, reader.id)).erased_at = at
    entry = entry_at(
        at + LATE, ZoneInfo("UTC"), holder=f"device:dev_{reader.id}", article_id="a",
        reader_id=reader.id, device_id=f"dev_{reader.id}", reason="subscription",
    )  # fmt: skip
    await database.in_one_go(partial(write_all, entries=[entry]))
    return reader.id


async def _tied(database: Database) -> set[str]:
    """Readers whose reads still name a device."""
    async with database.reading() as session:
        found = await session.scalars(
            select(AccessEntry.reader_id).where(
                or_(AccessEntry.device_id.is_not(None), AccessEntry.holder.startswith("device:"))
            )
        )
        return {each for each in found if each is not None}


async def test_a_service_that_was_stopped_catches_up(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    await _erased(database, clocks.business())
    longer_ago = await _erased(database, clocks.business() - LATE)
    clocks.travel(SWEPT_AT_START - LATE)
    assert await Sweep()(Context(settings, clocks, database), None) == 1
    assert await _tied(database) == {longer_ago}


async def test_each_round_goes_back_to_before_the_last(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    sweep = Sweep()
    clocks.travel(SWEPT_AT_START)
    assert await sweep(Context(settings, clocks, database), None) == 0
    await _erased(database, clocks.business() - SWEPT_FOR + LATE)
    await _erased(database, clocks.business() + LATE)
    clocks.travel(timedelta(days=90))  # such as the demo's clock does
    assert await sweep(Context(settings, clocks, database), None) == 2
    assert await _tied(database) == set()
    assert await sweep(Context(settings, clocks, database), None) == 0


async def test_a_clock_that_is_set_back_leaves_nobody_out(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    sweep = Sweep()
    assert await sweep(Context(settings, clocks, database), None) == 0
    clocks.travel(-timedelta(hours=1))
    await _erased(database, clocks.business())
    assert await sweep(Context(settings, clocks, database), None) == 1
    assert await _tied(database) == set()
