from collections.abc import AsyncIterator, Iterator

import pytest

from service.db.session import Database
from service.settings import Settings
from tests.billing.desk import Desk, desk_on
from tests.conftest import MovingClocks
from tests.served import Installation, installation


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    """A running service with its local Stripe and one article, on either database."""
    with installation(settings, clocks) as made:
        made.publish("a", access={"level": "subscribers"})
        yield made


@pytest.fixture
async def desk(database: Database, settings: Settings, clocks: MovingClocks) -> AsyncIterator[Desk]:
    """Our billing at a desk of its own: the local Stripe, and events that are heard when told."""
    async with desk_on(database, settings, clocks) as made:
        yield made
