"""The figures of one moment, on both databases: what counts, and what doesn't."""

from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest

from service.billing.recurring import is_paid
from service.db.base import Base
from service.db.session import Database
from service.reports.figures import Summary, mrr_movements, summary
from service.reports.metrics import total
from tests.reports import rows
from tests.reports.rows import NOW

NOTHING = Summary(0, 0, 0, {}, {}, {})
NINE = {"EUR": 900}


async def figures(database: Database, *added: Base) -> Summary:
    async with database.transaction() as session:
        await rows.put(session, *added)
    async with database.reading() as session:
        return await summary(session)


async def test_an_empty_database_has_figures_too(database: Database) -> None:
    assert await figures(database) == NOTHING


async def test_readers_count_once_and_currencies_stay_apart(database: Database) -> None:
    offer = rows.offer()
    twice, late, gone = (rows.reader() for _ in range(3))
    found = await figures(
        database,
        offer, twice, late, gone,
        rows.subscription(twice, offer),
        rows.subscription(twice, offer, amount=12000, interval="year"),
        rows.subscription(late, offer, status="past_due", currency="CHF"),
        rows.subscription(gone, offer, status="canceled"),
    )  # fmt: skip
    assert (found.active_subscribers, found.mrr) == (2, {"CHF": 900, "EUR": 1900})


CASES: dict[str, tuple[dict[str, Any], Summary]] = {
    "active": ({}, Summary(1, 0, 0, NINE, NINE, NINE)),
    "past due": ({"status": "past_due"}, Summary(1, 0, 0, NINE, NINE, NINE)),
    "a trial": ({"status": "trialing"}, Summary(0, 0, 1, {}, {}, {})),
    "unpaid": ({"status": "unpaid"}, NOTHING),
    "paused": ({"status": "paused"}, NOTHING),
    "incomplete": ({"status": "incomplete"}, NOTHING),
    "cancelled": ({"status": "canceled"}, NOTHING),
    "free": ({"amount": 0}, NOTHING),
    "free for ever by a coupon": ({"recurring_amount": 0, "net_amount": 0}, NOTHING),
    "dearer before a coupon for ever": (
        {"recurring_amount": 600, "net_amount": 600},
        Summary(1, 0, 0, {"EUR": 600}, {"EUR": 600}, {"EUR": 600}),
    ),
    "free for three months": ({"net_amount": 0}, Summary(1, 0, 0, NINE, {"EUR": 0}, NINE)),
    "collection paused": ({"pauses_collection": True}, Summary(0, 1, 0, {}, {}, {})),
    "scheduled to end": ({"cancel_at": NOW}, Summary(1, 0, 0, NINE, NINE, {})),
    "bought twice": ({"access_stop": "duplicate"}, NOTHING),
    "given back once": ({"access_stop": "refund"}, Summary(1, 0, 0, NINE, NINE, NINE)),
}


@pytest.mark.parametrize(("values", "expected"), CASES.values(), ids=CASES)
async def test_what_counts(database: Database, values: dict[str, Any], expected: Summary) -> None:
    offer, reader = rows.offer(), rows.reader()
    bought = rows.subscription(reader, offer, **values)
    paid = is_paid(bought.status, bought.recurring_amount, bought.access_stop)
    assert paid == (expected.active_subscribers + expected.collection_paused == 1)
    assert await figures(database, offer, reader, bought) == expected


async def test_movements_of_a_period_by_kind_and_currency(database: Database) -> None:
    """A month for 9, then a year for 100; somebody else's month ends again."""
    offer, reader = rows.offer(), rows.reader()
    monthly = rows.subscription(reader, offer, currency="CHF")
    yearly = rows.subscription(reader, offer, amount=10000, interval="year")
    day = timedelta(days=1)
    out = {
        "to_plan": None, "to_interval": None, "to_interval_count": None, "to_listed": 0,
        "to_recurring": 0, "to_net": 0,
    }  # fmt: skip
    was = {"from_plan": "digital", "from_interval": "month", "from_interval_count": 1}
    costs = {"from_listed": 900, "from_recurring": 900, "from_net": 900}
    await figures(
        database,
        rows.movement(yearly, 1, NOW, to_interval="month", to_recurring=900),
        rows.movement(yearly, 2, NOW + 2 * day, kind="contraction", **was, **costs),
        rows.movement(monthly, 1, NOW),
        rows.movement(monthly, 2, NOW + day, kind="churn_voluntary", **was, **costs, **out),
    )
    year = Fraction(10000, 12) - 900
    async with database.reading() as session:
        whole = await mrr_movements(session)
        first = await mrr_movements(session, until=NOW + day)
        rest = await mrr_movements(session, since=NOW + day, until=NOW + 3 * day)
    assert first == {"new": {"EUR": 900, "CHF": 900}}
    assert rest == {"churn_voluntary": {"CHF": -900}, "contraction": {"EUR": year}}
    assert whole == {**first, **rest}
    assert total(whole.values()) == {"CHF": 0, "EUR": Fraction(10000, 12)}
