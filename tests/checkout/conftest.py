from collections.abc import Iterator

import pytest

from service.settings import Settings
from tests.conftest import MovingClocks
from tests.served import Installation, installation


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    """A running service with its local Stripe and one article, on either database."""
    with installation(settings, clocks) as made:
        made.publish("a", access={"level": "subscribers"})
        yield made
