"""`paywall operators` and `paywall api-keys`: the staff's accounts from a shell on the server."""

import asyncio

import pytest
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import AuditEntry, Operator, OperatorSession
from service.identity.operators import open_operator_session
from service.identity.second_factor import new_recovery_codes
from service.identity.totp import new_one_time_codes, seal
from service.settings import Settings
from tests.cli.conftest import Paywall, one_sentence
from tests.conftest import MovingClocks
from tests.databases import on_sqlite

pytestmark = on_sqlite

PASSWORD = "correct horse battery"


def add(paywall: Paywall, email: str, role: str) -> None:
    made = paywall(
        "operators", "create", email, "--role", role, "--password-stdin", typed=f"{PASSWORD}\n"
    )
    assert made.code == 0, made.err


def test_accounts_are_listed_disabled_and_enabled(paywall: Paywall, settings: Settings) -> None:
    add(paywall, "Ana@example.org", "admin")
    add(paywall, "ben@example.org", "editor")
    assert paywall("operators", "list").out == (
        "ana@example.org  admin  enabled  password only\n"
        "ben@example.org  editor  enabled  password only\n"
    )
    for _ in range(2):
        assert paywall("operators", "disable", "BEN@example.org").code == 0
    assert "ben@example.org  editor  disabled" in paywall("operators", "list").out
    assert paywall("operators", "enable", "ben@example.org").code == 0
    assert "ben@example.org  editor  enabled" in paywall("operators", "list").out
    assert asyncio.run(audited(settings)) == [
        "operator.create", "operator.create", "operator.disable", "operator.enable",
    ]  # fmt: skip


def test_the_last_administrator_isnt_disabled(paywall: Paywall) -> None:
    add(paywall, "ana@example.org", "admin")
    refused = paywall("operators", "disable", "ana@example.org")
    assert (refused.code, refused.out) == (1, "")
    assert one_sentence(refused.err)
    assert "administrator" in refused.err
    assert "enabled" in paywall("operators", "list").out


@pytest.mark.parametrize("password", ["short", "", "x" * 1001])
def test_a_password_has_its_bounds(paywall: Paywall, password: str) -> None:
    add(paywall, "ana@example.org", "admin")
    reset = ("operators", "reset-password", "ana@example.org", "--password-stdin")
    refused = paywall(*reset, typed=f"{password}\n")
    assert (refused.code, refused.out) == (1, "")
    assert one_sentence(refused.err), refused.err
    again = paywall(
        "operators", "create", "b@example.org", "--password-stdin", typed=f"{password}\n"
    )
    assert again.code == 1
    assert one_sentence(again.err), again.err


def test_a_lost_second_factor_is_reset_and_the_sessions_end(
    paywall: Paywall, settings: Settings, clocks: MovingClocks
) -> None:
    add(paywall, "ana@example.org", "admin")

    async def switch_on() -> None:
        database = Database(settings.database_url)
        async with database.transaction() as session:
            ana = (await session.scalars(select(Operator))).one()
            ana.totp_sealed = seal(new_one_time_codes(), ana.id, settings)
            ana.totp_confirmed_at = clocks.wall()
            await new_recovery_codes(session, ana.id, clocks.wall())
            await open_operator_session(session, ana, now=clocks.wall(), settings=settings)
        await database.dispose()

    async def sessions() -> int:
        database = Database(settings.database_url)
        async with database.reading() as session:
            found = len(list(await session.scalars(select(OperatorSession))))
        await database.dispose()
        return found

    asyncio.run(switch_on())
    assert "two-step verification" in paywall("operators", "list").out
    for _ in range(2):
        assert paywall("operators", "reset-totp", "ana@example.org").code == 0
    assert "password only" in paywall("operators", "list").out
    assert asyncio.run(sessions()) == 0
    assert asyncio.run(audited(settings)) == ["operator.create", "operator.reset-totp"]


async def audited(settings: Settings) -> list[str]:
    database = Database(settings.database_url)
    async with database.reading() as session:
        rows = await session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        found = [row.action for row in rows]
    await database.dispose()
    return found
