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
from service.html.list_query import ListQuery
from service.identity.permissions import Permission
from service.operators.attention import needs
from service.operators.money.lists import list_owing
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
        {"status": "trialing", "trial_end": NOW + DAY}, {"status": "trialing", "trial_end": NOW + 4 * DAY},
        {"status": "trialing", "trial_end": NOW + 3 * DAY}, {"status": "trialing", "trial_end": NOW - DAY},
    ]  # fmt: skip
    late, declined = (
        rows.subscription(reader, offer, status=each) for each in ("past_due", "incomplete")
    )
    again = NOW + DAY
    invoices = [
        rows.invoice(late, id="in_1", next_attempt_at=again),
        rows.invoice(late, id="in_2", next_attempt_at=again, amount_due=500),
        rows.invoice(late, id="in_3", next_attempt_at=again, amount_due=700, currency="USD"),
        rows.invoice(late, id="in_4"),
        rows.invoice(late, id="in_5", paid_at=NOW),
        rows.invoice(late, id="in_6", offer_id=None),
        rows.invoice(declined, id="in_7", billing_reason="subscription_create"),
    ]
    await store(
        database, offer, reader, *(rows.subscription(reader, offer, **each) for each in states),
        late, declined, *invoices, rows.invoice(late, id="in_8"),
        *(rows.failed_charge(each) for each in invoices),
        job(JOB, "failed", "evt_1"), job(JOB, "failed", "evt_2"), job("mail", "failed", "m_1"),
        job("mail", "waiting", "m_2"),
        comparison("rec_1", 2, 7), comparison("rec_2", 1, 1),
        comparison("rec_3", 0, 9, finished=False),
        UnboundSubscription(
            id="sub_u", customer_id="cus_u", offer_id=offer.id, status="active", started_at=NOW
        ),
    )  # fmt: skip
    async with database.reading() as session:
        listed = await list_owing(session, ListQuery())
    assert {each.invoice.id for each in listed.items} == {"in_1", "in_2", "in_3", "in_4"}
    owed = "€14.00 and $7.00"
    readers = [
        "1 subscription without a reader: paid at Stripe, but no reader has access /admin/unbound",
        f"3 unpaid invoices after a failed charge: {owed}, Stripe will retry /admin/money#owing",
        "1 unpaid invoice after a failed charge: €9.00, Stripe has stopped retrying /admin/money#owing",
        "2 trials ending within 3 days /admin/readers?kind=trial_ending",
    ]
    system = [
        "2 failed Stripe events /admin/inbox?held=1",
        "1 failed job /admin/jobs?status=failed",
        "1 unresolved difference with Stripe: in the last reconciliation /admin/reconciliations",
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
    bought = rows.subscription(reader, offer, status="unpaid")
    owed = rows.invoice(bought)
    await store(database, offer, reader, bought, owed, rows.failed_charge(owed))
    page = unescape((await (await signed_in(role)).get("/admin")).text)
    assert ("Needs attention" in page) == is_shown
    assert ("<strong>1</strong> unpaid invoice after" in page) == is_shown
