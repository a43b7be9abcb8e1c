"""`paywall keys`: rotation, revocation and import as an operator sees them, and their audit rows."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import AuditEntry
from service.identity.secrets import derived_key
from service.settings import Settings
from service.tokens.key_pairs import generate
from service.tokens.keys import ensure_keys
from tests.cli.conftest import Paywall, one_sentence
from tests.databases import on_sqlite
from tests.tokens.test_key_files import OCT, pem, private_jwk, rsa_jwk

pytestmark = on_sqlite


def make_keys(settings: Settings) -> None:
    """The keys as a first start an hour ago made them."""

    async def make() -> None:
        database = Database(settings.database_url)
        async with database.transaction() as session:
            await ensure_keys(
                session,
                algorithm="ES256",
                encryption_key=derived_key(settings, "token-keys"),
                now=datetime.now(UTC) - timedelta(hours=1),
            )
        await database.dispose()

    asyncio.run(make())


def audit_rows(settings: Settings) -> list[AuditEntry]:
    async def read() -> list[AuditEntry]:
        database = Database(settings.database_url)
        async with database.reading() as session:
            found = list(await session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
        await database.dispose()
        return found

    return asyncio.run(read())


def states(paywall: Paywall) -> dict[str, str]:
    lines = [line.split() for line in paywall("keys", "list").out.splitlines()]
    return {kid: state for kid, _, state, *_ in lines}


def test_keys_are_rotated_and_revoked_with_their_audit_rows(
    paywall: Paywall, settings: Settings
) -> None:
    make_keys(settings)
    first = states(paywall)
    rotated = paywall("keys", "rotate")
    assert rotated.code == 0, rotated.err
    second = states(paywall)
    assert second[rotated.first_word] == "active"
    early = paywall("keys", "rotate")
    assert early.code == 1
    assert "Rotate after" in early.err
    assert one_sentence(early.err.replace(". Rotate", ", rotate"))
    assert paywall("keys", "revoke", rotated.first_word).code == 0
    assert states(paywall)[rotated.first_word] == "revoked"
    rows = audit_rows(settings)
    assert [row.action for row in rows] == ["signing-key.rotate", "signing-key.revoke"]
    assert [(row.actor, row.target) for row in rows] == [("command", rotated.first_word)] * 2
    assert (rows[0].before, rows[0].after) == (first, second)
    assert rows[1].before == second
    assert rotated.first_word not in (rows[1].after or {})


def test_a_kid_with_a_hyphen_in_front_is_no_option(paywall: Paywall, settings: Settings) -> None:
    make_keys(settings)
    while True:
        key = generate("ES256")
        if key.kid.startswith("-"):
            break
    assert paywall("keys", "import", "-", typed=pem(key.private).decode()).code == 0
    revoked = paywall("keys", "revoke", key.kid)
    assert revoked.code == 0, revoked.err
    assert states(paywall)[key.kid] == "revoked"


@pytest.mark.parametrize("form", ["pem", "jwk", "stdin"])
def test_a_key_is_imported_from_a_file_or_the_input(
    paywall: Paywall, settings: Settings, tmp_path: Path, form: str
) -> None:
    make_keys(settings)
    key = generate("ES256")
    content = json.dumps(private_jwk(key)) if form == "jwk" else pem(key.private).decode()
    file = tmp_path / "key"
    file.write_text(content)
    made = (
        paywall("keys", "import", "-", typed=content)
        if form == "stdin"
        else paywall("keys", "import", str(file))
    )
    assert made.code == 0, made.err
    assert made.first_word == key.kid
    assert "Run `paywall keys rotate` after " in made.out
    assert states(paywall)[key.kid] == "next"
    assert list(states(paywall).values()) == ["active", "next"]
    assert paywall("keys", "rotate").code == 1
    again = paywall("keys", "import", str(file))
    assert again.code == 1
    assert "is next" in again.err
    (row,) = audit_rows(settings)
    assert (row.action, row.target) == ("signing-key.import", key.kid)
    assert (row.after or {})[key.kid] == "next"
    assert private_jwk(key)["d"] not in f"{row.before} {row.after}"


def test_an_ed25519_key_is_imported_where_the_settings_want_one(
    paywall: Paywall, settings: Settings
) -> None:
    make_keys(settings)
    content = pem(generate("EdDSA").private).decode()
    refused = paywall("keys", "import", "-", typed=content)
    assert refused.code == 1
    assert "PAYWALL_TOKEN_ALGORITHM=EdDSA" in refused.err
    taken = paywall("keys", "import", "-", typed=content, PAYWALL_TOKEN_ALGORITHM="EdDSA")
    assert taken.code == 0, taken.err


def test_what_is_no_key_to_sign_with_is_told_in_a_sentence(
    paywall: Paywall, settings: Settings, tmp_path: Path
) -> None:
    make_keys(settings)
    before = states(paywall)
    documents: list[object] = [OCT, rsa_jwk(1024), {"keys": []}, {"kty": "EC"}]
    for document in documents:
        refused = paywall("keys", "import", "-", typed=json.dumps(document))
        assert (refused.code, refused.out) == (1, "")
        assert one_sentence(refused.err), refused.err
    for file in (str(tmp_path), str(tmp_path / "absent")):
        refused = paywall("keys", "import", file)
        assert (refused.code, refused.out) == (1, "")
        assert "can't be read" in refused.err
    assert states(paywall) == before
    assert audit_rows(settings) == []
