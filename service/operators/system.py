"""What runs by itself, for the people who look after it: the inbox, the jobs, the reconciliations.

Whoever lets something be done again, or asks for a comparison with Stripe, stands in the audit log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.events import refetch_of
from service.billing.inbox import INBOX_TASK, JOB, replay_event
from service.billing.reconcile_job import RECONCILE_TASK, ask_reconcile
from service.clock import Clocks
from service.db.tables import Customer, InboxEvent, Job
from service.identity import audit
from service.identity.callers import Actor
from service.jobs.queue import replay
from service.jobs.runner import Wakes
from service.problems import Problem

EventState = Literal["ignored", "waiting", "applied", "quarantined"]
"""`ignored` doesn't concern us; `quarantined` was given up after its last try."""


@dataclass(frozen=True)
class Told:
    """One of Stripe's events, what became of it, and the reader whose customer it names."""

    event: InboxEvent
    job: Job | None
    reader_id: str | None

    @property
    def state(self) -> EventState:
        if self.job is None:
            event = self.event
            concerned = refetch_of(event.type, event.object_id, event.subscription_id)
            # The jobs of what was applied long ago are gone.
            return "ignored" if concerned is None else "applied"
        if self.job.status == "failed":
            return "quarantined"
        return "applied" if self.job.status == "done" else "waiting"


async def told(session: AsyncSession, events: Sequence[InboxEvent]) -> list[Told]:
    """The events with their jobs and readers."""
    ids = [event.id for event in events]
    found = await session.scalars(select(Job).where(Job.kind == JOB, Job.key.in_(ids)))
    jobs = {job.key: job for job in found}
    customers = {event.customer_id for event in events if event.customer_id is not None}
    rows = await session.execute(
        select(Customer.id, Customer.reader_id).where(Customer.id.in_(customers))
    )
    readers = {row.id: row.reader_id for row in rows}
    return [
        Told(event, jobs.get(event.id), readers.get(event.customer_id or "")) for event in events
    ]


async def count_quarantined(session: AsyncSession) -> int:
    """How many events were given up."""
    held = select(func.count()).where(Job.kind == JOB, Job.status == "failed")
    return await session.scalar(held) or 0


@dataclass(frozen=True)
class System:
    """Changes by one actor, in the request's transaction."""

    session: AsyncSession
    actor: Actor
    clocks: Clocks

    async def replay_event(self, event_id: str) -> Told:
        """Let the event be applied once more. Problem `not-found`: there is none, or it has no job."""
        event = await self.session.get(InboxEvent, event_id)
        before = (await told(self.session, [event]))[0] if event is not None else None
        if event is None or before is None or before.job is None:
            raise Problem("not-found", "No such event waits or was applied. Take one of the list.")
        changed = {"state": before.state, "result": before.job.result}
        await replay_event(self.session, event_id, self.clocks.wall())
        await self._record("inbox.replay", event_id, before=changed, after={"state": "waiting"})
        await self.session.refresh(before.job)
        return before

    async def replay_quarantined(self) -> int:
        """Let every event in quarantine be applied once more; how many."""
        held = await self.session.scalars(
            select(Job.key).where(Job.kind == JOB, Job.status == "failed").order_by(Job.key)
        )
        events = list(held)
        for event_id in events:
            await replay_event(self.session, event_id, self.clocks.wall())
        if events:
            await self._record("inbox.replay-all", JOB, before=None, after={"events": len(events)})
        return len(events)

    async def replay_job(self, job_id: str) -> Job:
        """Let the job be done once more, at once. Problem `not-found`: there is none."""
        job = await self.session.get(Job, job_id)
        if job is None:
            raise Problem("not-found", "There is no such job. Take one of the list.")
        before = {"status": job.status, "result": job.result}
        await replay(self.session, kind=job.kind, key=job.key, now=self.clocks.wall())
        await self._record("job.replay", job_id, before=before, after={"status": "waiting"})
        await self.session.refresh(job)
        return job

    async def reconcile(self, *, fix: bool) -> str:
        """Have everything compared with Stripe soon; the id of the run."""
        run_id = await ask_reconcile(
            self.session, started_by=self.actor.label, fix=fix, now=self.clocks.wall()
        )
        await self._record("reconcile.ask", run_id, before=None, after={"fix": fix})
        return run_id

    async def _record(
        self,
        action: str,
        target: str,
        *,
        before: Mapping[str, object] | None,
        after: Mapping[str, object] | None,
    ) -> None:
        await audit.record(
            self.session, actor=self.actor.label, action=action, target=target,
            before=before, after=after, now=self.clocks.business(),
        )  # fmt: skip


def wake(wakes: Wakes) -> None:
    """Begin with what was asked for, as far as this process does it; others see it soon."""
    wakes.wake(INBOX_TASK)
    wakes.wake(RECONCILE_TASK)
