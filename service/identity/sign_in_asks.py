"""That a browser asked for a sign-in mail, kept for the report of registrations without the address."""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import SignInAsk
from service.db.upsert import insert_for

NOTED = "sign-in asks"
"""The row of `rollups` that says since when asks are noted; without it they always were."""


async def note_ask(session: AsyncSession, holder: str, at: datetime) -> None:
    """Note it of a holder of the ledger. `at` is business time, as that of walls."""
    statement = insert_for(session, SignInAsk).values(holder=holder, at=at)
    await session.execute(statement.on_conflict_do_nothing())


async def forget_asks(session: AsyncSession, before: datetime) -> None:
    """Delete those that no wall is left for."""
    await session.execute(delete(SignInAsk).where(SignInAsk.at < before))
