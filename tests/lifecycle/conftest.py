"""One newspaper a module and database, for all of its stories.

Each story is told on one: what readers change on SQLite, the others on PostgreSQL, whose locks have more
to bear. What a store promises on both, its own tests show.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.checkout.rows import sell
from tests.conftest import MovingClocks, settings_of
from tests.databases import database_of
from tests.lifecycle.paper import EXTRA, MEMBERS, Paper
from tests.served import installation
from tests.stripe_at_hand import sdk


@pytest.fixture(scope="module")
def paper(request: pytest.FixtureRequest) -> Iterator[Paper]:
    """It sells a month, a year, a dearer plan, a trial in dollars, an intro price and a week's pass."""
    with database_of(request, request.param) as url:
        settings = settings_of(url).model_copy(
            update={
                "publication_name": "Gazette",
                "mail_from": "Gazette <hello@gazette.example.org>",
            }
        )
        with (
            installation(settings, MovingClocks()) as site,
            sdk(site.stripe_url) as at_stripe,
            ExitStack() as browsers,
        ):
            site.publish(MEMBERS, access={"level": "subscribers"})
            site.publish(EXTRA, access={"level": "subscribers", "plans": ["all-access"]})
            euros: dict[str, Any] = {"currency": "EUR", "interval": "month"}
            sell(site, "all-access", plan="all-access", amount=1500, **euros)
            sell(site, "intro", amount=900, intro_amount=100, intro_periods=2, **euros)
            sell(site, "week", amount=300, currency="EUR", interval="week", kind="pass")
            yield Paper(site, at_stripe, browsers)
