"""What readers answer and write when they cancel: the figure, counted again in plain Python, and the list."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from service.db.session import Database
from service.db.tables import Offer, Reader, Subscription
from service.reports.cancellation_list import Chosen, list_cancellations
from service.reports.movement_sums import tenure_of
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store, values
from tests.reports.rows import NOW
from tests.reports.sampled import sampled

DAY = timedelta(days=1)
MARCH = ("2026-03-01", "2026-03-31", "month")
SOME = sampled(2)
ended = st.tuples(
    st.integers(-40, 0), st.integers(1, 120), st.sampled_from(["", "unused", "other", "too_new"]),
    st.sampled_from(["digital", "weekend"]), st.sampled_from(["", "payment_failed"]),
)  # fmt: skip


def cancelled(
    reader: Reader, offer: Offer, ago: int, days: int, feedback: str = "", **values: Any
) -> Subscription:
    at = NOW - ago * DAY
    return rows.subscription(
        reader, offer, started_at=at - days * DAY, cancelled_at=at, cancelled_after_days=days,
        cancel_feedback=feedback, **values,
    )  # fmt: skip


def test_the_figure_is_what_the_rows_say(database_url: str) -> None:
    @SOME
    @given(told=st.lists(ended, min_size=1, max_size=12))
    def play(told: list[tuple[int, int, str, str, str]]) -> None:
        asyncio.run(_compare(database_url, told))

    play()


async def _compare(url: str, told: list[tuple[int, int, str, str, str]]) -> None:
    database = Database(url)
    try:
        async with database.transaction() as session:
            for table in (Subscription, Offer, Reader):
                await session.execute(delete(table))
        reader = rows.reader()
        offers = {plan: rows.offer(plan=plan) for plan in ("digital", "weekend")}
        expected: dict[str, Counter[tuple[str, str]]] = {
            "": Counter(),
            "plan": Counter(),
            "tenure": Counter(),
        }
        bought = []
        for ago, days, feedback, plan, reason in told:
            bought.append(
                cancelled(reader, offers[plan], -ago, days, feedback, cancel_reason=reason)
            )
            if (NOW + ago * DAY).month == NOW.month and not reason:
                name = {"": "none", "too_new": "other"}.get(feedback, feedback)
                values_of = {"": "", "plan": plan, "tenure": tenure_of(days * DAY)}
                for split, value in values_of.items():
                    expected[split][name, value] += 1
        await store(database, reader, *offers.values(), *bought)
        for split, counts in expected.items():
            found = values(await lines_of(database, "feedback", asked(*MARCH, split=split)))
            assert {(n, v): each[-1] for (n, v, _), each in found.items() if each[-1]} == counts
    finally:
        await database.dispose()


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Chosen(), ["late", "early", "gone"]),
        (Chosen(only_comments=True), ["late"]),
        (Chosen(plan="weekend"), []),
        (Chosen(tenure="day_7"), ["early"]),
        (Chosen(feedback="unused"), ["late"]),
        (Chosen(feedback="none"), ["early", "gone"]),
    ],
)
async def test_the_list(database: Database, chosen: Chosen, expected: list[str]) -> None:
    reader, offer = rows.reader(email="ana@a.example"), rows.offer()
    gone = rows.reader(erased_at=NOW)
    await store(
        database, reader, gone, offer,
        cancelled(reader, offer, 1, 101, "unused", id="late", cancel_comment="No time to read"),
        cancelled(reader, offer, 2, 2, id="early"), cancelled(gone, offer, 3, 30, id="gone",
                  access_stop="refund", access_stopped_at=NOW - 2 * DAY),
        cancelled(reader, offer, 1, 9, id="failed", cancel_reason="payment_failed"),
        cancelled(reader, offer, 1, 9, id="twice", access_stop="duplicate"),
        cancelled(reader, offer, 1, 9, id="never-paid", status="incomplete_expired"),
        cancelled(reader, offer, 1, 9, id="refunded", access_stop="refund", access_stopped_at=NOW - 2 * DAY),
        cancelled(reader, offer, 1, 9, id="lost", access_stop="dispute_lost", access_stopped_at=NOW - DAY),
        cancelled(gone, offer, 1, 9, id="erased", cancel_reason="erased"),
        cancelled(reader, offer, 20, 9, id="long-ago"), rows.subscription(reader, offer, id="stays"),
    )  # fmt: skip
    async with database.reading() as session:
        found = await list_cancellations(session, asked(*MARCH), chosen, cursor=None, limit=9)
    assert [each.row.id for each in found.items] == expected
    assert all((each.reader_id is None) == (each.row.id == "gone") for each in found.items)
