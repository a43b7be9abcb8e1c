"""That a browser asked for a sign-in mail, kept for the report of registrations without the address."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import SignInAsk
from service.db.upsert import insert_for

NOTED = "sign-in asks"
"""The row of `rollups` that says since when asks are noted; without it they always were."""


async def note_ask(session: AsyncSession, holder: str, at: datetime) -> None:
    """Note it of a holder of the ledger. `at` is business time, as that of walls."""
    statement = insert_for(session, SignInAsk).values(holder=holder, at=at)
    await session.execute(statement.on_conflict_do_nothing())


async def asks_before(session: AsyncSession, before: datetime, most: int) -> list[datetime]:
    """When the earliest of them were, that no wall is left for."""
    old = select(SignInAsk.at).where(SignInAsk.at < before).order_by(SignInAsk.at)
    return list(await session.scalars(old.limit(most)))


async def forget_asks(session: AsyncSession, until: datetime) -> None:
    """Delete those up to and including `until`."""
    await session.execute(delete(SignInAsk).where(SignInAsk.at <= until))
