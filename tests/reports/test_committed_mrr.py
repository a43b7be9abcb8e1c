"""Committed MRR now and at past instants, on both databases, against the rows in plain Python."""

import asyncio
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, update

from service.billing.scheduled_ends import forget_scheduled_end
from service.db.session import Database
from service.db.tables import (
    DomainEvent,
    MovementRow,
    Offer,
    Reader,
    Rollup,
    ScheduledChange,
    Subscription,
)
from service.reports.scheduled_rollup import look_up_scheduled
from tests.conftest import MovingClocks
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store, values
from tests.reports.movement_histories import BEGIN, DAYS, PER_MONTH, histories
from tests.reports.rolled import Rolled, context_in, ways
from tests.reports.rows import NOW
from tests.reports.sampled import sampled

DAY = timedelta(days=1)
LATER = BEGIN + timedelta(days=400)
SCHEDULED, RESUMED = "subscription.cancel_scheduled", "subscription.resumed"
SOME = sampled(2)
SIDES = {
    "": "", "plan": "{}_plan", "interval_charged": "{}_interval", "currency": "currency",
}  # fmt: skip
"""By split, where a movement has its value."""
Told = tuple[int, str, int]
"""Subscription, type, and the hour after BEGIN."""
told = st.lists(
    st.tuples(
        st.integers(0, 8), st.sampled_from([SCHEDULED, SCHEDULED, RESUMED]),
        st.integers(0, DAYS * 24),
    ),
    max_size=20, unique_by=lambda each: (each[0], each[2]),
)  # fmt: skip


async def test_now_by_the_subscriptions_and_before_by_what_was_known_then(
    database: Database,
) -> None:
    """9.00 a month each, from 18 February on. One asks for its end on 20 February, and takes that back on
    the 25th; another asks on 3 March. So of 27.00 there are 18.00 on the 24th, 27.00 on the 28th, and since
    March 18.00.
    """
    offer, reader = rows.offer(), rows.reader()
    ours = [rows.subscription(reader, offer) for _ in range(2)]
    ours.append(rows.subscription(reader, offer, cancel_at=NOW + DAY))
    at = {day: NOW - timedelta(days=day) for day in (20, 18, 13, 7)}
    await store(
        database, offer, reader, *ours,
        *(rows.movement(each, 1, at[20]) for each in ours),
        rows.told(reader, SCHEDULED, at[18], subject_id=ours[0].id),
        rows.told(reader, RESUMED, at[13], subject_id=ours[0].id),
        rows.told(reader, SCHEDULED, at[7], subject_id=ours[2].id),
    )  # fmt: skip
    by_day = values(
        await lines_of(database, "committed-mrr", asked("2026-02-17", "2026-02-28", "day"))
    )
    assert by_day["all", "", "EUR"] == [0, 2700, 2700, *[1800] * 5, *[2700] * 5]
    by_month = values(
        await lines_of(database, "committed-mrr", asked("2026-02-01", "2026-03-31", "month"))
    )
    assert by_month["all", "", "EUR"] == [2700, 1800, 1800]
    by_plan = values(
        await lines_of(
            database, "committed-mrr", asked("2026-02-01", "2026-03-31", "month", split="plan")
        )
    )
    assert by_plan == {("all", "digital", "EUR"): [2700, 1800, 1800]}


def test_past_instants_are_what_the_rows_say(database_url: str) -> None:
    @SOME
    @given(
        history=histories(), events=told, start=st.sampled_from([15, 20, 40]),
        days=st.sampled_from([1, 21, 66]), interval=st.sampled_from(["day", "week", "month"]),
        zone=st.sampled_from(["UTC", "America/Santiago"]), noted=ways,
    )  # fmt: skip
    def play(
        history: list[MovementRow],
        events: list[Told],
        start: int,
        days: int,
        interval: str,
        zone: str,
        noted: Rolled,
    ) -> None:
        first = BEGIN.date() + timedelta(days=start)
        what = asked(
            str(first), str(first + timedelta(days=days - 1)), interval, now=LATER, zone=zone,
            home=ZoneInfo(zone),
        )  # fmt: skip
        asyncio.run(_compare(database_url, history, events, what, noted))

    play()


async def _compare(
    url: str, history: list[MovementRow], events: list[Told], what: Any, noted: Rolled
) -> None:
    database = Database(url)
    try:
        await _store(database, history, events, noted)
        for split in SIDES:
            lines = await lines_of(database, "committed-mrr", replace(what, split=split))
            found = {(line.split, line.currency): line.cells for line in lines}
            for number, step in enumerate(what.period.steps):
                expected = _committed(history, events, step.until, split)
                here = {key: cells[number].value for key, cells in found.items()}
                assert {k: v for k, v in here.items() if v} == {
                    k: v for k, v in expected.items() if v
                }
    finally:
        await database.dispose()


async def _store(
    database: Database, history: list[MovementRow], events: list[Told], noted: Rolled
) -> None:
    """What came last, each second event and the movements from the third of each subscription on, comes
    after the rest was looked up, or before, as `noted` says.
    """
    async with database.transaction() as session:
        for table in (
            MovementRow,
            DomainEvent,
            ScheduledChange,
            Rollup,
            Subscription,
            Offer,
            Reader,
        ):
            await session.execute(delete(table))
    offer, reader = rows.offer(), rows.reader()
    names = sorted({row.subscription_id for row in history})
    columns = [each.key for each in MovementRow.__table__.columns]
    moved = [MovementRow(**{key: getattr(row, key) for key in columns}) for row in history]
    said = [
        rows.told(reader, type_, BEGIN + timedelta(hours=hour), subject_id=f"sub_{number}")
        for number, type_, hour in events
    ]
    late = [*said[::2], *(row for row in moved if row.number > 2)] if "last rows" in noted else []
    await store(
        database, offer, reader, *(rows.subscription(reader, offer, id=name) for name in names),
        *(row for row in (*moved, *said) if row not in late),
    )  # fmt: skip
    context = context_in(database, ZoneInfo("UTC"))
    if noted != "no":
        await look_up_scheduled(context)
    await store(database, *late)
    async with database.transaction() as session:
        for name in {row.subscription_id for row in late if isinstance(row, MovementRow)} | {
            row.subject_id for row in late if isinstance(row, DomainEvent)
        }:
            await forget_scheduled_end(session, name)
    if noted == "again after the last rows":
        await look_up_scheduled(context)


def _committed(
    history: list[MovementRow], events: list[Told], until: Any, split: str
) -> dict[tuple[str, str], Fraction]:
    """What each subscription brings just before `until`, unless it was said last that it would end."""
    sums: defaultdict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for name in {row.subscription_id for row in history}:
        said = [
            (hour, type_)
            for number, type_, hour in events
            if f"sub_{number}" == name and BEGIN + timedelta(hours=hour) < until
        ]
        if said and max(said)[1] == SCHEDULED:
            continue
        for row in history:
            if row.subscription_id == name and row.at < until:
                for side, sign in (("to", 1), ("from", -1)):
                    value = getattr(row, SIDES[split].format(side)) if split else ""
                    sums[value or "", row.currency] += sign * _monthly(row, side)
    return dict(sums)


def _monthly(row: MovementRow, side: str) -> Fraction:
    interval = getattr(row, f"{side}_interval")
    if interval is None:
        return Fraction(0)
    amount = Fraction(getattr(row, f"{side}_recurring"), getattr(row, f"{side}_interval_count"))
    return amount * PER_MONTH[interval]


async def test_what_is_kept_is_what_the_figure_reads(database: Database) -> None:
    """Of 9.00 a month that are leaving 8.00 are kept by mistake. So it stays, with its event, for a day."""
    offer, reader = rows.offer(), rows.reader()
    bought = rows.subscription(reader, offer, cancel_at=NOW + DAY)
    await store(
        database, offer, reader, bought, rows.movement(bought, 1, NOW - 20 * DAY),
        rows.told(reader, SCHEDULED, NOW - 15 * DAY, subject_id=bought.id),
    )  # fmt: skip
    context = context_in(database, ZoneInfo("UTC"))
    context = replace(context, clocks=MovingClocks(NOW))
    await look_up_scheduled(context)
    async with database.transaction() as session:
        await session.execute(update(ScheduledChange).values(amount=800))
    await look_up_scheduled(context)
    what = asked("2026-02-01", "2026-02-28", "month")
    assert values(await lines_of(database, "committed-mrr", what))["all", "", "EUR"] == [100, 100]


async def test_what_the_release_before_this_one_stored_is_looked_up_within_a_day(
    database: Database,
) -> None:
    """It takes nothing away: neither for an event nor for the end that follows it."""
    offer, reader = rows.offer(), rows.reader()
    ours = [rows.subscription(reader, offer, cancel_at=NOW + DAY) for _ in range(2)]
    await store(
        database, offer, reader, *ours,
        *(rows.movement(each, 1, NOW - 20 * DAY) for each in ours),
        rows.told(reader, SCHEDULED, NOW - 15 * DAY, subject_id=ours[0].id),
    )  # fmt: skip
    clocks = MovingClocks(NOW)
    context = replace(context_in(database, ZoneInfo("UTC")), clocks=clocks)
    await look_up_scheduled(context)
    await store(
        database, rows.ending(ours[0], 2, NOW - 10 * DAY),
        rows.told(reader, "subscription.ended", NOW - 10 * DAY, subject_id=ours[0].id, recorded_at=NOW),
        rows.told(reader, SCHEDULED, NOW - 14 * DAY, subject_id=ours[1].id, recorded_at=NOW),
    )  # fmt: skip
    what = asked("2026-02-01", "2026-02-28", "month")
    clocks.travel(DAY + timedelta(minutes=1))
    await look_up_scheduled(context)
    assert values(await lines_of(database, "committed-mrr", what)) == {("all", "", "EUR"): [0, 0]}
