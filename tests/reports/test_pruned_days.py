"""Days of holders are pruned, and what they gave stays; what it can't answer any more says so."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, update

from service.clock import Clocks
from service.db.context import Context
from service.db.session import Database
from service.db.tables import (
    AccessEntry,
    HabitDay,
    HolderDay,
    RolledDay,
    SignInAsk,
)
from service.reports.day_rollup import count_days, prune_holder_days
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.reports.figures_asked import asked, lines_of, store, totals
from tests.reports.test_rebuild import DAY, MIDDAY, some_days
from tests.statements import statements


@pytest.fixture
def context(settings: Settings, clocks: Clocks, database: Database) -> Context:
    return Context(settings, clocks, database)


async def test_days_of_holders_are_pruned_and_their_counts_stay(
    context: Context, database: Database, clocks: MovingClocks
) -> None:
    clocks.time = MIDDAY
    await some_days(context)
    what = asked("2026-03-01", "2026-03-10", "day", now=MIDDAY)
    before = await lines_of(database, "stop-rate", what)
    clocks.travel(timedelta(days=26 * 31))
    at = (MIDDAY, MIDDAY, MIDDAY + DAY, clocks.business())
    asks = [SignInAsk(holder=f"device:{number}", at=each) for number, each in enumerate(at)]
    await store(database, *asks)
    async with database.transaction() as session:
        await session.execute(update(RolledDay).values(depths_counted_on=None))
        holders = await session.scalar(select(func.count()).select_from(HolderDay))
    await prune_holder_days(context)
    async with database.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(HolderDay)) == holders
        assert len(list(await session.scalars(select(SignInAsk)))) == 4
    await count_days(context)
    with statements() as sent:
        await prune_holder_days(context, at_once=2)
    deleted = [each for each in sent if each.startswith("DELETE FROM sign_in_asks")]
    assert len(deleted) == 2
    with statements() as sent:
        await prune_holder_days(context)
    assert all(each.startswith("SELECT") for each in sent)
    async with database.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(HolderDay)) == 0
        assert list(await session.scalars(select(SignInAsk.at))) == [clocks.business()]
        await session.execute(delete(HabitDay))
    asleep = totals(await lines_of(database, "active-days", what))["asleep"]
    assert "isn't kept any more" in asleep.why
    async with database.transaction() as session:
        await session.execute(delete(AccessEntry))
    assert await lines_of(database, "stop-rate", what) == before


@on_sqlite
async def test_a_period_whose_holders_are_not_known_together_says_so(
    context: Context, database: Database, clocks: MovingClocks
) -> None:
    clocks.time = MIDDAY
    await some_days(context)
    async with database.transaction() as session:
        await session.execute(
            update(RolledDay)
            .where(RolledDay.day == (MIDDAY - DAY).date())
            .values(looked_back_to=(MIDDAY - 2 * DAY).date())
        )
    (line, *_) = await lines_of(
        database, "stop-rate", asked("2026-03-06", "2026-03-09", "day", now=MIDDAY)
    )
    assert line.total.why == (
        "Who came before 2026-03-08 isn't known any more: begin on that day or later."
    )
    assert line.cells[-1].part == 2
