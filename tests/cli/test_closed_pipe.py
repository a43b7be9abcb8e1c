"""A pipe that is closed before all is written, as `| head -3` does, is no failure to speak of."""

import asyncio
import os
import sys
from contextlib import suppress

import pytest

from service.cli.app import run
from service.db.session import Database
from service.identity.readers import create_reader
from service.settings import Settings
from tests.cli.conftest import Paywall, variables_of
from tests.conftest import MovingClocks
from tests.databases import on_sqlite

AT_ONCE, AT_THE_END = 1, -1
"""How a stream is buffered: by lines, or until the command is over."""
pytestmark = on_sqlite


async def add_reader(settings: Settings) -> None:
    database = Database(settings.database_url)
    async with database.transaction() as session:
        await create_reader(session, email="ana@example.org", clocks=MovingClocks())
    await database.dispose()


@pytest.mark.parametrize("buffering", [AT_ONCE, AT_THE_END], ids=["at once", "at the end"])
@pytest.mark.parametrize(
    "command",
    ["--help", "settings", "keys list", "readers list", "crawlers list", "offers --help"],
)
def test_it_is_silent(
    command: str, buffering: int, paywall: Paywall, settings: Settings,
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert paywall("migrate").code == 0
    asyncio.run(add_reader(settings))
    for name, value in variables_of(settings).items():
        monkeypatch.setenv(name, value)
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w", buffering=buffering)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    with pytest.raises(SystemExit) as ended:
        run(command.split())
    with suppress(BrokenPipeError):
        stream.close()
    assert ended.value.code == 1
    assert capfd.readouterr().err == ""


def test_a_failure_is_said_all_the_same(
    paywall: Paywall, settings: Settings,
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert paywall("migrate").code == 0
    for name, value in variables_of(settings).items():
        monkeypatch.setenv(name, value)
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit):
        run(["readers", "devices", "nobody@example.org"])
    stream.close()
    assert "nobody@example.org" in capfd.readouterr().err
