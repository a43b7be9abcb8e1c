"""Mails about a payment that stays open: before reading ends and when it has ended, each once."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from service.billing.dunning import remind_of_open_payments
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Mail
from service.settings import Settings
from service.upkeep import upkeep_tasks
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import inside
from tests.reports import rows

MAIL_FROM = "Gazette <hello@gazette.example.org>"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@on_sqlite
@pytest.mark.parametrize(
    ("values", "failed_ago", "ends_in", "kinds"),
    [
        ({}, 5 * DAY, 9 * DAY, []),
        ({}, 11 * DAY, 3 * DAY, ["reading-ends"]),
        ({}, HOUR, 2 * DAY, []),  # the mail about the failure has just said it
        ({}, 14 * DAY, -HOUR / 2, []),  # Stripe may be ending it just now
        ({}, 14 * DAY, -HOUR, ["reading-ended"]),
        ({"status": "unpaid"}, None, -HOUR, ["reading-ended"]),
        ({}, 30 * DAY, -8 * DAY, []),
        ({"status": "canceled"}, None, -HOUR, []),
        ({"status": "active"}, None, 2 * DAY, []),
        ({"access_stop": "dispute"}, 14 * DAY, -HOUR, []),
        ({"payment_problem": "bank"}, 11 * DAY, 3 * DAY, []),  # nothing is left for them to do
        ({"payment_problem": "bank"}, 14 * DAY, -HOUR, []),
        ({"outside": "price"}, 14 * DAY, -HOUR, []),  # it opened nothing before
        ({"cancel_at": 2 * DAY}, 11 * DAY, 2 * DAY, []),  # the mail about the end has said it
        ({"cancel_at": 5 * DAY}, 11 * DAY, 2 * DAY, ["reading-ends"]),
    ],
)
async def test_what_is_mailed_when(
    database: Database,
    settings: Settings,
    clocks: MovingClocks,
    values: dict[str, str | timedelta],
    failed_ago: timedelta | None,
    ends_in: timedelta,
    kinds: list[str],
) -> None:
    now = clocks.business()
    since = now - failed_ago if failed_ago is not None else None
    stored = {
        name: now + value if isinstance(value, timedelta) else value
        for name, value in values.items()
    }
    await owe(database, now + ends_in, **{"status": "past_due", "past_due_since": since, **stored})
    mailing = settings.model_copy(update={"mail_from": MAIL_FROM})
    for _ in range(2):
        await remind_of_open_payments(Context(mailing, clocks, database))
    assert await mailed(database) == kinds


async def test_the_service_looks_by_itself(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    await owe(database, clocks.business() - HOUR, status="unpaid")
    mailing = settings.model_copy(update={"mail_from": MAIL_FROM})
    async with inside(database, mailing, clocks) as paywall:
        tasks = {each.name: each for each in upkeep_tasks(paywall.app.running)}
        await tasks["open payments"].run()
    assert await mailed(database) == ["reading-ended"]


async def owe(database: Database, ends_at: datetime, **values: Any) -> None:
    """Store a subscription with an open payment, whose access ends then."""
    reader, offer = rows.reader(email="ana@example.org"), rows.offer()
    bought = rows.subscription(reader, offer, **values)
    access = rows.grant(reader, source="subscription", reference=bought.id, ends_at=ends_at)
    async with database.transaction() as session:
        for row in rows.in_order(reader, offer, bought, access):
            session.add(row)
            await session.flush()


async def mailed(database: Database) -> list[str]:
    async with database.reading() as session:
        return list(await session.scalars(select(Mail.kind)))
