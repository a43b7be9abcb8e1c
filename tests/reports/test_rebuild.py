"""Damaged rollups are made anew from their rows."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service import upkeep
from service.clock import Clocks
from service.db.base import Base
from service.db.context import Context
from service.db.session import Database
from service.db.tables import (
    CohortMonth,
    DunningEpisode,
    EdgeDay,
    HabitDay,
    HolderDay,
    HolderReturn,
    LedgerDay,
    MoneyBackDay,
    MoneyDay,
    MovementRow,
    PriceRenewalDay,
    PromotionUse,
    RenewalDay,
    RevenueDay,
    RightDay,
    RolledDay,
    Rollup,
    ScheduledChange,
    SourceCohortMonth,
    SourceDay,
    SourceEdgeDay,
    SourceMoneyDay,
    StepDepth,
    Subscription,
)
from service.problems import Problem
from service.reports import day_rollup
from service.reports.asked import Asked
from service.reports.day_rollup import count_days
from service.reports.money_rollup import roll_up_money
from service.reports.movement_rollup import MOVEMENTS
from service.reports.promotion_rollup import forget_all_promotions, look_up_promotions
from service.reports.queries.habits import Habits, habits_of
from service.reports.rebuild import rebuild
from service.reports.renewal_rollup import count_renewals
from service.reports.rollups import roll_day, roll_up
from service.reports.scheduled_rollup import look_up_scheduled
from service.reports.source_rollup import BY_SOURCE
from service.reports.trial_rollup import look_up_trials
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store, totals
from tests.reports.money_histories import told
from tests.statements import statements

MIDDAY = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ROLLED_UP: dict[type[Any], tuple[str, ...]] = {
    SourceMoneyDay: ("day", "kind", "source", "campaign", "recurring", "net"),
    SourceEdgeDay: ("grain", "day", "source", "way", "cause", "tenure", "readers"),
    SourceCohortMonth: ("cohort", "month", "source", "change"),
    MoneyDay: ("day", "kind", "currency", "recurring", "net"),
    RightDay: ("day", "plan", "price", "change"),
    RenewalDay: ("day", "renewed"),
    EdgeDay: ("grain", "day", "plan", "way", "cause", "tenure", "readers"),
    CohortMonth: ("cohort", "month", "plan", "interval", "currency", "change"),
    RevenueDay: ("day", "sold", "offer_id", "currency", "charged", "net", "tax"),
    MoneyBackDay: ("day", "what", "currency", "number", "amount"),
    DunningEpisode: ("invoice_id", "begun_at", "decline", "tries", "amount"),
    LedgerDay: ("day", "article_id", "reason", "wall", "rows", "counted"),
    HolderDay: ("day", "holder", "reads", "counted"),
    HolderReturn: ("day", "measure", "previous", "holders"),
    MovementRow: ("subscription_id", "number", "renewals"),
    PriceRenewalDay: ("day", "plan", "interval", "renewed"),
    Subscription: ("id", "trial_ended_at", "trial_became"),
    ScheduledChange: ("subscription_id", "at", "plan", "amount"),
    PromotionUse: ("discount_id", "is_new", "is_live", "paid"),
}


@pytest.fixture
def context(settings: Settings, clocks: Clocks, database: Database) -> Context:
    return Context(settings, clocks, database)


async def stored(database: Database) -> dict[str, list[Any]]:
    async with database.reading() as session:
        return {
            table.__tablename__: sorted(
                map(tuple, await session.execute(select(*(getattr(table, c) for c in columns)))),
                key=str,
            )
            for table, columns in ROLLED_UP.items()
        }


def money() -> Iterator[Base]:
    """A subscription that was paid after a charge had failed."""
    sale = {
        "sold": "subscription", "offer": 0, "currency": "EUR", "method": "card", "country": "DE",
        "amount": 900, "fee": 50, "tax": 30, "hour": 240, "declines": [(5, "lost_card")], "ends": "paid",
        "tried_again": False, "first_payment": False, "refunds": [], "dispute": None,
        "came_back": None,
    }  # fmt: skip
    return told([sale], []).all()


async def some_days(context: Context) -> None:
    """Two subscriptions, of which one ended, and the reads and walls of three holders on four days."""
    offer, article = rows.offer(), rows.article("a", "A")
    readers = [rows.reader(), rows.reader()]
    bought = [rows.subscription(each, offer, trial_end=MIDDAY - 40 * DAY) for each in readers]
    await store(
        context.database, offer, article, *readers, *bought,
        rows.movement(bought[0], 1, MIDDAY - 60 * DAY, customer="ctm_1"),
        rows.movement(bought[1], 1, MIDDAY - 40 * DAY, customer="ctm_2"),
        rows.ending(bought[1], 2, MIDDAY - 3 * DAY, customer="ctm_2"),
        PromotionUse(
            discount_id="di_1", subscription_id=bought[0].id, at=MIDDAY - 60 * DAY, coupon="SPRING",
            plan="digital", currency="EUR",
        ),
        *money(),
        rows.told(readers[0], "subscription.renewed", MIDDAY - 2 * DAY),
        rows.told(readers[1], "subscription.renewed", MIDDAY - 9 * DAY, subject_id=bought[1].id),
        rows.told(readers[0], "subscription.cancel_scheduled", MIDDAY - 5 * DAY, subject_id=bought[0].id),
        rows.told(readers[1], "subscription.cancel_scheduled", MIDDAY - 8 * DAY, subject_id=bought[1].id),
        *(
            rows.read(article, MIDDAY - days * DAY, holder=f"device:{name}", wall=wall)
            for days in (1, 2, 3, 4)
            for name, wall in (("a", None), ("b", "subscribe"), ("c", "register"))
        ),
    )  # fmt: skip
    await MOVEMENTS.roll_up(context)
    await BY_SOURCE.roll_up(context)
    await roll_up_money(context)
    await count_renewals(context)
    await look_up_trials(context)
    await look_up_promotions(context)
    await look_up_scheduled(context)
    await roll_up(context)
    await count_days(context)


async def damage(database: Database) -> None:
    async with database.transaction() as session:
        for table, column in (
            (SourceMoneyDay, "net"), (SourceEdgeDay, "readers"), (SourceCohortMonth, "change"),
        ):  # fmt: skip
            await session.execute(update(table).values({column: 9}))
        await session.execute(update(EdgeDay).values(readers=EdgeDay.readers + 1))
        await session.execute(delete(MoneyDay).where(MoneyDay.kind == "new"))
        about = {"plan": "digital", "interval": "month", "currency": "EUR"}
        session.add(CohortMonth(cohort=MIDDAY.date(), month=MIDDAY.date(), change=7, **about))
        await session.execute(update(RevenueDay).values(net=RevenueDay.net + 1))
        await session.execute(update(MoneyBackDay).values(number=2))
        await session.execute(delete(DunningEpisode))
        await session.execute(update(RenewalDay).values(renewed=RenewalDay.renewed + 1))
        await session.execute(update(PriceRenewalDay).values(renewed=5))
        await session.execute(update(RightDay).values(change=RightDay.change + 1))
        await session.execute(update(LedgerDay).values(rows=5))
        await session.execute(delete(HolderDay).where(HolderDay.holder == "device:a"))
        await session.execute(update(HolderReturn).values(holders=9))
        ends = update(MovementRow).where(MovementRow.to_plan.is_(None))
        await session.execute(ends.values(renewals=7))
        await session.execute(update(Subscription).values(trial_became="lost"))
        await session.execute(update(PromotionUse).values(paid=1))
        await session.execute(delete(ScheduledChange).where(ScheduledChange.amount < 0))
        stray = {"subscription_id": "sub_gone", "plan": "digital", "interval": "month", "every": 1}
        session.add(ScheduledChange(at=MIDDAY, currency="EUR", amount=900, **stray))


async def test_damage_is_found_and_mended(
    context: Context, database: Database, clocks: MovingClocks
) -> None:
    clocks.time = MIDDAY
    await some_days(context)
    before = await stored(database)
    assert all(before.values())
    clocks.travel(timedelta(minutes=1))
    assert await rebuild(context, lambda _: None) == []
    assert await stored(database) == before
    await damage(database)
    clocks.travel(timedelta(minutes=1))
    said: list[str] = []
    found = await rebuild(context, said.append)
    assert {each.table for each in found} == before.keys()
    assert await stored(database) == before
    assert "2026-03-09 added up" in said
    lost = [each for each in found if each.key[-1] == "device:a"]
    assert len(lost) == 4
    assert all(each.before is None for each in lost)


@on_sqlite
async def test_an_interrupted_rebuild_goes_on(
    context: Context, database: Database, clocks: MovingClocks
) -> None:
    clocks.time = MIDDAY
    await some_days(context)
    before = await stored(database)
    await damage(database)
    clocks.travel(timedelta(minutes=1))

    class Interrupted(Exception):
        """As by Ctrl-C."""

    def interrupt(line: str) -> None:
        clocks.travel(timedelta(seconds=1))
        if line == "2026-03-07 added up":
            raise Interrupted

    with pytest.raises(Interrupted):
        await rebuild(context, interrupt)
    said: list[str] = []
    await rebuild(context, said.append)
    assert [line for line in said if line.endswith("added up")] == [
        "2026-03-08 added up", "2026-03-09 added up",
    ]  # fmt: skip
    assert await stored(database) == before
    async with database.reading() as session:
        assert set(await session.scalars(select(Rollup.name))) == {
            "movements", "movements by source", "money", "promotions", "renewals", "scheduled", "trials",
        }  # fmt: skip


class Interrupted(Exception):
    """The process ends after it has committed."""


class ShortLived(Database):
    """Ends the process after each transaction."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        async with super().transaction() as session:
            yield session
        raise Interrupted


COUNTED: tuple[type[Any], ...] = (HabitDay, HolderReturn, RolledDay, SourceDay, StepDepth)


async def counted(database: Database) -> list[Any]:
    async with database.reading() as session:
        return [
            sorted(map(tuple, await session.execute(select(*table.__table__.columns))), key=str)
            for table in COUNTED
        ]


@on_sqlite
async def test_what_is_counted_of_days_outlives_any_interruption(
    context: Context, database: Database, clocks: MovingClocks
) -> None:
    clocks.time = MIDDAY
    await some_days(context)
    whole = await counted(database)
    assert whole[COUNTED.index(HabitDay)]
    assert whole[COUNTED.index(StepDepth)]
    async with database.transaction() as session:
        days = list(await session.scalars(select(RolledDay.day)))
        for table in (HabitDay, HolderReturn, SourceDay, StepDepth):
            await session.execute(delete(table))
    for day in days:
        await roll_day(database, day, now=clocks.wall())
    ending = Context(context.settings, clocks, ShortLived(database.url))
    # Holders and depths are stored day by day, the habits of these days together.
    for _ in range(2 * len(days) + 1):
        with pytest.raises(Interrupted):
            await count_days(ending)
    await count_days(ending)
    await ending.database.dispose()
    assert await counted(database) == whole


@on_sqlite
async def test_no_day_waits_behind_one_whose_habits_take_too_long(
    context: Context, database: Database, clocks: MovingClocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks.time = MIDDAY
    await some_days(context)
    whole = await counted(database)
    kept = whole[COUNTED.index(HabitDay)]
    slow = kept[0][0]
    async with database.transaction() as session:
        days = list(await session.scalars(select(RolledDay.day)))
        for table in (HabitDay, HolderReturn, SourceDay, StepDepth):
            await session.execute(delete(table))
    for day in days:
        await roll_day(database, day, now=clocks.wall())

    async def too_slow(
        session: AsyncSession, what: Asked, days: Sequence[date]
    ) -> dict[date, Habits]:
        if slow in days:
            raise Problem("takes-too-long")
        return await habits_of(session, what, days)

    monkeypatch.setattr(day_rollup, "habits_of", too_slow)
    await count_days(context)
    whole[COUNTED.index(HabitDay)] = kept[1:]
    assert await counted(database) == whole
    monkeypatch.undo()
    clocks.time = MIDDAY + DAY  # it is tried once more each night
    await count_days(context)
    assert (await counted(database))[COUNTED.index(HabitDay)][: len(kept)] == kept


@on_sqlite
async def test_no_step_of_a_day_waits_for_another_to_succeed(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def step(name: str) -> Callable[..., Awaitable[None]]:
        async def act(*_: object) -> None:
            done.append(name)
            if name in {"count_days", "count_article_sales"}:
                raise RuntimeError(name)

        return act

    steps = [
        "roll_up", "count_days", "count_article_sales", "prune_holder_days", "drop_old_months",
        "count_past_habits", "count_older_days",
    ]  # fmt: skip
    for name in steps:
        monkeypatch.setattr(upkeep, name, step(name))
    (tend,) = (each.run for each in upkeep.pruning_tasks(context) if each.name == "ledger's days")
    await tend()
    assert done == steps


@on_sqlite
async def test_figures_are_right_while_nothing_is_added_up(
    context: Context, database: Database, clocks: MovingClocks
) -> None:
    """What is half added up counts from its rows."""
    clocks.time = MIDDAY
    await some_days(context)
    async with database.transaction() as session:
        await session.execute(update(MovementRow).values(rolled_as=None))
        for table in (MoneyDay, RightDay, EdgeDay, CohortMonth, Rollup):
            await session.execute(delete(table))
        await session.execute(delete(RolledDay).where(RolledDay.day == (MIDDAY - 2 * DAY).date()))
    what = asked("2026-03-01", "2026-03-10", "day", now=MIDDAY)
    active = totals(await lines_of(database, "active-subscribers", what))
    assert active["all"].value == 1
    stopped = (await lines_of(database, "stop-rate", what))[0]
    assert (stopped.total.part, stopped.total.whole) == (2, 3)
    assert [(cell.part, cell.whole) for cell in stopped.cells[5:9]] == [(2, 3)] * 4


async def test_a_day_is_added_up_in_pieces(
    context: Context, database: Database, clocks: MovingClocks
) -> None:
    clocks.time = MIDDAY
    await some_days(context)
    before = await stored(database)
    async with database.transaction() as session:
        session.add(HolderDay(day=(MIDDAY - DAY).date(), holder="device:0", reads=1, counted=1))
        session.add(HolderDay(day=(MIDDAY - DAY).date(), holder="device:z", reads=1, counted=1))
    await roll_day(database, (MIDDAY - DAY).date(), now=clocks.wall(), at_once=1)
    await count_days(context)
    assert await stored(database) == before


async def test_uses_of_promotion_codes_are_forgotten_in_parts(
    context: Context, database: Database
) -> None:
    row = PromotionUse
    paid = {"di_1": 1, "di_2": None, "di_3": 3, "di_4": 4}
    uses = [
        row(discount_id=each, at=MIDDAY, coupon="SPRING", plan="digital", currency="EUR", paid=amount)
        for each, amount in paid.items()
    ]  # fmt: skip
    await store(database, *uses)
    for parts in (2, 0):
        with statements() as sent:
            await forget_all_promotions(context, at_once=2)
        assert sum(each.startswith("UPDATE promotion_uses") for each in sent) == parts
    async with database.reading() as session:
        assert set(await session.scalars(select(row.paid))) == {None}
