"""Subscriptions of yesterday's database begin with a movement each, so that movements add up to MRR."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from service.db import migrate
from service.db.base import UtcDateTime
from service.db.engines import async_url
from service.db.session import Database
from service.db.tables import MovementRow, Reader, Subscription
from service.reports.figures import exact_mrr, mrr_movements, summary
from tests.db.test_rows_for_growth import AFTER, BEFORE, LISBON

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TRIAL_END = START + timedelta(days=14)

READERS = sa.table("readers", sa.column("id"), sa.column("created_at", UtcDateTime()))
OFFERS = sa.table(
    "offers",
    *map(sa.column, ("id", "name", "plan", "amount", "currency", "interval", "interval_count")),
    sa.column("trial_days"), sa.column("position"), sa.column("created_at", UtcDateTime()),
)  # fmt: skip
SUBSCRIPTIONS = sa.table(
    "subscriptions",
    *map(sa.column, (
        "id", "reader_id", "customer_id", "offer_id", "plan", "status", "amount", "currency",
        "interval", "interval_count", "cancel_reason", "access_stop", "payment_problem", "version",
    )),
    sa.column("pauses_collection", sa.Boolean()),
    *(sa.column(name, UtcDateTime()) for name in (
        "started_at", "current_period_end", "trial_end", "synced_at",
    )),
)  # fmt: skip


def subscription(name: str, reader: str, **values: Any) -> dict[str, Any]:
    return {
        "id": name, "reader_id": reader, "customer_id": "cus_1", "offer_id": "off_1",
        "plan": "digital", "status": "active", "amount": 900, "currency": "EUR",
        "interval": "month", "interval_count": 1, "cancel_reason": "", "access_stop": "",
        "payment_problem": "", "version": 3, "pauses_collection": False, "started_at": START,
        "current_period_end": START, "trial_end": None, "synced_at": START, **values,
    }  # fmt: skip


BRINGING = [
    subscription("sub_month", "rdr_1"),
    subscription("sub_year", "rdr_1", amount=1000, interval="year", trial_end=TRIAL_END),
    subscription("sub_overdue", "rdr_2", status="past_due", currency="CHF"),
]
OTHERS = [
    subscription("sub_trial", "rdr_2", status="trialing", trial_end=TRIAL_END),
    subscription("sub_ended", "rdr_2", status="canceled"),
    subscription("sub_paused", "rdr_2", pauses_collection=True),
    subscription("sub_twice", "rdr_2", access_stop="duplicate"),
    subscription("sub_free", "rdr_3", amount=0),
]


async def test_movements_of_what_ran_already_add_up_to_mrr(empty_database_url: str) -> None:
    engine = create_async_engine(async_url(empty_database_url))
    async with engine.connect() as connection:
        await connection.run_sync(migrate.upgrade, BEFORE)
        readers = [{"id": f"rdr_{number}", "created_at": START} for number in (1, 2, 3)]
        await connection.execute(sa.insert(READERS), readers)
        offer = {
            "id": "off_1", "name": "Digital", "plan": "digital", "amount": 900, "currency": "EUR",
            "interval": "month", "interval_count": 1, "trial_days": 0, "position": 1,
            "created_at": START,
        }  # fmt: skip
        await connection.execute(sa.insert(OFFERS), [offer])
        await connection.execute(sa.insert(SUBSCRIPTIONS), [*BRINGING, *OTHERS])
        await connection.run_sync(migrate.upgrade, AFTER, LISBON)
        # They are read below by today's tables.
        await connection.run_sync(migrate.upgrade)
    await engine.dispose()
    database = Database(empty_database_url)
    async with database.reading() as session:
        moved = await mrr_movements(session)
        total = {
            currency: sum(each.get(currency, 0) for each in moved.values())
            for currency in ("CHF", "EUR")
        }
        assert total == await exact_mrr(session)
        assert (await summary(session)).mrr == {"CHF": 900, "EUR": 983}
        rows = list(await session.scalars(sa.select(MovementRow)))
        known = list(await session.scalars(sa.select(Reader).order_by(Reader.id)))
        stored = list(await session.scalars(sa.select(Subscription)))
    await database.dispose()
    assert {(each.subscription_id, each.at) for each in rows} == {
        ("sub_month", START), ("sub_year", TRIAL_END), ("sub_overdue", START)
    }  # fmt: skip
    assert {each.subscription_id: each.kind for each in rows} == {
        "sub_month": "new", "sub_year": "expansion", "sub_overdue": "new"
    }  # fmt: skip
    assert {(each.number, each.cause) for each in rows} == {(1, "carried_over")}
    one, two, three = (each.pseudonym for each in known)
    assert {each.subscription_id: each.customer for each in rows} == {
        "sub_month": one, "sub_year": one, "sub_overdue": two
    }  # fmt: skip
    assert one != two
    assert three is None
    assert {(each.amount == each.net_amount, str(each.discounts)) for each in stored} == {
        (True, "[]")
    }
