"""What needs somebody, on both databases: each is counted, and leads to where something can be done."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape
from typing import Any

import httpx2
import pytest

from service.billing.inbox import JOB
from service.db.session import Database
from service.db.tables import Job, Reconciliation, UnboundSubscription
from service.identity.permissions import Permission
from service.operators.attention import needs
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.figures_asked import store
from tests.reports.rows import NOW

EVERYTHING = frozenset(Permission)
DAY = timedelta(days=1)


def job(kind: str, status: str, key: str) -> Job:
    return Job(
        id=f"job_{key}", kind=kind, key=key, payload={}, status=status, attempts=5, due_at=NOW,
        created_at=NOW, result="", finished_at=NOW if status != "waiting" else None,
        lease=None,
    )  # fmt: skip


def comparison(id_: str, days_ago: int, remaining: int, *, finished: bool = True) -> Reconciliation:
    at = NOW - days_ago * DAY
    return Reconciliation(
        id=id_, started_by="nightly", started_at=at, finished_at=at if finished else None,
        events_since=at, events_missed=0, compared=9, booked=3, not_ours=0, found=remaining,
        remaining=remaining, differences=[], fixed=True,
    )  # fmt: skip


async def found(database: Database, permissions: frozenset[Permission] = EVERYTHING) -> list[str]:
    async with database.reading() as session:
        return [
            f"{each.count} {each.words}{f': {each.detail}' if each.detail else ''} {each.address}"
            for each in await needs(session, NOW, permissions)
        ]


async def test_nothing_needs_anybody(database: Database) -> None:
    offer, reader = rows.offer(), rows.reader()
    await store(
        database, offer, reader, rows.subscription(reader, offer), job(JOB, "done", "evt_1")
    )
    assert await found(database) == []


async def test_each_is_counted(database: Database) -> None:
    offer, reader = rows.offer(), rows.reader()
    states: list[dict[str, Any]] = [
        {"status": "past_due", "open_amount": 900}, {"status": "past_due", "open_amount": 500},
        {"status": "past_due", "open_amount": 700, "currency": "USD"}, {"status": "unpaid"},
        {"status": "trialing", "trial_end": NOW + DAY}, {"status": "trialing", "trial_end": NOW + 4 * DAY},
        {"status": "trialing", "trial_end": NOW + 3 * DAY}, {"status": "trialing", "trial_end": NOW - DAY},
    ]  # fmt: skip
    await store(
        database, offer, reader, *(rows.subscription(reader, offer, **each) for each in states),
        job(JOB, "failed", "evt_1"), job(JOB, "failed", "evt_2"), job("mail", "failed", "m_1"),
        job("mail", "waiting", "m_2"),
        comparison("rec_1", 2, 7), comparison("rec_2", 1, 1),
        comparison("rec_3", 0, 9, finished=False),
        UnboundSubscription(
            id="sub_u", customer_id="cus_u", offer_id=offer.id, status="active", started_at=NOW
        ),
    )  # fmt: skip
    owed = "€14.00 and $7.00 open"
    readers = [
        "1 subscription without a reader: paid at Stripe, and open to nobody /admin/unbound",
        f"3 subscriptions past due: {owed}, Stripe tries again /admin/readers?status=past_due",
        "1 subscription unpaid: Stripe has stopped trying /admin/readers?status=unpaid",
        "2 trials ending within 3 days /admin/readers?kind=trial_ending",
    ]
    system = [
        "2 events of Stripe's in quarantine /admin/inbox?held=1",
        "1 job given up /admin/jobs?status=failed",
        "1 difference from Stripe left: by the last comparison /admin/reconciliations",
    ]
    assert await found(database) == [*readers, *system]
    assert await found(database, frozenset({Permission.SUBSCRIBERS_READ})) == readers
    assert await found(database, frozenset({Permission.SYSTEM_READ})) == system
    assert await found(database, frozenset({Permission.REPORTS_READ})) == []


@on_sqlite
@pytest.mark.parametrize(("role", "is_shown"), [("admin", True), ("editor", False)])
async def test_it_stands_on_the_first_page(
    database: Database,
    signed_in: Callable[[str], Awaitable[httpx2.AsyncClient]],
    role: str,
    is_shown: bool,
) -> None:
    offer, reader = rows.offer(), rows.reader()
    await store(database, offer, reader, rows.subscription(reader, offer, status="unpaid"))
    page = unescape((await (await signed_in(role)).get("/admin")).text)
    assert ("Needs somebody" in page) == is_shown
    assert ("<strong>1</strong> subscription unpaid" in page) == is_shown
