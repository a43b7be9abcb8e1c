"""A paywall where readers can sign in."""

from collections.abc import AsyncIterator

import pytest

from service.db.session import Database
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.inside import Paywall, inside


@pytest.fixture
def mailing(settings: Settings) -> Settings:
    """Settings with which mails go out: into the development mailbox."""
    return settings.model_copy(
        update={
            "mail_from": "Gazette <hello@gazette.example.org>",
            "allowed_origins": ("https://www.example.org",),
        }
    )


@pytest.fixture
async def mailed(
    database: Database, mailing: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside(database, mailing, clocks) as made:
        await made.publish("a")
        await made.publish("for-members", access={"level": "registered"})
        await made.publish("premium", access={"level": "subscribers"})
        yield made
