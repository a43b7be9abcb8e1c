"""What runs each minute keeps no writer waiting while there is nothing to do."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.session import Database
from service.reports.movement_rollup import MOVEMENTS
from service.reports.promotion_rollup import look_up_promotions
from service.reports.renewal_rollup import count_renewals
from service.reports.scheduled_rollup import look_up_scheduled
from service.reports.source_rollup import BY_SOURCE
from service.reports.trial_rollup import look_up_trials
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.figures_asked import store
from tests.reports.rolled import context_in

pytestmark = on_sqlite


DAY = timedelta(days=1)


class Watched(Database):
    """A database that notes for what it was locked."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.taken: list[str] = []

    @asynccontextmanager
    async def serialised(self, key: str) -> AsyncIterator[AsyncSession]:
        self.taken.append(key)
        async with super().serialised(key) as session:
            yield session


@pytest.mark.parametrize(
    "work",
    [
        MOVEMENTS.roll_up, BY_SOURCE.roll_up, count_renewals, look_up_trials, look_up_promotions,
        look_up_scheduled,
    ],
    ids=["movements", "by source", "renewals", "trials", "promotions", "scheduled"],
)  # fmt: skip
async def test_with_nothing_to_do_no_lock_is_taken(
    database: Database, work: Callable[[Context], Awaitable[None]]
) -> None:
    reader, offer = rows.reader(), rows.offer()
    bought = rows.subscription(reader, offer)
    renewed = rows.told(
        reader,
        "subscription.renewed",
        rows.NOW,
        subject_id=bought.id,
        recorded_at=rows.NOW - 9 * DAY,
    )
    await store(database, reader, offer, bought, rows.movement(bought, 1, rows.NOW), renewed)
    watched = Watched(database.url)
    try:
        context = context_in(watched, ZoneInfo("Europe/Lisbon"))
        await work(context)
        assert watched.taken
        watched.taken.clear()
        await work(context)
        assert watched.taken == []
    finally:
        await watched.dispose()
