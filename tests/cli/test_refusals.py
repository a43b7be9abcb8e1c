"""Settings and databases that won't do: a sentence with the remedy, never a traceback."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from service.cli.app import PARTS, assembled
from service.db import migrate
from service.db.business_clock import move_forward
from service.db.session import Database
from service.identity.secrets import derived_key
from service.settings import Settings
from service.tokens.keys import ensure_keys
from tests.cli.conftest import Paywall, one_sentence
from tests.databases import on_sqlite
from tests.ports import free_port
from tests.postgres import PostgresServer

SERVE = ["serve", "--port", str(free_port())]


def commands(group: TyperGroup, *names: str) -> Iterator[tuple[str, ...]]:
    """The names of every command and group, as typed."""
    yield names
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, *names, name)
        else:
            assert isinstance(command, TyperCommand)
            yield (*names, name)


def all_commands() -> list[tuple[str, ...]]:
    root = get_command(assembled(PARTS))
    assert isinstance(root, TyperGroup)
    return list(commands(root))


@on_sqlite
@pytest.mark.parametrize("names", all_commands(), ids=" ".join)
def test_every_help_has_an_example_of_that_very_command(
    paywall: Paywall, names: tuple[str, ...]
) -> None:
    shown = paywall(*names, "--help")
    assert shown.code == 0
    _, _, example = " ".join(shown.out.split()).partition("Example: ")
    assert " ".join(["paywall", *names]) in example
    assert "password-stdin" in shown.out or "--password" not in shown.out


@on_sqlite
def test_each_wrong_setting_has_its_line(paywall: Paywall) -> None:
    refused = paywall(
        "keys", "list",
        PAYWALL_METER_LIMIT="many", PAYWALL_PUBLIC_URL="example", PAYWALL_SECRET_KEY="short-and-secret",
    )  # fmt: skip
    assert (refused.code, refused.out) == (1, "")
    lines = refused.err.splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == [
        "PAYWALL_METER_LIMIT",
        "PAYWALL_PUBLIC_URL",
    ]
    assert "short-and-secret" not in refused.err
    too_short = paywall("keys", "list", PAYWALL_SECRET_KEY="short-and-secret")
    assert too_short.err.startswith("PAYWALL_SECRET_KEY needs at least 32 characters")
    assert "short-and-secret" not in too_short.err


@on_sqlite
@pytest.mark.parametrize(
    "command", [["keys", "list"], ["migrate"], SERVE], ids=lambda words: words[0]
)
@pytest.mark.parametrize(
    "url",
    [
        "not an address",
        "mysql://reader:pass-word@127.0.0.1/paywall",
        "postgresql://reader:pass-word@127.0.0.1:1/paywall",
        "postgresql://reader:pass-word@127.0.0.1:abc/paywall",
        "postgresql://reader:pass-word@127.0.0.1:99999/paywall",
        "postgresql://reader:pass-word@127.0.0.1:1/paywall?foo=bar",
        "postgresql://reader:pass-word@[::1/paywall",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:a?mode=memory&uri=true",
        "sqlite:///{folder}/paywall.db?timeout=soon",
        "sqlite:////dev/null/paywall.db",
        "sqlite:///{folder}",
        "sqlite:///{folder}/notes.txt",
    ],
)
def test_an_unusable_database_is_told(
    paywall: Paywall, tmp_path: Path, command: list[str], url: str
) -> None:
    (tmp_path / "notes.txt").write_text("no database\n" * 100)
    refused = paywall(*command, PAYWALL_DATABASE_URL=url.format(folder=tmp_path))
    assert (refused.code, refused.out) == (1, "")
    assert one_sentence(refused.err), refused.err
    assert "PAYWALL_DATABASE_URL" in refused.err
    assert "pass-word" not in refused.err


@on_sqlite
def test_a_wrong_name_on_a_running_postgresql_is_told(
    paywall: Paywall, postgres_server: PostgresServer
) -> None:
    url = postgres_server.url.rpartition("/")[0] + "/nothing_of_this_name"
    for command in (["keys", "list"], ["migrate"]):
        refused = paywall(*command, PAYWALL_DATABASE_URL=url)
        assert (refused.code, refused.out) == (1, "")
        assert "nothing_of_this_name" in refused.err
        assert one_sentence(refused.err), refused.err


@on_sqlite
def test_an_old_database_is_refused_with_the_command_to_run(
    paywall: Paywall, settings: Settings
) -> None:
    engine = create_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0f0f0f0f0f0f'"))
    engine.dispose()
    for command in (["keys", "list"], SERVE, ["offers", "list"]):
        refused = paywall(*command)
        assert refused.code == 1
        assert refused.err.endswith(f"this release needs {migrate.head()}. Run: paywall migrate\n")
    newer = paywall("migrate")
    assert newer.code == 1
    assert one_sentence(newer.err), newer.err


@on_sqlite
@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--port", "70000"],
        ["serve", "--host", "192.0.2.1"],
        ["simulate", "--port", "0"],
        ["simulate", "--port", str(free_port()), "--data", str(Path(__file__).parent)],
    ],
)
def test_a_port_or_file_that_cannot_be_used_is_told(paywall: Paywall, arguments: list[str]) -> None:
    refused = paywall(*arguments)
    assert (refused.code, refused.out) == (1, "")
    assert one_sentence(refused.err), refused.err


@on_sqlite
def test_production_serves_no_database_whose_time_was_moved(
    paywall: Paywall, settings: Settings
) -> None:
    async def move() -> None:
        database = Database(settings.database_url)
        async with database.transaction() as session:
            await move_forward(session, timedelta(days=31))
        await database.dispose()

    paywall("migrate")
    asyncio.run(move())
    refused = paywall(
        "serve", "--port", str(free_port()), PAYWALL_ENVIRONMENT="production",
        PAYWALL_PUBLIC_URL="https://www.gazette.example", PAYWALL_INSECURE_COOKIES="false",
    )  # fmt: skip
    assert (refused.code, refused.out) == (1, "")
    assert one_sentence(refused.err), refused.err
    assert "31 days" in refused.err


@on_sqlite
def test_keys_of_another_secret_are_told_before_anything_is_served(
    paywall: Paywall, settings: Settings
) -> None:
    async def make_keys() -> None:
        database = Database(settings.database_url)
        async with database.transaction() as session:
            key = derived_key(settings, "token-keys")
            await ensure_keys(session, algorithm="ES256", encryption_key=key, now=datetime.now(UTC))
        await database.dispose()

    paywall("migrate")
    asyncio.run(make_keys())
    refused = paywall("serve", "--port", str(free_port()), PAYWALL_SECRET_KEY="another" * 6)
    assert (refused.code, refused.out) == (1, "")
    assert one_sentence(refused.err), refused.err
    assert "PAYWALL_SECRET_KEY" in refused.err
    assert paywall("keys", "list").out.count("ES256") == 2
