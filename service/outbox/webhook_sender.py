"""Sending webhooks: each endpoint's deliveries for themselves, so that none waits for another's.

An event arrives at least once: a process that dies between the answer and its note leaves the delivery
to be sent again, with the same `webhook-id`. In which order events arrive isn't promised.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import exists, select, update

from service.clock import Clocks
from service.db.session import Database
from service.db.tables import DomainEvent, Job, Reader, WebhookDelivery, WebhookEndpoint
from service.jobs.queue import ClaimedJob, storable_result
from service.jobs.worker import Failed, GivenUp, Kind, work
from service.outbox.webhook_answer import NoAnswer
from service.outbox.webhook_client import Poster
from service.outbox.webhook_signing import signed_headers, unseal
from service.outbox.webhook_targets import TargetRefused
from service.outbox.webhooks import JOB, body_of
from service.sealing import SecretUnreadable

MOST_AT_ONCE = 4
"""Connections of one process to one endpoint."""
PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
"""Between ten tries within three days (the specification's own example)."""
GONE = 410
SUCCESS = 2
"""The first figure of the statuses that say so."""
LONGEST_RESULT = 300
PATIENCE = 5.0
log = structlog.get_logger()

_UNREADABLE = "not signed: PAYWALL_SECRET_KEY isn't the one that the secret was stored with. Rotate the secret."
_DISABLED = "not sent: the endpoint is disabled"


@dataclass(frozen=True)
class _Due:
    """A delivery with all that its next try needs."""

    id: str
    endpoint_id: str
    event_id: str
    url: str
    enabled: bool
    sealed: tuple[str, ...]
    body: bytes
    keeps_answer: bool
    """Of an erased reader nothing is noted that an endpoint may have said of them."""


class WebhookSender:
    """Sends what is due to the endpoints, each of which is served by a task of its own.

    `sealing_key` opens the endpoints' secrets. Any number of processes may do so.
    """

    def __init__(
        self, database: Database, poster: Poster, clocks: Clocks, sealing_key: bytes
    ) -> None:
        self._database = database
        self._poster = poster
        self._clocks = clocks
        self._sealing_key = sealing_key
        self._served: dict[str, asyncio.Task[None]] = {}

    async def begin(self) -> None:
        """Begin to serve the endpoints that have something due and aren't served yet."""
        for endpoint_id in await self._waiting_endpoints():
            if endpoint_id not in self._served:
                self._served[endpoint_id] = asyncio.create_task(self._serve(endpoint_id))

    async def finish(self, patience: float = PATIENCE) -> None:
        """Wait until everything that has begun is sent.

        What takes longer than `patience` seconds is cancelled: its lease brings it back.
        """
        if self._served:
            _, late = await asyncio.wait(self._served.values(), timeout=patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _waiting_endpoints(self) -> list[str]:
        due = exists().where(
            Job.key == WebhookDelivery.id,
            WebhookDelivery.endpoint_id == WebhookEndpoint.id,
            Job.kind == JOB,
            Job.status == "waiting",
            Job.due_at <= self._clocks.wall(),
        )
        async with self._database.reading() as session:
            return list(await session.scalars(select(WebhookEndpoint.id).where(due)))

    async def _serve(self, endpoint_id: str) -> None:
        theirs = select(WebhookDelivery.id).where(WebhookDelivery.endpoint_id == endpoint_id)
        try:
            await work(
                self._database,
                {JOB: Kind(self.run, PAUSES)},
                self._clocks,
                at_once=MOST_AT_ONCE,
                only=Job.key.in_(theirs),
            )
        except Exception as error:  # noqa: BLE001 the next round begins anew
            log.warning("webhooks.interrupted", endpoint=endpoint_id, reason=str(error))
        finally:
            del self._served[endpoint_id]

    async def run(self, job: ClaimedJob) -> str:
        """Try the delivery that the job names; what became of it in words."""
        due = await self._due(job.key)
        if due is None:
            return "nothing to send"
        if not due.enabled:
            await self._note(due, "failed", None, _DISABLED)
            return _DISABLED
        is_last = job.attempts >= len(PAUSES)
        status: int | None = None
        try:
            answer = await self._poster.post(due.url, due.body, self._headers(due))
        except SecretUnreadable:
            told = said = _UNREADABLE
        except (TargetRefused, NoAnswer) as error:
            told = said = str(error)
        else:
            status = answer.status
            # What the endpoint says may name a reader: it is kept with the delivery, which is erased
            # with them, and in neither job nor log.
            told = f"HTTP {status}"
            said = f"{told} {answer.excerpt}".strip() if due.keeps_answer else told
        if status is not None and status // 100 == SUCCESS:
            await self._note(due, "delivered", status, said)
            return told
        await self._note(due, "failed" if is_last or status == GONE else "waiting", status, said)
        if status == GONE:
            await self._disable(due.endpoint_id)
            raise GivenUp(told)
        raise Failed(told)

    def _headers(self, due: _Due) -> dict[str, str]:
        secrets = [unseal(each, due.endpoint_id, self._sealing_key) for each in due.sealed]
        return signed_headers(due.event_id, due.body, secrets, self._clocks.wall())

    async def _due(self, delivery_id: str) -> _Due | None:
        """None: it is delivered already, or its endpoint is deleted."""
        async with self._database.reading() as session:
            row = (
                await session.execute(
                    select(WebhookDelivery, WebhookEndpoint, DomainEvent, Reader.erased_at)
                    .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
                    .join(DomainEvent, DomainEvent.id == WebhookDelivery.event_id)
                    .outerjoin(Reader, Reader.id == DomainEvent.reader_id)
                    .where(WebhookDelivery.id == delivery_id)
                )
            ).one_or_none()
        if row is None or row[0].status == "delivered":
            return None
        delivery, endpoint, event, erased_at = row
        return _Due(
            id=delivery.id,
            endpoint_id=endpoint.id,
            event_id=event.id,
            url=endpoint.url,
            enabled=endpoint.disabled_at is None,
            sealed=_sealed_secrets(endpoint, self._clocks.wall()),
            body=body_of(event),
            keeps_answer=erased_at is None,
        )

    async def _note(self, due: _Due, outcome: str, status: int | None, said: str) -> None:
        now = self._clocks.wall()
        async with self._database.transaction() as session:
            await session.execute(
                update(WebhookDelivery)
                # A worker that lost the lease meanwhile doesn't undo what another has done.
                .where(WebhookDelivery.id == due.id, WebhookDelivery.status != "delivered")
                .values(
                    status=outcome,
                    attempts=WebhookDelivery.attempts + (1 if due.enabled else 0),
                    last_status=status,
                    last_result=storable_result(said[:LONGEST_RESULT]),
                    delivered_at=now if outcome == "delivered" else None,
                )
            )

    async def _disable(self, endpoint_id: str) -> None:
        log.warning("webhooks.gone", endpoint=endpoint_id)
        async with self._database.transaction() as session:
            await session.execute(
                update(WebhookEndpoint)
                .where(WebhookEndpoint.id == endpoint_id, WebhookEndpoint.disabled_at.is_(None))
                .values(disabled_at=self._clocks.wall())
            )


def _sealed_secrets(endpoint: WebhookEndpoint, now: datetime) -> tuple[str, ...]:
    """The secret, and the old one for as long as it signs."""
    until = endpoint.old_secret_until
    if endpoint.old_secret_sealed is None or until is None or until <= now:
        return (endpoint.secret_sealed,)
    return endpoint.secret_sealed, endpoint.old_secret_sealed
