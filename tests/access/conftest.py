from collections.abc import AsyncIterator

import pytest

from service.db.session import Database
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.inside import Paywall, inside


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    """The whole application on either database, with articles a to e."""
    async with inside(database, settings, clocks) as made:
        for slug in "abcde":
            await made.publish(slug)
        yield made
