from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from pydantic import SecretStr

from service.db.session import Database
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import database_of
from tests.inside import Paywall, inside

FRIEND = "https://www.gazette.example"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with database_of(request, request.param) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def paywall(module_database_url: str) -> AsyncIterator[Paywall]:
    """One application for all tests of a module, which leave nothing behind them but more rows.

    It has an article `a`, a second allowed origin and a small limit for bodies.
    """
    settings = Settings(
        _env_file=None,
        database_url=module_database_url,
        secret_key=SecretStr("a-secret-key-for-tests-of-enough-length"),
        insecure_cookies=True,
        publication="gazette",
        allowed_origins=(FRIEND,),
        max_body_kilobytes=64,
        rights_by_account=True,
    )
    database = Database(settings.database_url)
    async with inside(database, settings, MovingClocks()) as made:
        await made.publish("a")
        yield made
    await database.dispose()


@pytest.fixture(autouse=True)
def _forgetful(paywall: Paywall) -> None:
    """Each test begins with a browser without cookies."""
    paywall.client.cookies.clear()
