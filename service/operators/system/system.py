"""What runs by itself, for the people who look after it: the inbox, the jobs, the reconciliations.

The audit log names who replays something or asks for a comparison with Stripe.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.events import refetch_of
from service.billing.import_job import IMPORT_TASK, ask_import
from service.billing.inbox import INBOX_TASK, JOB, replay_event
from service.billing.reconcile_job import RECONCILE_TASK, ask_reconcile
from service.db.context import AppContext, Context
from service.db.tables import Customer, InboxEvent, Job, Reader
from service.identity.audit import Change, change_by
from service.identity.callers import Actor
from service.jobs.queue import replay
from service.jobs.runner import AppWakes, Wakes
from service.problems import Problem

EventState = Literal["ignored", "waiting", "applied", "quarantined"]
"""`ignored` doesn't concern us; `quarantined` was given up after its last try."""


@dataclass(frozen=True)
class InboxEntry:
    """One of Stripe's events, what became of it, and the reader whose customer it names."""

    event: InboxEvent
    job: Job | None
    reader_id: str | None
    email: str | None

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


async def inbox_entries(session: AsyncSession, events: Sequence[InboxEvent]) -> list[InboxEntry]:
    """The events with their jobs and readers."""
    ids = [event.id for event in events]
    found = await session.scalars(select(Job).where(Job.kind == JOB, Job.key.in_(ids)))
    jobs = {job.key: job for job in found}
    customers = {event.customer_id for event in events if event.customer_id is not None}
    rows = await session.execute(
        select(Customer.id, Reader.id, Reader.email)
        .join(Reader, Reader.id == Customer.reader_id)
        .where(Customer.id.in_(customers))
    )
    readers: dict[str | None, tuple[str, str | None]] = {row[0]: (row[1], row[2]) for row in rows}
    return [
        InboxEntry(event, jobs.get(event.id), *readers.get(event.customer_id, (None, None)))
        for event in events
    ]


async def count_quarantined(session: AsyncSession) -> int:
    """How many events were given up."""
    held = select(func.count()).where(Job.kind == JOB, Job.status == "failed")
    return await session.scalar(held) or 0


@dataclass(frozen=True)
class System:
    """What operators have done again, or done now.

    Each change is a transaction of its own; this process then begins with it at once.
    """

    context: Context
    wakes: Wakes

    async def replay_event(self, actor: Actor, event_id: str) -> InboxEntry:
        """Let the event be applied once more. Problem `not-found`: there is none, or it has no job."""
        async with self._change(actor) as change:
            event = await change.session.get(InboxEvent, event_id)
            before = (
                (await inbox_entries(change.session, [event]))[0] if event is not None else None
            )
            if event is None or before is None or before.job is None:
                raise Problem("not-found", "Event not found. Choose one from the list.")
            changed = {"state": before.state, "result": before.job.result}
            await replay_event(change.session, event_id, change.clocks.wall())
            await change.record(
                "inbox.replay", event_id, before=changed, after={"state": "waiting"}
            )
            await change.session.refresh(before.job)
        return before

    async def replay_quarantined(self, actor: Actor) -> int:
        """Let every event in quarantine be applied once more; how many."""
        async with self._change(actor) as change:
            held = await change.session.scalars(
                select(Job.key).where(Job.kind == JOB, Job.status == "failed").order_by(Job.key)
            )
            events = list(held)
            for event_id in events:
                await replay_event(change.session, event_id, change.clocks.wall())
            if events:
                await change.record("inbox.replay-all", JOB, after={"events": len(events)})
        return len(events)

    async def replay_job(self, actor: Actor, job_id: str) -> Job:
        """Let the job be done once more, at once. Problem `not-found`: there is none."""
        async with self._change(actor) as change:
            job = await change.session.get(Job, job_id)
            if job is None:
                raise Problem("not-found", "Job not found. Choose one from the list.")
            before = {"status": job.status, "result": job.result}
            await replay(change.session, kind=job.kind, key=job.key, now=change.clocks.wall())
            await change.record("job.replay", job_id, before=before, after={"status": "waiting"})
            await change.session.refresh(job)
        return job

    async def reconcile(self, actor: Actor, *, fix: bool) -> str:
        """Have everything compared with Stripe soon; the id of the run."""
        async with self._change(actor) as change:
            run_id = await ask_reconcile(
                change.session, started_by=actor.label, fix=fix, now=change.clocks.wall()
            )
            await change.record("reconcile.ask", run_id, after={"fix": fix})
        return run_id

    async def import_subscribers(
        self, actor: Actor, *, dry_run: bool, prices: Mapping[str, str]
    ) -> str | None:
        """Have Stripe's subscribers imported soon; the id of the run, None where one runs already."""
        async with self._change(actor) as change:
            run_id = await ask_import(
                change.session, started_by=actor.label, dry_run=dry_run, prices=prices,
                now=change.clocks.wall(),
            )  # fmt: skip
            if run_id is not None:
                after = {"dry_run": dry_run, "prices": dict(prices)}
                await change.record("stripe.import-ask", run_id, after=after)
        return run_id

    @asynccontextmanager
    async def _change(self, actor: Actor) -> AsyncIterator[Change]:
        async with change_by(self.context, actor.label) as change:
            yield change
        self.wakes.wake(INBOX_TASK)
        self.wakes.wake(RECONCILE_TASK)
        self.wakes.wake(IMPORT_TASK)


async def system_of(context: AppContext, wakes: AppWakes) -> System:
    return System(context, wakes)


AppSystem = Annotated[System, Depends(system_of)]
