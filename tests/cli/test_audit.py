"""What somebody changes with a shell on the server is in the audit trail, without any secret."""

import asyncio

from sqlalchemy import select

from service.db.session import Database
from service.db.tables import AuditEntry
from service.identity.readers import create_reader
from service.settings import Settings
from tests.cli.conftest import Paywall
from tests.conftest import MovingClocks
from tests.databases import on_sqlite

PASSWORD = "correct horse battery"


@on_sqlite
def test_every_change_leaves_its_row(
    paywall: Paywall, settings: Settings, clocks: MovingClocks
) -> None:
    paywall("migrate")

    async def add_reader() -> None:
        database = Database(settings.database_url)
        async with database.transaction() as session:
            await create_reader(session, email="ana@example.org", clocks=clocks)
        await database.dispose()

    async def rows() -> list[AuditEntry]:
        database = Database(settings.database_url)
        async with database.reading() as session:
            found = list(await session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
        await database.dispose()
        return found

    asyncio.run(add_reader())
    key = paywall("api-keys", "create", "--label", "cms", "--scope", "articles:write").first_word
    for _ in range(2):
        assert paywall("api-keys", "revoke", key.split("_")[1]).code == 0
    offer = paywall(
        "offers", "create", "--name", "Monthly", "--plan", "digital", "--amount", "9.00",
        "--currency", "EUR", "--interval", "month",
    ).first_word  # fmt: skip
    paywall("offers", "archive", offer)
    for command in ("create", "reset-password"):
        paywall("operators", command, "ana@example.org", "--password-stdin", typed=f"{PASSWORD}\n")
    link = paywall("readers", "sign-in-link", "ana@example.org").first_word
    told = asyncio.run(rows())
    assert [entry.action for entry in told] == [
        "api-key.create", "api-key.revoke", "offer.create", "offer.archive", "operator.create",
        "operator.reset-password", "reader.sign-in-link",
    ]  # fmt: skip
    assert {entry.actor for entry in told} == {"command"}
    assert told[0].after == {"label": "cms", "scopes": ["articles:write"]}
    kept = " ".join(f"{entry.target} {entry.before} {entry.after}" for entry in told)
    for secret in (key.split("_", 2)[2], PASSWORD, link.rpartition("=")[2]):
        assert secret not in kept
