"""`paywall tokens revoke`: by one claim, never by the token's text, with an audit row."""

import asyncio

import pytest
from sqlalchemy import select

from service.db.session import Database
from service.db.tables.tokens import RevokedClaim
from service.settings import Settings
from service.tokens.signing import sign
from tests.cli.conftest import Paywall, one_sentence
from tests.cli.test_keys import audit_rows
from tests.databases import on_sqlite
from tests.tokens.examples import ES256_KEY, access

pytestmark = on_sqlite


def revoked(settings: Settings) -> list[tuple[str, str]]:
    async def read() -> list[tuple[str, str]]:
        database = Database(settings.database_url)
        async with database.reading() as session:
            rows = await session.scalars(select(RevokedClaim).order_by(RevokedClaim.claim))
            found = [(row.claim, row.value) for row in rows]
        await database.dispose()
        return found

    return asyncio.run(read())


def test_tokens_are_revoked_by_a_claim(paywall: Paywall, settings: Settings) -> None:
    for claim, value in (("jti", "tok_1"), ("sid", "ses_1"), ("sub", "rdr_1")):
        done = paywall("tokens", "revoke", f"--{claim}", value)
        assert done.code == 0, done.err
        assert done.out.startswith(f"{claim} {value}: ")
    assert revoked(settings) == [("jti", "tok_1"), ("sid", "ses_1"), ("sub", "rdr_1")]
    rows = audit_rows(settings)
    assert [(row.action, row.target) for row in rows] == [
        ("token.revoke", "jti:tok_1"),
        ("token.revoke", "sid:ses_1"),
        ("token.revoke", "sub:rdr_1"),
    ]
    assert all("issued_before" in (row.after or {}) for row in rows)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--jti", "tok_1", "--sub", "rdr_1"],
        ["--sub", ""],
        ["--sub", "two\nlines"],
        ["--sub", "x" * 513],
        ["--jti", sign(access(), ES256_KEY)],
    ],
    ids=lambda value: str(value)[:30],
)
def test_anything_else_is_told_in_a_sentence(
    paywall: Paywall, settings: Settings, arguments: list[str]
) -> None:
    paywall("migrate")
    refused = paywall("tokens", "revoke", *arguments)
    assert (refused.code, refused.out) == (1, "")
    assert one_sentence(refused.err), refused.err
    assert revoked(settings) == []
