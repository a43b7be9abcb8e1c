"""Notes on readers, and their devices, by somebody with a shell on the server."""

import asyncio
from datetime import UTC, datetime

from service.db.session import Database
from service.identity.readers import create_reader
from service.identity.sessions import open_session
from service.settings import Settings
from tests.cli.conftest import Paywall
from tests.conftest import MovingClocks
from tests.databases import on_sqlite


async def signed_in(settings: Settings, clocks: MovingClocks) -> None:
    database = Database(settings.database_url)
    async with database.transaction() as session:
        reader = await create_reader(session, email="ana@example.org", clocks=clocks)
        await session.flush()
        await open_session(session, reader_id=reader.id, now=datetime.now(UTC), settings=settings)
    await database.dispose()


@on_sqlite
def test_notes_are_written_listed_and_deleted(
    paywall: Paywall, settings: Settings, clocks: MovingClocks
) -> None:
    paywall("migrate")
    asyncio.run(signed_in(settings, clocks))
    first = paywall("readers", "note", "ana@example.org", "Called\u202e: the card is lost")
    assert first.code == 0
    assert paywall("readers", "note", "ana@example.org", "").code == 1
    listed = paywall("readers", "notes", "ana@example.org").out
    assert listed.startswith(first.first_word)
    assert listed.endswith("  command  Called: the card is lost\n")
    gone = paywall("readers", "delete-note", "ana@example.org", first.first_word)
    assert (gone.code, gone.out) == (0, f"{first.first_word} is deleted.\n")
    assert paywall("readers", "notes", "ana@example.org").out == ""
    again = paywall("readers", "delete-note", "ana@example.org", first.first_word)
    assert again.code == 1


@on_sqlite
def test_a_device_is_listed_and_signed_out(
    paywall: Paywall, settings: Settings, clocks: MovingClocks
) -> None:
    paywall("migrate")
    asyncio.run(signed_in(settings, clocks))
    (line,) = paywall("readers", "devices", "ana@example.org").out.splitlines()
    device = line.split()[0]
    assert paywall("readers", "end-device", "ana@example.org", device).code == 0
    assert paywall("readers", "devices", "ana@example.org").out == ""
    assert paywall("readers", "end-device", "ana@example.org", device).code == 1
