"""One newspaper a module and database, for all of its stories.

What every publisher lives by is told on both databases. To save minutes the rest is told on one: what
readers change on SQLite, what goes wrong on PostgreSQL, whose locks have more to bear.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from pydantic import SecretStr

from service.billing.events import HANDLED
from service.settings import Settings
from tests.checkout.rows import sell
from tests.conftest import MovingClocks
from tests.databases import folder_in_memory
from tests.lifecycle.paper import EXTRA, MEMBERS, Paper
from tests.served import installation
from tests.stripe_at_hand import sdk


@contextmanager
def _database(request: pytest.FixtureRequest, kind: str) -> Iterator[str]:
    with ExitStack() as stack:
        if kind == "postgresql":
            yield stack.enter_context(request.getfixturevalue("emptied_databases").one())
            return
        temporary = request.getfixturevalue("tmp_path_factory").mktemp("lifecycle")
        path = stack.enter_context(folder_in_memory(temporary)) / "paywall.db"
        shutil.copyfile(request.getfixturevalue("migrated_file"), path)
        yield f"sqlite:///{path}"


@pytest.fixture(scope="module")
def paper(request: pytest.FixtureRequest) -> Iterator[Paper]:
    """It sells a month, a year, a dearer plan, a trial in dollars, an intro price and a week's pass."""
    with _database(request, request.param) as url:
        settings = Settings(
            _env_file=None,
            database_url=url,
            secret_key=SecretStr("a-secret-key-for-tests-of-enough-length"),
            insecure_cookies=True,
            publication="gazette",
            publication_name="Gazette",
            time_zone="Europe/Lisbon",
            mail_from="Gazette <hello@gazette.example.org>",
            background_interval_seconds=0.2,
        )
        with (
            installation(settings, MovingClocks()) as site,
            sdk(site.stripe_url) as at_stripe,
            ExitStack() as browsers,
        ):
            site.publish(MEMBERS, access={"level": "subscribers"})
            site.publish(EXTRA, access={"level": "subscribers", "plans": ["all-access"]})
            euros = {"currency": "EUR", "interval": "month"}
            for endpoint in at_stripe.webhook_endpoints.list().data:
                # As `paywall stripe setup` registers it.
                at_stripe.webhook_endpoints.update(endpoint.id, {"enabled_events": list(HANDLED)})
            sell(site, "all-access", plan="all-access", amount=1500, **euros)
            sell(site, "intro", amount=900, intro_amount=100, intro_periods=2, **euros)
            sell(site, "week", amount=300, currency="EUR", interval="week", kind="pass")
            yield Paper(site, at_stripe, browsers)
