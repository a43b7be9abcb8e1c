"""Demos with an invented year."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.databases import database_of
from tests.demo.invented import FEW, SIZE, SMALL, Demo, begun


@pytest.fixture(scope="session")
def url_of_the_year(request: pytest.FixtureRequest) -> Iterator[str]:
    with database_of(request, "sqlite") as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def demo(url_of_the_year: str) -> AsyncIterator[Demo]:
    """The year as it was written; for tests that only look at it, and that one worker plays."""
    async with begun(url_of_the_year, SIZE) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def going_on(database_url: str) -> AsyncIterator[Demo]:
    """A demo whose clock the test moves."""
    async with begun(database_url, SMALL) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def few(sqlite_folder: Path, migrated_file: Path) -> AsyncIterator[Demo]:
    """The smallest one, on SQLite."""
    path = Path(shutil.copy(migrated_file, sqlite_folder / "few.db"))
    async with begun(f"sqlite:///{path}", FEW) as made:
        yield made
