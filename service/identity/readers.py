"""Readers and the devices whose reads are theirs."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.tables import Reader, ReaderDevice


async def create_reader(session: AsyncSession, *, email: str | None, now: datetime) -> Reader:
    """A provisional reader: `email` is a suggestion until it is verified."""
    reader = Reader(id=new_id("rdr"), email=email, email_verified_at=None, created_at=now)
    session.add(reader)
    await session.flush()
    return reader


async def find_reader(session: AsyncSession, reader_id: str) -> Reader | None:
    return await session.get(Reader, reader_id)


async def readers_by_email(session: AsyncSession, email: str) -> list[Reader]:
    """All readers who typed this address, the newest first; an address may have several."""
    found = await session.scalars(
        select(Reader).where(Reader.email == email).order_by(Reader.created_at.desc())
    )
    return list(found)


async def link_device(
    session: AsyncSession, *, reader_id: str, device_id: str, now: datetime
) -> None:
    """Let the device's reads, past and future, appear with the reader. Safe to repeat."""
    if await session.get(ReaderDevice, (device_id, reader_id)) is None:
        session.add(ReaderDevice(device_id=device_id, reader_id=reader_id, linked_at=now))
        await session.flush()
