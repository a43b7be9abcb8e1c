"""The summary and the list of subscribers, on both databases."""

from datetime import timedelta
from typing import Any

import pytest

from service.db.base import Base
from service.db.session import Database
from service.problems import Problem
from service.reports.bought import SubscriptionFacts
from service.reports.standing import Standing
from service.reports.subscriber_list import SubscriberFilter, list_subscribers
from tests.reports import rows
from tests.reports.rows import NOW

ALL = SubscriberFilter()


async def store(database: Database, *added: Base) -> None:
    async with database.transaction() as session:
        await rows.put(session, *added)


async def listed(
    database: Database, chosen: SubscriberFilter = ALL, limit: int = 100
) -> list[SubscriptionFacts]:
    """Everything the filter lets through, page after page."""
    found: list[SubscriptionFacts] = []
    cursor: str | None = None
    while True:
        async with database.reading() as session:
            page = await list_subscribers(session, chosen, cursor=cursor, limit=limit)
        found.extend(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_an_empty_database_has_a_list_too(database: Database) -> None:
    assert await listed(database) == []


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_paging_has_no_gaps_and_no_duplicates(database: Database, limit: int) -> None:
    offer = rows.offer()
    count = 40 if limit == 1 else 250
    readers = [rows.reader() for _ in range(count)]
    # Seven share each instant, so the order within an instant matters as well.
    subscriptions = [
        rows.subscription(reader, offer, started_at=NOW - timedelta(minutes=place // 7))
        for place, reader in enumerate(readers)
    ]
    await store(database, offer, *readers, *subscriptions)
    found = await listed(database, limit=limit)
    assert len(found) == count
    assert {facts.reader_id for facts in found} == {reader.id for reader in readers}
    assert [f.since for f in found] == sorted((f.since for f in found), reverse=True)


async def test_each_reader_stands_with_the_live_subscription_else_the_latest(
    database: Database,
) -> None:
    offer = rows.offer()
    returned, gone = rows.reader(), rows.reader()
    live = rows.subscription(returned, offer, started_at=NOW - timedelta(days=90))
    last = rows.subscription(gone, offer, status="canceled", started_at=NOW - timedelta(days=8))
    await store(
        database,
        offer, returned, gone, live, last,
        rows.subscription(returned, offer, status="canceled", started_at=NOW - timedelta(days=1)),
        rows.subscription(gone, offer, status="canceled", started_at=NOW - timedelta(days=300)),
    )  # fmt: skip
    assert [facts.subscription_id for facts in await listed(database)] == [last.id, live.id]


UNTIL_CASES: list[tuple[dict[str, Any], timedelta | None, timedelta]] = [
    ({}, timedelta(days=12), timedelta(days=12)),
    ({}, None, timedelta(days=10)),
    ({"cancel_at": NOW + timedelta(days=4)}, None, timedelta(days=4)),
    ({"status": "canceled"}, timedelta(days=-2), timedelta(days=-2)),
]


@pytest.mark.parametrize(("values", "granted", "expected"), UNTIL_CASES)
async def test_until_is_the_end_of_access_else_what_stripe_has_scheduled(
    database: Database, values: dict[str, Any], granted: timedelta | None, expected: timedelta
) -> None:
    offer, reader = rows.offer(), rows.reader()
    bought = rows.subscription(reader, offer, **values)
    grants = (
        [rows.grant(reader, source="subscription", reference=bought.id, ends_at=NOW + granted)]
        if granted is not None
        else []
    )
    await store(database, offer, reader, bought, *grants)
    (facts,) = await listed(database)
    assert facts.until == NOW + expected


STANDINGS: list[tuple[str, bool, Standing]] = [
    ("active", False, "active"),
    ("active", True, "ending"),
    ("trialing", False, "trial"),
    ("trialing", True, "trial"),
    ("past_due", False, "past_due"),
    ("unpaid", False, "unpaid"),
    ("paused", False, "paused"),
    ("incomplete", False, "incomplete"),
    ("incomplete_expired", False, "incomplete"),
    ("canceled", True, "ended"),
]


async def test_the_status_filter_finds_exactly_what_the_list_calls_so(database: Database) -> None:
    offer = rows.offer()
    added: list[Base] = [offer]
    for status, cancelled, _ in STANDINGS:
        reader = rows.reader()
        cancel_at = NOW + timedelta(days=3) if cancelled else None
        bought = rows.subscription(reader, offer, status=status, cancel_at=cancel_at)
        added += [reader, bought]
    await store(database, *added)
    for standing in {standing for *_, standing in STANDINGS}:
        found = await listed(database, SubscriberFilter(standing=standing))
        assert [facts.standing for facts in found] == [
            each for *_, each in STANDINGS if each == standing
        ]


async def test_search_and_plan(database: Database) -> None:
    digital, weekend = rows.offer(), rows.offer(plan="weekend", name="Weekend")
    ana = rows.reader(email="Ana_Tide@example.org")
    ben = rows.reader(email="ben.tide@example.org")
    nobody = rows.reader()
    old = rows.subscription(ben, digital, status="canceled", started_at=NOW - timedelta(days=400))
    now = rows.subscription(ben, weekend)
    await store(
        database,
        digital, weekend, ana, ben, nobody, old, now,
        rows.subscription(ana, digital),
        rows.subscription(nobody, digital),
    )  # fmt: skip

    async def found(**chosen: str) -> set[str]:
        return {facts.reader_id for facts in await listed(database, SubscriberFilter(**chosen))}  # type: ignore[arg-type]  # cases name fields

    assert await found(query="tide") == {ana.id, ben.id}
    assert await found(query=" ANA_tide ") == {ana.id}
    # An underscore and a percent sign stand for themselves.
    assert await found(query="n_t") == set()
    assert await found(query="%") == set()
    assert await found(query=nobody.id) == {nobody.id}
    assert await found(query=old.id) == {ben.id}
    assert await found(query=now.customer_id) == {ben.id}
    assert await found(plan="weekend") == {ben.id}
    assert await found(plan="digital", query="tide") == {ana.id}


@pytest.mark.parametrize("cursor", ["", "x", "ÄÖ", "MTIz", "OTk5OTk5OTk5OTk5OTk5OTk5OnJkcl8="])
async def test_a_foreign_cursor_is_refused(database: Database, cursor: str) -> None:
    async with database.reading() as session:
        with pytest.raises(Problem) as refused:
            await list_subscribers(session, ALL, cursor=cursor, limit=10)
    assert refused.value.slug == "invalid-request"
