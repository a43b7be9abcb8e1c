"""Readers and the devices whose reads are theirs."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.tables import Reader, ReaderDevice
from service.db.upsert import insert_for


async def create_reader(session: AsyncSession, *, email: str | None, now: datetime) -> Reader:
    """A provisional reader: `email` is a suggestion until it is verified."""
    reader = Reader(id=new_id("rdr"), email=email, email_verified_at=None, created_at=now)
    session.add(reader)
    await session.flush()
    return reader


async def find_reader(session: AsyncSession, reader_id: str) -> Reader | None:
    return await session.get(Reader, reader_id)


async def readers_by_email(session: AsyncSession, email: str) -> list[Reader]:
    """All readers who typed this address, in whatever case, the newest first; it may be several."""
    found = await session.scalars(
        select(Reader)
        .where(func.lower(Reader.email) == email.strip().lower())
        .order_by(Reader.created_at.desc(), Reader.id)
    )
    return list(found)


async def link_device(session: AsyncSession, *, reader_id: str, device: str, now: datetime) -> None:
    """Let the reads of the device (its pseudonym), past and future, appear with the reader.

    Safe to repeat.
    """
    # One statement: two returns from Checkout at once may both come here.
    statement = insert_for(session, ReaderDevice).values(
        device_id=device, reader_id=reader_id, linked_at=now
    )
    await session.execute(statement.on_conflict_do_nothing())
