"""One reader's timeline, on both databases."""

from datetime import datetime, timedelta

import pytest

from service.db.base import Base
from service.db.session import Database
from service.db.tables import ReaderDevice
from service.problems import Problem
from service.reports.history import LEDGER_ROWS, ReaderHistory, reader_history
from tests.reports import rows
from tests.reports.rows import NOW


async def store(database: Database, *added: Base) -> None:
    async with database.transaction() as session:
        await rows.put(session, *added)


async def history_of(database: Database, reader_id: str) -> ReaderHistory:
    async with database.reading() as session:
        return await reader_history(session, reader_id, NOW)


def at(days: float) -> datetime:
    return NOW - timedelta(days=days)


async def test_the_story_of_a_purchase_is_told_in_the_order_of_time(database: Database) -> None:
    offer, reader = rows.offer(), rows.reader(created_at=at(9))
    other = rows.reader()
    ferry, tern = rows.article("ferry", "The ferry"), rows.article("tern", "The tern")
    bought = rows.subscription(
        reader,
        offer,
        started_at=at(8.8),
        trial_end=at(4),
        status="canceled",
        ended_at=at(2),
        cancel_at=at(-5),
    )
    await store(
        database,
        offer, reader, other, ferry, tern, bought,
        ReaderDevice(device_id="phone", reader_id=reader.id, linked_at=NOW),
        rows.checkout(reader, offer, at(8.9), stripe_subscription_id=bought.id),
        # Left unpaid on the device before anybody was known.
        rows.checkout(reader, offer, at(9.5), status="expired", reader_id=None, device_id="phone"),
        rows.grant(
            reader, source="subscription", reference=bought.id, starts_at=at(8.8), ends_at=at(2)
        ),
        rows.grant(reader, starts_at=at(1), ends_at=at(-30), note="For the jury"),
        # Read on the device before anybody was known, then as the reader.
        rows.read(ferry, at(10), device_id="phone"),
        rows.read(tern, at(9.1), device_id="phone", wall="subscribe"),
        rows.read(tern, at(8.7), reader_id=reader.id, reason="subscription", consumed=False),
        # Somebody else on the same device, and another reader altogether.
        rows.read(ferry, at(5), device_id="phone", reader_id=other.id),
        rows.read(ferry, at(5), device_id="laptop"),
        # A wall after the purchase says nothing about it.
        rows.read(ferry, at(1.5), reader_id=reader.id, wall="subscribe"),
    )  # fmt: skip
    history = await history_of(database, reader.id)
    told = [
        (event.kind, event.note, event.article.slug if event.article else None, event.counted)
        for event in reversed(history.timeline)
    ]
    assert told == [
        ("read", "meter", "ferry", True),
        ("checkout_started", "Digital, monthly", None, False),
        ("wall", "meter_exhausted", "tern", False),
        ("first_seen", "", None, False),
        ("checkout_started", "Digital, monthly", None, False),
        ("purchase", "Digital, monthly", "tern", False),
        ("access_given", "subscription", None, False),
        ("read", "subscription", "tern", False),
        ("checkout_expired", "Digital, monthly", None, False),
        ("trial_ended", "Digital, monthly", None, False),
        ("subscription_ended", "Digital, monthly", None, False),
        ("access_ended", "subscription", None, False),
        ("wall", "meter_exhausted", "ferry", False),
        ("access_given", "comp", None, False),
    ]
    assert history.complete
    assert [grant.note for grant in history.grants] == ["For the jury", ""]


async def test_without_a_wall_the_checkout_tells_where_the_reader_came_from(
    database: Database,
) -> None:
    offer, reader, ferry = rows.offer(), rows.reader(), rows.article("ferry", "The ferry")
    bought = rows.subscription(reader, offer)
    return_to = "https://www.example.org/articles/ferry?from=front"
    await store(
        database,
        offer, reader, ferry, bought,
        rows.checkout(
            reader, offer, at(20), stripe_subscription_id=bought.id, return_to=return_to
        ),
    )  # fmt: skip
    (only,) = (await history_of(database, reader.id)).bought
    assert only.wall is not None
    assert only.wall.title == "The ferry"


async def test_without_either_nothing_is_claimed(database: Database) -> None:
    offer, reader = rows.offer(), rows.reader()
    bought = rows.subscription(reader, offer)
    checkout = rows.checkout(reader, offer, at(20), stripe_subscription_id=bought.id)
    await store(database, offer, reader, bought, checkout)
    (only,) = (await history_of(database, reader.id)).bought
    assert only.wall is None


async def test_a_read_of_a_deleted_article_stays(database: Database) -> None:
    reader, ferry = rows.reader(), rows.article("ferry", "The ferry")
    await store(database, reader, rows.read(ferry, at(1), reader_id=reader.id))
    article = (await history_of(database, reader.id)).timeline[0].article
    assert article is not None
    assert (article.id, article.slug, article.title) == (ferry.id, None, None)


async def test_only_the_latest_reads_are_listed_and_it_says_so(database: Database) -> None:
    reader, ferry = rows.reader(created_at=at(400)), rows.article("ferry", "The ferry")
    reads = [rows.read(ferry, at(day), reader_id=reader.id) for day in range(LEDGER_ROWS + 1)]
    await store(database, reader, ferry, *reads)
    history = await history_of(database, reader.id)
    assert not history.complete
    assert sum(event.kind == "read" for event in history.timeline) == LEDGER_ROWS
    assert history.timeline[0].at == NOW
    assert history.timeline[-1].kind == "first_seen"


async def test_an_unknown_reader_is_not_found(database: Database) -> None:
    with pytest.raises(Problem) as refused:
        await history_of(database, "rdr_000000000000000000000000")
    assert refused.value.slug == "not-found"
