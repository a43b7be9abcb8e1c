import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.db.session import Database
from service.settings import Settings
from tests.conftest import MovingClocks, settings_of
from tests.databases import Once
from tests.inside import Paywall, inside

SLUGS = "abcde"


@pytest.fixture(scope="session")
def template_file(migrated_file: Path, once: Once) -> Path:
    """With articles a to e: to publish them takes longer than most tests that read them."""

    def make(path: Path) -> None:
        shutil.copyfile(migrated_file, path)
        asyncio.run(_publish(f"sqlite:///{path}"))

    return once("articles.db", make)


async def _publish(url: str) -> None:
    database = Database(url)
    async with inside(database, settings_of(url), MovingClocks()) as made:
        for slug in SLUGS:
            await made.publish(slug)
    await database.dispose()


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    """The whole application on either database, behind its own server, with articles a to e."""
    async with inside(database, settings, clocks, by_asgi=False) as made:
        if database.dialect == "postgresql":
            for slug in SLUGS:
                await made.publish(slug)
        yield made
