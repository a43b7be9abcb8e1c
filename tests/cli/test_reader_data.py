"""A reader's data, exported and erased by somebody with a shell on the server."""

import asyncio
import json

from sqlalchemy import select

from service.db.session import Database
from service.db.tables import AuditEntry, Customer, Reader
from service.identity.readers import create_reader
from service.settings import Settings
from tests.cli.conftest import Paywall, one_sentence
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.reports import rows


async def make_reader(settings: Settings, clocks: MovingClocks) -> str:
    database = Database(settings.database_url)
    async with database.transaction() as session:
        reader = await create_reader(session, email="ana@example.org", clocks=clocks)
    await database.dispose()
    return reader.id


async def stored(settings: Settings, reader_id: str) -> tuple[Reader, list[AuditEntry]]:
    database = Database(settings.database_url)
    async with database.reading() as session:
        reader = (await session.scalars(select(Reader).where(Reader.id == reader_id))).one()
        told = await session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        found = reader, list(told)
    await database.dispose()
    return found


def test_export_and_erase_leave_their_rows(
    paywall: Paywall, settings: Settings, clocks: MovingClocks
) -> None:
    paywall("migrate")
    reader_id = asyncio.run(make_reader(settings, clocks))
    listed = paywall("readers", "list", "ana@")
    assert listed.out == f"{reader_id}  ana@example.org  none\n"
    exported = paywall("readers", "export", "ana@example.org")
    assert (exported.code, exported.err) == (0, "")
    assert json.loads(exported.out)["accounts"][0]["email"] == "ana@example.org"
    for named in ("Ana@example.org", reader_id):
        erased = paywall("readers", "erase", named)
        assert (erased.code, erased.out) == (0, "")
        assert erased.err == f"{named} is erased.\n"
    reader, told = asyncio.run(stored(settings, reader_id))
    assert (reader.email, reader.erased_at is not None) == (None, True)
    assert [(each.actor, each.action, each.target) for each in told] == [
        ("command", "reader.export", reader_id), ("command", "reader.erase", reader_id),
    ]  # fmt: skip
    assert "ana@example.org" not in str([(each.before, each.after) for each in told])


@on_sqlite
def test_what_isnt_possible_is_said(
    paywall: Paywall, settings: Settings, clocks: MovingClocks
) -> None:
    paywall("migrate")
    for command in ("export", "erase"):
        refused = paywall("readers", command, "rdr_none")
        assert refused.code == 1
        assert one_sentence(refused.err) or "no reader" in refused.err
    reader_id = asyncio.run(make_reader(settings, clocks))
    asyncio.run(bind(settings, clocks, reader_id))
    # Stripe holds a customer of theirs, and no key is set.
    for command in ("export", "erase"):
        refused = paywall("readers", command, reader_id)
        assert (refused.code, "PAYWALL_STRIPE_SECRET_KEY" in refused.err) == (1, True)
    reader, _ = asyncio.run(stored(settings, reader_id))
    assert reader.erased_at is None


async def bind(settings: Settings, clocks: MovingClocks, reader_id: str) -> None:
    database = Database(settings.database_url)
    async with database.transaction() as session:
        session.add(Customer(id="cus_1", reader_id=reader_id, bound_at=clocks.business()))
    await database.dispose()


@on_sqlite
def test_a_subscription_is_ended_by_an_option(
    paywall: Paywall, settings: Settings, clocks: MovingClocks
) -> None:
    paywall("migrate")
    reader_id = asyncio.run(make_reader(settings, clocks))

    async def subscribe() -> None:
        database = Database(settings.database_url)
        async with database.transaction() as session:
            offer, reader = rows.offer(), await session.get_one(Reader, reader_id)
            session.add(offer)
            await session.flush()
            session.add(rows.subscription(reader, offer))
        await database.dispose()

    asyncio.run(subscribe())
    refused = paywall("readers", "erase", reader_id)
    assert (refused.code, "--cancel-subscription" in refused.err) == (1, True)
    assert paywall("readers", "erase", reader_id, "--cancel-subscription").code == 0
