"""Events of readers: made, merged, erased; and what becomes of them when they are."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select

from service.account.erase import erase_reader
from service.account.merge import verified_account
from service.db.context import Context
from service.db.session import Database
from service.db.tables import DomainEvent, Job, WebhookDelivery
from service.identity.email import checked_address
from service.identity.readers import create_reader
from service.identity.secrets import derived_key
from service.outbox.domain_events import emit
from service.outbox.endpoints import create_endpoint, delete_endpoint, locked_endpoint
from service.outbox.webhook_client import Poster
from service.outbox.webhook_sender import WebhookSender
from service.outbox.webhook_signing import SEALED_FOR
from service.outbox.webhook_targets import Targets
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.outbox.webhook_receiver import Received, answer, receiving

HERE = Targets(only_https=False, allow_private=True)


async def endpoint(database: Database, settings: Settings, clocks: MovingClocks, url: str) -> str:
    async with database.transaction() as session:
        made, _ = await create_endpoint(
            session, url=url, types=["*"], description="",
            sealing_key=derived_key(settings, SEALED_FOR), now=clocks.wall(),
        )  # fmt: skip
    return made.id


async def test_made_merged_and_erased_readers_are_told_and_what_is_erased_isn_t_sent(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    key = derived_key(settings, SEALED_FOR)
    sender = WebhookSender(database, Poster(HERE), clocks, key)
    async with receiving() as receiver:

        async def refuse_at_first(request: Received) -> bytes:
            ids = [each.headers["webhook-id"] for each in receiver.received]
            is_again = ids.count(request.headers["webhook-id"]) > 1
            return answer(204) if is_again else answer(500, "no room for ana")

        receiver.respond = refuse_at_first
        await endpoint(database, settings, clocks, receiver.url)
        async with database.transaction() as session:
            buyer = await create_reader(session, email="ana@example.org", clocks=clocks)
            await emit(
                session, type_="pass.bought", reader_id=buyer.id, subject_id="pas_1", once="pass",
                occurred_at=clocks.business(), before=None, after={"scope": "ana's own"},
                now=clocks.wall(),
            )  # fmt: skip
        async with database.transaction() as session:
            first = await create_reader(session, email="ana@example.org", clocks=clocks)
            address = checked_address("ana@example.org")
            account = await verified_account(session, address, [first.id], clocks)
            await verified_account(session, address, [buyer.id], clocks)
        assert account.id == first.id
        await sender.begin()
        await sender.finish()
        assert "ana's own" in _sent(receiver.received)
        assert "ana@example.org" not in _sent(receiver.received)

        await erase_reader(
            Context(settings, clocks, database),
            None,
            reader_id=account.id,
            cancel_subscription=False,
        )
        before = len(receiver.received)
        clocks.travel(timedelta(seconds=5))
        await sender.begin()
        await sender.finish()
        later = receiver.received[before:]
        told = {event["type"]: event["data"] for event in (json.loads(e.body) for e in later)}
        assert "ana's own" not in _sent(later)
        assert set(told) == {"reader.created", "pass.bought", "reader.merged", "reader.erased"}
        assert {data["reader_id"] for data in told.values()} == {account.id}
        nothing = {"before": None, "after": None}
        assert all(data.items() >= nothing.items() for data in told.values())
        assert told["reader.erased"]["subject_id"] == account.id
        assert told["reader.merged"]["subject_id"] == buyer.id
    async with database.reading() as session:
        rows = (await session.scalars(select(DomainEvent))).all()
        assert [(row.before, row.after) for row in rows] == [(None, None)] * 5
        results = (await session.scalars(select(WebhookDelivery.last_result))).all()
        jobs = (await session.scalars(select(Job.result).where(Job.kind == "webhook"))).all()
    assert "ana" not in " ".join([*results, *jobs])


def _sent(requests: Sequence[Received]) -> str:
    return " ".join(each.body.decode() for each in requests)


async def test_events_tell_business_time_and_are_sent_by_the_real_one(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    clocks.offset = timedelta(days=400)
    await endpoint(database, settings, clocks, "http://127.0.0.1:9/")
    async with database.transaction() as session:
        await create_reader(session, email=None, clocks=clocks)
    async with database.reading() as session:
        event = (await session.scalars(select(DomainEvent))).one()
        job = (await session.scalars(select(Job))).one()
    assert event.occurred_at == clocks.business()
    assert event.recorded_at == job.due_at == clocks.wall()


async def test_an_endpoint_deleted_in_the_same_moment_fails_nobody_s_transaction(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    endpoints = [
        await endpoint(database, settings, clocks, "http://127.0.0.1:9/") for _ in range(4)
    ]

    async def make(_: int) -> None:
        async with database.transaction() as session:
            await create_reader(session, email=None, clocks=clocks)

    async def delete(endpoint_id: str) -> None:
        async with database.transaction() as session:
            found = await locked_endpoint(session, endpoint_id)
            assert found is not None
            await delete_endpoint(session, found)

    await asyncio.gather(*map(make, range(8)), *map(delete, endpoints), *map(make, range(8)))
    async with database.reading() as session:
        assert len((await session.scalars(select(DomainEvent))).all()) == 16
        assert (await session.scalars(select(WebhookDelivery))).all() == []
        assert (await session.scalars(select(Job))).all() == []
