"""How far business time is ahead of wall time: one row, which only the demo moves, and only forwards."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import Clocks
from service.db.session import Database
from service.db.tables import BusinessClock
from service.db.upsert import insert_for

_ROW = 1


async def read_offset(session: AsyncSession) -> timedelta:
    """Business time minus wall time; zero where nobody ever moved it."""
    seconds = await session.scalar(
        select(BusinessClock.offset_seconds).where(BusinessClock.id == _ROW)
    )
    return timedelta(seconds=seconds or 0)


async def move_forward(session: AsyncSession, by: timedelta) -> timedelta:
    """Move business time on and answer the new offset. ValueError: it never goes back."""
    if by < timedelta(0):
        raise ValueError("business time moves forwards only")
    seconds = int(by.total_seconds())
    statement = insert_for(session, BusinessClock).values(id=_ROW, offset_seconds=seconds)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["id"], set_={"offset_seconds": BusinessClock.offset_seconds + seconds}
        )
    )
    return await read_offset(session)


async def follow(database: Database, clocks: Clocks) -> None:
    """Let this process's business time be the database's; called in each round of background work."""
    async with database.reading() as session:
        offset = await read_offset(session)
    # Forwards only, here too: what was read may be older than what was moved meanwhile.
    clocks.offset = max(clocks.offset, offset)
