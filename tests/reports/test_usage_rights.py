"""Usage rights for audit bureaux, on both databases: counted again day by day in plain Python."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from service.db.base import Base
from service.db.session import Database
from service.db.tables import Checkout, MovementRow, Offer, Pass, Reader
from service.reports.asked import Asked
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store, totals
from tests.reports.movement_histories import BEGIN, DAYS, PER_MONTH, histories
from tests.reports.rolled import Rolled, store_rolled, ways
from tests.reports.rows import NOW
from tests.reports.sampled import sampled

SOME = sampled(2)
DAY = timedelta(days=1)
_TABLES: tuple[type[Base], ...] = (MovementRow, Pass, Checkout, Offer, Reader)
Bought = list[tuple[int, int, int, int | None]]
passes = st.lists(
    st.tuples(
        st.integers(0, DAYS * 24), st.sampled_from([24, 36, 7 * 24]), st.sampled_from([0, 1, 3, 7, 300]),
        st.none() | st.integers(1, 40),
    ),
    min_size=1, max_size=8,
)  # fmt: skip
"""Hours from the beginning, hours that are paid for, the amount, and after how many it was taken away."""


def test_usage_rights_are_what_the_rows_say(database_url: str) -> None:
    @SOME
    @given(
        history=histories(), bought=passes, start=st.sampled_from([0, 20, 45, 85]),
        zone=st.sampled_from(["UTC", "America/Santiago"]), now=st.integers(30, 140),
        rolled=ways,
    )  # fmt: skip
    def play(
        history: list[MovementRow], bought: Bought, start: int, zone: str, now: int,
        rolled: Rolled,
    ) -> None:  # fmt: skip
        first = BEGIN.date() + start * DAY
        what = asked(
            str(first),
            "2026-04-30",
            "month",
            now=BEGIN + now * DAY,
            zone=zone,
            home=ZoneInfo(zone),
        )
        asyncio.run(_compare(database_url, what, history, bought, rolled))

    play()


async def _compare(
    url: str, what: Asked, history: list[MovementRow], bought: Bought, rolled: Rolled
) -> None:
    reader, offer = rows.reader(), rows.offer(kind="pass")
    sold = [rows.checkout(reader, offer, BEGIN) for _ in bought]
    paid = [
        rows.bought_pass(
            reader, offer, click, amount=amount, starts_at=BEGIN + timedelta(hours=begins),
            ends_at=BEGIN + timedelta(hours=begins + length),
            access_stop="refund" if stopped else "",
            access_stopped_at=BEGIN + timedelta(hours=begins + stopped) if stopped else None,
        )
        for click, (begins, length, amount, stopped) in zip(sold, bought, strict=True)
    ]  # fmt: skip
    # A gift's payment is no right, and neither are the days until it was refunded.
    gift = rows.offer(kind="gift")
    click = rows.checkout(reader, gift, BEGIN)
    given = rows.bought_pass(
        reader, gift, click, starts_at=BEGIN, ends_at=BEGIN, access_stop="refund",
        access_stopped_at=BEGIN + 40 * DAY,
    )  # fmt: skip
    database = Database(url)
    try:
        async with database.transaction() as session:
            for table in _TABLES:
                await session.execute(delete(table))
        unpaid = (reader, offer, gift, *sold, click)
        await store(database, *unpaid, *(_copy(row) for row in (*paid, given)))
        await store_rolled(database, history, rolled, what.home)
        found = [
            line
            for split in ("", "plan")
            for line in await lines_of(database, "usage-rights", replace(what, split=split))
        ]
    finally:
        await database.dispose()
    for line in found:
        for cell, step in zip(
            [*line.cells, line.total], [*what.period.steps, what.period.whole], strict=True
        ):
            counts: Counter[str] = Counter()
            over = 0
            for number in range((step.last - step.first).days + 1):
                end = _midnight(step.first + (number + 1) * DAY, what.period.zone)
                if end <= what.now:
                    over += 1
                    counts += _rights(history, paid, end, line.split)
            if step.since > what.now or not over:
                assert cell.value is None
                continue
            classes = counts["full"] + counts["half"] + counts["quarter"] + counts["less"]
            sums = {"all": classes + counts["single"], "subscriptions": classes}
            expected = sums.get(line.series, counts[line.series])
            assert cell.value == Fraction(expected, over), (line.series, step.first)


def _rights(
    history: list[MovementRow], paid: list[Pass], end: datetime, split: str
) -> Counter[str]:
    """Those in force at the very end of a day."""
    found: Counter[str] = Counter()
    last: dict[str, MovementRow] = {}
    for row in history:
        before = last.get(row.subscription_id)
        if row.at < end and (before is None or before.number < row.number):
            last[row.subscription_id] = row
    for row in last.values():
        if (
            row.to_interval is None
            or row.to_interval_count is None
            or split not in {"", row.to_plan}
        ):
            continue
        a_day = Fraction(row.to_net) * PER_MONTH[row.to_interval] / row.to_interval_count * 12 / 365
        if a_day >= 1:
            part = Fraction(row.to_net, row.to_listed)
            bounds: dict[str, Fraction] = {
                "full": Fraction(1),
                "half": Fraction(1, 2),
                "quarter": Fraction(1, 4),
                "less": Fraction(0),
            }
            found[next(name for name, least in bounds.items() if part >= least)] += 1
    for each in paid:
        stopped = each.access_stopped_at if each.access_stop else None
        days = Fraction((each.ends_at - each.starts_at) / DAY)
        is_open = each.starts_at < end <= (stopped or each.ends_at)
        if is_open and each.amount >= days and split in {"", "digital"}:
            found["single"] += 1
    return found


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _copy(row: Base) -> Base:
    return type(row)(**{c.key: getattr(row, c.key) for c in row.__table__.columns})


async def test_a_worked_example(database: Database) -> None:
    """One subscription for all of 1 to 9 March at 9.00 of 9.00, one from 6 March on at 4.00 of 9.00, and
    one that costs 3 cents a year: it brings less than a cent a day. A pass for 1.00 and two days.

    (9 × 1 + 4 × 1 + 2) ÷ 9 days = 15 ÷ 9; the 10th runs still.
    """
    offer, reader = rows.offer(), rows.reader()
    begins = NOW.replace(day=1, hour=0)
    click = rows.checkout(reader, offer, begins)
    bought = [rows.subscription(reader, offer) for _ in range(3)]
    await store(
        database, offer, reader, click,
        rows.movement(bought[0], 1, begins - 90 * DAY),
        rows.movement(bought[1], 1, begins + 5 * DAY, to_net=400),
        rows.movement(bought[2], 1, begins, to_net=3, to_interval="year"),
        rows.bought_pass(
            reader, offer, click, amount=100, starts_at=begins + 10 * DAY / 24, ends_at=begins + 2.5 * DAY
        ),
    )  # fmt: skip
    found = totals(
        await lines_of(database, "usage-rights", asked("2026-03-01", "2026-03-31", "month"))
    )
    assert {name: (cell.part, cell.whole) for name, cell in found.items()} == {
        "all": (15, 9), "subscriptions": (13, 9), "single": (2, 9),
        "full": (9, 9), "half": (0, 9), "quarter": (4, 9), "less": (0, 9),
    }  # fmt: skip
    assert found["all"].value == Fraction(15, 9)
