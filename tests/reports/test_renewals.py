"""Renewals, on both databases: counted again from movements and events in plain Python."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, update

from service.billing.ends import forget_renewals_of
from service.billing.ledger import state_of
from service.billing.money import Money
from service.billing.renewed import take_renewals_along
from service.billing.state import StateChange
from service.db.base import Base
from service.db.session import Database
from service.db.tables import (
    DomainEvent,
    MovementRow,
    Offer,
    PriceRenewalDay,
    Reader,
    RenewalDay,
    Rollup,
    Subscription,
)
from service.reports.asked import Asked
from service.reports.renewal_rollup import count_renewals
from tests.conftest import MovingClocks
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store
from tests.reports.lists_behind import lists_agree
from tests.reports.movement_histories import BEGIN, DAYS, histories
from tests.reports.rolled import context_in
from tests.reports.sampled import sampled

SOME = sampled(2)
LATER = BEGIN + timedelta(days=400)
HOME = ZoneInfo("America/Santiago")
_TABLES: tuple[type[Base], ...] = (
    RenewalDay,
    PriceRenewalDay,
    Rollup,
    MovementRow,
    DomainEvent,
    Subscription,
    Offer,
    Reader,
)
PLANS = {"sub_0": ("digital", "year"), "sub_1": ("weekend", "month"), "sub_2": ("digital", "month")}
"""Of the subscriptions as they are now."""
SWITCHED = ("weekend", "month")
"""What the first of them becomes when its renewals are counted."""
Plan = tuple[str, str]
Renewals = list[tuple[str, datetime]]
renewals = st.lists(
    st.tuples(
        st.sampled_from(sorted(PLANS)),
        st.integers(0, DAYS * 24).map(lambda hour: BEGIN + timedelta(hours=hour)),
    ),
    min_size=5, max_size=60,
)  # fmt: skip


def test_renewals_are_what_the_rows_say(database_url: str) -> None:
    @SOME
    @given(
        history=histories(), renewed=renewals, trials_paid=renewals, start=st.sampled_from([0, 20, 45]),
        yearly=st.booleans(), again=st.booleans(), switched=st.booleans(), counted=st.sampled_from([(), (30,), (40, 41, 70), (200,)]),
    )  # fmt: skip
    def play(
        history: list[MovementRow], renewed: Renewals, trials_paid: Renewals, start: int,
        counted: tuple[int, ...], *, yearly: bool, again: bool, switched: bool,
    ) -> None:  # fmt: skip
        first = BEGIN.date() + timedelta(days=start)
        what = asked(str(first), "2026-04-30", "month", now=LATER, zone=HOME.key, home=HOME)
        what = replace(what, chosen={"interval_charged": "year"} if yearly else {})
        asyncio.run(
            _compare(
                database_url,
                what,
                history,
                renewed,
                trials_paid,
                counted,
                again=again,
                switched=switched,
            )
        )

    play()


async def _compare(
    url: str, what: Asked, history: list[MovementRow], renewed: Renewals, trials_paid: Renewals,
    counted: tuple[int, ...], *, again: bool, switched: bool,
) -> None:  # fmt: skip
    """Renewals are counted on some days of the history; every third was recorded late, and every fourth is stored
    when all is counted. `trials_paid` are the first payments after trials: none of them is a renewal.
    """
    database = Database(url)
    try:
        async with database.transaction() as session:
            for table in _TABLES:
                await session.execute(delete(table))
        reader, offer = rows.reader(), rows.offer()
        await store(
            database, reader, offer,
            *(
                rows.subscription(reader, offer, id=name, plan=plan, interval=interval)
                for name, (plan, interval) in PLANS.items()
            ),
            *(
                rows.told(
                    reader, "subscription.renewed", at, subject_id=name,
                    recorded_at=at + timedelta(days=20 if number % 3 == 0 else 0),
                )
                for number, (name, at) in enumerate(renewed)
                if number % 4
            ),
            *(
                rows.told(reader, "subscription.trial_paid", at, subject_id=name)
                for name, at in trials_paid
            ),
            *(_copy(row) for row in history),
        )  # fmt: skip
        context = context_in(database, HOME)
        for days in counted:
            clocks = MovingClocks(BEGIN + timedelta(days=days))
            await count_renewals(replace(context, clocks=clocks))
        if switched:
            await _switch(database)
        late = [rows.told(reader, "subscription.renewed", at, subject_id=name, recorded_at=LATER)
                for name, at in renewed[::4]]  # fmt: skip
        await store(database, *late)
        async with database.transaction() as session:
            for each in late:
                await forget_renewals_of(session, each.subject_id)
        if again:
            clocks = MovingClocks(BEGIN + timedelta(days=200))
            await count_renewals(replace(context, clocks=clocks))
        plans = {**PLANS, "sub_0": SWITCHED} if switched else PLANS
        for split in ("", "plan", "interval_charged"):
            await _agree(database, replace(what, split=split), history, renewed, plans)
    finally:
        await database.dispose()


async def _agree(
    database: Database, what: Asked, history: list[MovementRow], renewed: Renewals,
    plans: Mapping[str, Plan],
) -> None:  # fmt: skip
    for slug in ("renewal-churn", "ends-by-renewals"):
        await lists_agree(database, slug, what)
    for line in await lines_of(database, "renewal-churn", what):
        for cell, (first, last) in zip([*line.cells, line.total], _steps(what), strict=True):
            gone = len(_ended(what, history, line.split, first, last))
            stayed = _stayed(what, renewed, line.split, first, last, plans)
            part = {"all": gone, "renewed": stayed}[line.series]
            assert (cell.part, cell.whole) == (part, gone + stayed), (line.split, first)
    for line in await lines_of(database, "ends-by-renewals", what):
        for cell, (first, last) in zip([*line.cells, line.total], _steps(what), strict=True):
            counts = Counter(
                _bucket(sum(name == row.subscription_id and at <= row.at for name, at in renewed))
                for row in _ended(what, history, line.split, first, last)
            )
            assert cell.value == counts[line.series], (line.series, line.split, first)


async def _switch(database: Database) -> None:
    async with database.transaction() as session:
        row = await session.get_one(Subscription, "sub_0")
        before = state_of(row, None)
        row.plan, row.interval = SWITCHED
        await session.flush()
        change = StateChange(row.reader_id, before, state_of(row, None), Money(), LATER)
        await take_renewals_along(session, change)


def _steps(what: Asked) -> list[tuple[date, date]]:
    return [(each.first, each.last) for each in (*what.period.steps, what.period.whole)]


def _ended(
    what: Asked, history: list[MovementRow], split: str, first: date, last: date
) -> list[MovementRow]:
    zone = what.period.zone
    return [
        row
        for row in history
        if row.to_plan is None
        and row.cause in {"voluntary", "payment_failed"}
        and first <= row.at.astimezone(zone).date() <= last
        and _is_asked(what, split, row.from_plan, row.from_interval)
    ]


def _stayed(
    what: Asked, renewed: Renewals, split: str, first: date, last: date, plans: Mapping[str, Plan]
) -> int:
    zone: ZoneInfo = what.period.zone
    return sum(
        first <= at.astimezone(zone).date() <= last and _is_asked(what, split, *plans[name])
        for name, at in renewed
    )


def _is_asked(what: Asked, split: str, plan: str | None, interval: str | None) -> bool:
    known = {"plan": plan, "interval_charged": interval}
    chosen = all(known[name] == value for name, value in what.chosen.items())
    return chosen and (not what.split or known[what.split] == split)


def _bucket(renewals_before: int) -> str:
    for name, most in (("0", 0), ("1", 1), ("2", 2), ("3", 3), ("4-6", 6), ("7-12", 12)):
        if renewals_before <= most:
            return name
    return "13+"


def _copy(row: MovementRow) -> MovementRow:
    return MovementRow(**{c.key: getattr(row, c.key) for c in MovementRow.__table__.columns})


async def test_what_is_counted_is_what_the_figure_reads(database: Database) -> None:
    """Two renewals, of which the second was recorded after the first midnight; and one more is read."""
    reader = rows.reader()
    await store(
        database, reader,
        *(rows.told(reader, "subscription.renewed", BEGIN + timedelta(hours=h)) for h in (10, 40)),
    )  # fmt: skip
    context = context_in(database, HOME)
    await count_renewals(replace(context, clocks=MovingClocks(BEGIN + timedelta(hours=36))))
    async with database.transaction() as session:
        await session.execute(update(RenewalDay).values(renewed=RenewalDay.renewed + 1))
    what = asked(str(BEGIN.date()), "2026-04-30", "month", now=LATER, zone=HOME.key, home=HOME)
    [line] = [
        each for each in await lines_of(database, "renewal-churn", what) if each.series == "renewed"
    ]
    assert line.total.part == 3
