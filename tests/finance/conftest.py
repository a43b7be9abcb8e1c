from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from service.db.session import Database
from service.settings import Settings
from tests.billing.conftest import desk
from tests.billing.desk import Desk, desk_on
from tests.conftest import MovingClocks
from tests.databases import Once
from tests.finance.events import live
from tests.finance.life import keep_a_life, life_taken_up

__all__ = ["desk"]


@pytest.fixture(scope="session")
def kept_life(migrated_file: Path, once: Once) -> Path:
    return once("money", partial(keep_a_life, migrated_file))


@pytest.fixture
async def lived(
    kept_life: Path, database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Desk]:
    """A desk after `live`, of which everything is heard. To hear it takes longer than most of its tests."""
    if database.dialect == "sqlite":
        async with life_taken_up(kept_life, database, settings, clocks) as made:
            yield made
        return
    async with desk_on(database, settings, clocks) as made:
        await live(made)
        await made.hear()
        yield made
