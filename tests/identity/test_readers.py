"""Readers and their devices."""

import asyncio

from sqlalchemy import select

from service.db.session import Database
from service.db.tables import ReaderDevice
from service.identity.readers import create_reader, link_device, readers_by_email
from tests.conftest import START, MovingClocks


async def test_a_device_is_linked_once_however_many_ask(database: Database) -> None:
    async with database.transaction() as session:
        readers = [
            await create_reader(session, email=None, clocks=MovingClocks()) for _ in range(2)
        ]

    async def link(reader_id: str) -> None:
        async with database.transaction() as session:
            await link_device(session, reader_id=reader_id, device="dev_x", now=START)
            await asyncio.sleep(0)

    await asyncio.gather(*(link(reader.id) for reader in readers for _ in range(10)))
    async with database.reading() as session:
        found = list(await session.scalars(select(ReaderDevice.reader_id)))
    assert sorted(found) == sorted(reader.id for reader in readers)


async def test_what_is_no_address_is_nobodys(database: Database) -> None:
    async with database.transaction() as session:
        await create_reader(session, email=None, clocks=MovingClocks())
        ana = await create_reader(session, email="Ana@Example.org", clocks=MovingClocks())
        assert await readers_by_email(session, "nonsense") == []
        assert await readers_by_email(session, "ANA@example.org") == [ana]
        assert await readers_by_email(session, "ａna@example.org") == []
        ana.erased_at = START
        await session.flush()
        assert await readers_by_email(session, "ana@example.org") == []
