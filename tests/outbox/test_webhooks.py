"""Events reach the endpoints that ask for them, signed, at least once, and only what has happened."""

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from standardwebhooks import Webhook, WebhookVerificationError

from service.clock import Clocks
from service.db.session import Database
from service.db.tables import DomainEvent, Job, WebhookDelivery, WebhookEndpoint
from service.identity.secrets import derived_key
from service.jobs.queue import LEASE
from service.jobs.queue import prune as prune_jobs
from service.outbox import webhooks
from service.outbox.domain_events import emit
from service.outbox.endpoints import (
    OLD_SECRET_SIGNS,
    create_endpoint,
    delete_endpoint,
    locked_endpoint,
    rotate_secret,
)
from service.outbox.webhook_client import Poster
from service.outbox.webhook_sender import PAUSES, WebhookSender
from service.outbox.webhook_signing import SEALED_FOR, signed_headers
from service.outbox.webhook_targets import Targets
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.outbox.webhook_receiver import Received, answer, receiving

HERE = Targets(only_https=False, allow_private=True)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""That of the specification's own examples."""


@dataclass
class Office:
    """What sends, and what a test needs for it."""

    database: Database
    clocks: MovingClocks
    sealing_key: bytes

    def sender(self, poster: Poster | None = None) -> WebhookSender:
        """Another process's."""
        return WebhookSender(self.database, poster or Poster(HERE), self.clocks, self.sealing_key)

    async def send(self) -> None:
        """One round, to its end."""
        sender = self.sender()
        await sender.begin()
        await sender.finish()

    async def endpoint(self, url: str, types: Sequence[str] = ("*",)) -> tuple[str, str]:
        """Its id and its secret."""
        async with self.database.transaction() as session:
            made, secret = await create_endpoint(
                session, url=url, types=types, description="CRM", sealing_key=self.sealing_key,
                now=self.clocks.wall(),
            )  # fmt: skip
        return made.id, secret

    async def emit(self, once: str = "pass.bought:x") -> bool:
        async with self.database.transaction() as session:
            return await emitted(session, self.clocks, once)

    async def deliveries(self) -> list[WebhookDelivery]:
        async with self.database.reading() as session:
            found = await session.scalars(
                select(WebhookDelivery).order_by(WebhookDelivery.created_at, WebhookDelivery.id)
            )
            return list(found)

    async def only_delivery(self) -> WebhookDelivery:
        (delivery,) = await self.deliveries()
        return delivery

    async def replay(self, delivery_id: str) -> None:
        async with self.database.transaction() as session:
            delivery = await session.get_one(WebhookDelivery, delivery_id)
            await webhooks.replay_delivery(session, delivery, self.clocks.wall())


async def emitted(session: AsyncSession, clocks: Clocks, once: str) -> bool:
    return await emit(
        session, type_="pass.bought", reader_id="rdr_1", subject_id="pas_1", once=once,
        occurred_at=clocks.business(), before=None, after={"z": 1, "a": "ü"}, now=clocks.wall(),
    )  # fmt: skip


@pytest.fixture
def office(database: Database, settings: Settings, clocks: MovingClocks) -> Office:
    return Office(database, clocks, derived_key(settings, SEALED_FOR))


def verified(request: Received, *secrets: str) -> object:
    """What a receiver reads that verifies with the library of Standard Webhooks."""
    read = [Webhook(secret).verify(request.body, request.headers) for secret in secrets]
    return read[0]


@pytest.fixture
def clocks() -> MovingClocks:
    """The real time at first: the library compares the timestamp with it."""
    return MovingClocks(Clocks().wall())


async def test_an_event_arrives_signed_and_is_delivered_once(office: Office) -> None:
    async with receiving() as receiver:
        _, secret = await office.endpoint(receiver.url)
        assert await office.emit()
        assert not await office.emit()  # the same happening
        await office.send()
        await office.send()
    (request,) = receiver.received
    delivery = await office.only_delivery()
    assert (delivery.status, delivery.attempts, delivery.last_status) == ("delivered", 1, 204)
    assert delivery.delivered_at == office.clocks.wall()
    read = verified(request, secret)
    assert read == json.loads(request.body)
    assert read == {
        "id": delivery.event_id,
        "type": "pass.bought",
        "created_at": webhooks.rfc3339(office.clocks.wall()),
        "data": {
            "reader_id": "rdr_1", "subject_id": "pas_1", "before": None,
            "after": {"a": "ü", "z": 1},
        },
    }  # fmt: skip
    assert request.headers["webhook-id"] == delivery.event_id
    assert request.line == "POST /hooks?from=paywall HTTP/1.1"
    with pytest.raises(WebhookVerificationError):
        verified(request, SECRET)


def test_the_signature_is_that_of_the_specification_s_library() -> None:
    now = Clocks().wall()
    body = '{"test": 2432232314}'
    whole = now.replace(microsecond=0)
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", body.encode(),
        [base64.b64decode(SECRET.removeprefix("whsec_"))], now,
    )  # fmt: skip
    library = Webhook(SECRET)
    assert headers["webhook-signature"] == library.sign(headers["webhook-id"], whole, body)
    assert library.verify(body, headers) == {"test": 2432232314}


async def test_only_what_was_committed_and_asked_for_is_sent(office: Office) -> None:
    class Broken(Exception):
        pass

    async with receiving() as receiver:
        wanting, _ = await office.endpoint(receiver.url, ["reader.created", "pass.bought"])
        await office.endpoint(receiver.url, ["reader.created"])
        disabled, _ = await office.endpoint(receiver.url)
        async with office.database.transaction() as session:
            (await session.get_one(WebhookEndpoint, disabled)).disabled_at = office.clocks.wall()

        async def undone() -> None:
            async with office.database.transaction() as session:
                assert await emitted(session, office.clocks, "undone")
                raise Broken

        with pytest.raises(Broken):
            await undone()
        await office.emit("done")
        await office.send()
    assert len(receiver.received) == 1
    assert (await office.only_delivery()).endpoint_id == wanting
    async with office.database.reading() as session:
        assert (await session.scalars(select(DomainEvent.once))).all() == ["done"]
        assert len((await session.scalars(select(Job.id))).all()) == 1


@on_sqlite
async def test_it_is_tried_ten_times_with_growing_pauses_then_failed_and_replayed(
    office: Office,
) -> None:
    async with receiving() as receiver:
        receiver.statuses = [500, 307, 404, 429] + [503] * 6
        _, secret = await office.endpoint(receiver.url)
        await office.emit()
        await office.send()
        verified(receiver.received[0], secret)
        for count, pause in enumerate(PAUSES, start=1):
            office.clocks.travel(pause - timedelta(seconds=1))
            await office.send()
            assert len(receiver.received) == count
            assert (await office.only_delivery()).status == "waiting"
            office.clocks.travel(timedelta(seconds=1))
            await office.send()
            assert len(receiver.received) == count + 1
        failed = await office.only_delivery()
        assert (failed.status, failed.attempts, failed.last_status) == ("failed", 10, 503)
        assert failed.last_result == "HTTP 503"
        office.clocks.travel(timedelta(days=30))
        await office.send()
        assert len(receiver.received) == 10
        await office.replay(failed.id)
        await office.send()
    again = await office.only_delivery()
    assert (again.status, again.attempts, again.last_status) == ("delivered", 11, 204)
    assert len({request.body for request in receiver.received}) == 1
    assert {request.headers["webhook-id"] for request in receiver.received} == {failed.event_id}
    stamps = [int(request.headers["webhook-timestamp"]) for request in receiver.received]
    assert stamps == sorted(set(stamps))


async def test_what_was_delivered_long_ago_goes_and_until_then_can_be_replayed(
    office: Office,
) -> None:
    async with receiving() as receiver:
        await office.endpoint(receiver.url)
        await office.emit()
        await office.send()
        delivery = await office.only_delivery()
        office.clocks.travel(timedelta(days=60))
        await prune_jobs(office.database, office.clocks.wall())
        await office.replay(delivery.id)
        await office.send()
        assert len(receiver.received) == 2
        await webhooks.prune(office.database, office.clocks.wall())
    assert await office.deliveries() == []


async def test_a_process_that_dies_leaves_the_delivery_to_the_next(office: Office) -> None:
    held = asyncio.Event()

    async def hold(_: Received) -> bytes:
        await held.wait()
        return b""

    async with receiving() as receiver:
        receiver.respond = hold
        _, secret = await office.endpoint(receiver.url)
        await office.emit()
        dying = office.sender()
        await dying.begin()
        await receiver.has(1)
        await dying.finish(patience=0)  # it had the event; whether it took it nobody knows
        held.set()
        receiver.respond = None
        await office.send()
        assert len(receiver.received) == 1  # the lease holds
        office.clocks.travel(LEASE)
        await office.send()
    first, second = receiver.received
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    verified(second, secret)
    assert (await office.only_delivery()).status == "delivered"


@on_sqlite
async def test_gone_disables_the_endpoint_and_what_waits_isn_t_sent(office: Office) -> None:
    async with receiving() as receiver:
        endpoint_id, _ = await office.endpoint(receiver.url)
        receiver.statuses = [500]
        await office.emit("first")
        await office.send()
        office.clocks.travel(timedelta(seconds=1))
        receiver.statuses = [410]
        await office.emit("second")
        await office.send()
        await office.emit("third")  # nothing is stored for it any more
        office.clocks.travel(PAUSES[0])
        await office.send()
        assert len(receiver.received) == 2
        waited, gone = await office.deliveries()
        assert (waited.status, waited.attempts) == ("failed", 1)
        assert waited.last_result == "not sent: the endpoint is disabled"
        assert (gone.status, gone.last_status) == ("failed", 410)
        async with office.database.transaction() as session:
            endpoint = await session.get_one(WebhookEndpoint, endpoint_id)
            assert endpoint.disabled_at is not None
            endpoint.disabled_at = None
        for each in (waited, gone):
            await office.replay(each.id)
        await office.send()
    assert {each.status for each in await office.deliveries()} == {"delivered"}
    assert len(receiver.received) == 4


async def test_an_endpoint_deleted_while_something_waits_takes_it_along(office: Office) -> None:
    async with receiving() as receiver:
        endpoint_id, _ = await office.endpoint(receiver.url)
        await office.emit()
        async with office.database.transaction() as session:
            endpoint = await locked_endpoint(session, endpoint_id)
            assert endpoint is not None
            await delete_endpoint(session, endpoint)
        await office.send()
        assert receiver.received == []
    async with office.database.reading() as session:
        assert (await session.scalars(select(Job))).all() == []
        assert (await session.scalars(select(WebhookDelivery))).all() == []
        assert len((await session.scalars(select(DomainEvent))).all()) == 1


@on_sqlite
async def test_two_secrets_sign_for_a_day_after_a_rotation(office: Office) -> None:
    async with receiving() as receiver:
        endpoint_id, old = await office.endpoint(receiver.url)
        async with office.database.transaction() as session:
            endpoint = await session.get_one(WebhookEndpoint, endpoint_id)
            new = await rotate_secret(
                session, endpoint, sealing_key=office.sealing_key, now=office.clocks.wall()
            )
        await office.emit("first")
        await office.send()
        office.clocks.travel(OLD_SECRET_SIGNS)
        await office.emit("second")
        await office.send()
    both, one = receiver.received
    assert verified(both, old) == verified(both, new)
    assert [len(each.headers["webhook-signature"].split()) for each in (both, one)] == [2, 1]
    assert old != new
    for secret in (old, new):
        assert secret.startswith("whsec_")
        assert secret not in f"{endpoint.secret_sealed} {endpoint.old_secret_sealed}"


@on_sqlite
async def test_another_master_secret_is_told_and_a_rotation_helps(office: Office) -> None:
    async with receiving() as receiver:
        endpoint_id, _ = await office.endpoint(receiver.url)
        await office.emit()
        office.sealing_key = bytes(32)
        await office.send()
        delivery = await office.only_delivery()
        assert delivery.status == "waiting"
        assert "Rotate the secret" in delivery.last_result
        async with office.database.transaction() as session:
            endpoint = await session.get_one(WebhookEndpoint, endpoint_id)
            await rotate_secret(
                session, endpoint, sealing_key=office.sealing_key, now=office.clocks.wall()
            )
        office.clocks.travel(OLD_SECRET_SIGNS)
        await office.send()
        assert len(receiver.received) == 1


@on_sqlite
async def test_a_slow_endpoint_holds_up_no_other(office: Office) -> None:
    over = asyncio.Event()

    async def hang(_: Received) -> bytes:
        await over.wait()
        return answer(204)

    async with receiving() as slow, receiving() as quick:
        slow.respond = hang
        await office.endpoint(slow.url)
        for number in range(12):
            await office.emit(f"before {number}")
        sender = office.sender()
        await sender.begin()
        await slow.has(1)
        await office.endpoint(quick.url)
        for number in range(3):
            await office.emit(f"after {number}")
        await sender.begin()
        await quick.has(3)
        assert len(slow.received) < 12
        over.set()
        await sender.finish(patience=20)
        await sender.begin()
        await sender.finish()
    assert len(slow.received) == 15
    assert {each.status for each in await office.deliveries()} == {"delivered"}


@on_sqlite
async def test_a_name_that_has_come_to_mean_this_machine_is_refused_and_tried_again(
    office: Office,
) -> None:
    async def rebound(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async with receiving() as receiver:
        await office.endpoint(f"http://hooks.example:{receiver.port}/")
        await office.emit()
        targets = Targets(only_https=False, allow_private=False, resolve=rebound)
        sender = office.sender(Poster(targets))
        await sender.begin()
        await sender.finish()
        assert receiver.received == []
    delivery = await office.only_delivery()
    assert (delivery.status, delivery.attempts, delivery.last_status) == ("waiting", 1, None)
    assert delivery.last_result.startswith("hooks.example is an address of this machine")


async def test_two_processes_send_each_delivery_once(office: Office) -> None:
    async with receiving() as receiver:
        await office.endpoint(receiver.url)
        for number in range(20):
            await office.emit(f"{number}")
        senders = [office.sender(), office.sender()]
        for sender in senders:
            await sender.begin()
        for sender in senders:
            await sender.finish(patience=20)
        await office.send()
    ids = [request.headers["webhook-id"] for request in receiver.received]
    assert len(ids) == len(set(ids)) == 20
