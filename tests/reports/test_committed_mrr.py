"""Committed MRR now and at past instants, on both databases, against the rows in plain Python."""

import asyncio
from collections import defaultdict
from datetime import timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from service.db.session import Database
from service.db.tables import DomainEvent, MovementRow, Offer, Reader, Subscription
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store, values
from tests.reports.movement_histories import BEGIN, DAYS, PER_MONTH, histories
from tests.reports.rows import NOW
from tests.reports.sampled import sampled

DAY = timedelta(days=1)
LATER = BEGIN + timedelta(days=400)
SCHEDULED, RESUMED = "subscription.cancel_scheduled", "subscription.resumed"
SOME = sampled(5)
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
        zone=st.sampled_from(["UTC", "America/Santiago"]), split=st.sampled_from(list(SIDES)),
    )  # fmt: skip
    def play(
        history: list[MovementRow],
        events: list[Told],
        start: int,
        days: int,
        interval: str,
        zone: str,
        split: str,
    ) -> None:
        first = BEGIN.date() + timedelta(days=start)
        what = asked(
            str(first), str(first + timedelta(days=days - 1)), interval, now=LATER, zone=zone,
            home=ZoneInfo(zone), split=split,
        )  # fmt: skip
        asyncio.run(_compare(database_url, history, events, what))

    play()


async def _compare(url: str, history: list[MovementRow], events: list[Told], what: Any) -> None:
    database = Database(url)
    try:
        await _store(database, history, events)
        lines = await lines_of(database, "committed-mrr", what)
        found = {(line.split, line.currency): line.cells for line in lines}
        for number, step in enumerate(what.period.steps):
            expected = _committed(history, events, step.until, what.split)
            here = {key: cells[number].value for key, cells in found.items()}
            assert {k: v for k, v in here.items() if v} == {k: v for k, v in expected.items() if v}
    finally:
        await database.dispose()


async def _store(database: Database, history: list[MovementRow], events: list[Told]) -> None:
    async with database.transaction() as session:
        for table in (MovementRow, DomainEvent, Subscription, Offer, Reader):
            await session.execute(delete(table))
    offer, reader = rows.offer(), rows.reader()
    names = sorted({row.subscription_id for row in history})
    columns = [each.key for each in MovementRow.__table__.columns]
    await store(
        database, offer, reader, *(rows.subscription(reader, offer, id=name) for name in names),
        *(MovementRow(**{key: getattr(row, key) for key in columns}) for row in history),
        *(
            rows.told(reader, type_, BEGIN + timedelta(hours=hour), subject_id=f"sub_{number}")
            for number, type_, hour in events
        ),
    )  # fmt: skip


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
