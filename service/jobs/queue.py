"""Things to do later: one table for all of them, claimed by leases. All times are wall time.

A job is stored in the transaction that makes it necessary, so it exists exactly where its cause does.
It is claimed by moving `due_at` beyond a lease before anybody works on it: of any number of processes
one does it, and a process that dies while working leaves it to be claimed again. So every job is safe to
repeat.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.in_parts import in_parts
from service.db.session import Database
from service.db.tables import Job
from service.db.upsert import insert_for

LEASE = timedelta(seconds=30)
"""The worker renews it (worker.py); it is how long a killed process holds up its jobs."""
ROWS_STAY = timedelta(days=60)
LONGEST_RESULT = 500
EVERY_JOB = true()


@dataclass(frozen=True)
class ClaimedJob:
    """A job that is ours to do. `attempts` are the failed ones before."""

    id: str
    kind: str
    key: str
    payload: Mapping[str, Any]
    attempts: int
    created_at: datetime
    lease: str


async def enqueue(
    session: AsyncSession,
    *,
    kind: str,
    key: str,
    now: datetime,
    due_at: datetime | None = None,
    payload: Mapping[str, Any] | None = None,
) -> bool:
    """Store the job unless one of this kind and key is known, done or not; whether it was new.

    It is due at `due_at`, or at once.
    """
    statement = insert_for(session, Job).values(
        id=new_id("job"),
        kind=kind,
        key=key,
        status="waiting",
        due_at=due_at or now,
        lease=None,
        attempts=0,
        payload=dict(payload or {}),
        created_at=now,
        finished_at=None,
        result="",
    )
    inserted = await session.scalar(
        statement.on_conflict_do_nothing(index_elements=["kind", "key"]).returning(Job.id)
    )
    return inserted is not None


async def bring_forward(session: AsyncSession, kinds: Collection[str], by: timedelta) -> None:
    """Let the waiting jobs of these kinds be due sooner: they wait for a business time that has moved."""
    waiting = await session.scalars(
        select(Job)
        .where(Job.status == "waiting", Job.kind.in_(kinds), Job.lease.is_(None))
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    for job in waiting:
        job.due_at -= by


async def ask(
    session: AsyncSession,
    *,
    kind: str,
    key: str,
    now: datetime,
    payload: Mapping[str, Any] | None = None,
) -> bool:
    """Have the job done, once more where it was; what was given up stays so. Whether it is the first time."""
    if await enqueue(session, kind=kind, key=key, now=now, payload=payload):
        return True
    status = await session.scalar(select(Job.status).where(Job.kind == kind, Job.key == key))
    if status == "done":
        await replay(session, kind=kind, key=key, now=now)
    return False


async def try_given_up(
    session: AsyncSession, *, kind: str, key: str, pause: timedelta, now: datetime
) -> None:
    """Have a job tried once more that was given up at least `pause` ago: if it fails, it is given up again."""
    await session.execute(
        update(Job)
        .where(
            Job.kind == kind, Job.key == key, Job.status == "failed", Job.finished_at <= now - pause
        )
        .values(status="waiting", due_at=now, finished_at=None)
    )  # fmt: skip


async def count_due(
    database: Database,
    kinds: Collection[str],
    now: datetime,
    only: ColumnElement[bool] = EVERY_JOB,
) -> int:
    """How many jobs of these kinds could be claimed now, `only` those of which that is so."""
    async with database.reading() as session:
        found = await session.scalar(
            select(func.count()).where(
                Job.status == "waiting", Job.kind.in_(kinds), Job.due_at <= now, only
            )
        )
    return found or 0


async def claim_next(
    database: Database,
    kinds: Collection[str],
    now: datetime,
    only: ColumnElement[bool] = EVERY_JOB,
) -> ClaimedJob | None:
    """The job of these kinds that is due for longest, ours for the lease; None: none is due."""
    async with database.transaction() as session:
        # On SQLite FOR UPDATE isn't rendered: its one writer is alone anyway.
        job = await session.scalar(
            select(Job)
            .where(Job.status == "waiting", Job.kind.in_(kinds), Job.due_at <= now, only)
            .order_by(Job.due_at, Job.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
        if job is None:
            return None
        job.due_at, job.lease = now + LEASE, secrets.token_hex(8)
        return ClaimedJob(
            job.id, job.kind, job.key, job.payload, job.attempts, job.created_at, job.lease
        )


async def renew(database: Database, job: ClaimedJob, now: datetime) -> bool:
    """Hold the job for another lease; False: it isn't ours any more."""
    return await _change(database, job, due_at=now + LEASE)


async def note(database: Database, job: ClaimedJob, payload: Mapping[str, Any]) -> bool:
    """Keep with the job what it has found so far; False: it isn't ours any more."""
    return await _change(database, job, payload=dict(payload))


async def finish(database: Database, job: ClaimedJob, *, result: str, now: datetime) -> None:
    """The job is done, or there is nothing to do: `result` says which."""
    await _change(database, job, status="done", result=result, finished_at=now, lease=None)


async def fail(
    database: Database,
    job: ClaimedJob,
    *,
    reason: str,
    pauses: Sequence[timedelta],
    now: datetime,
) -> bool:
    """Try again after the next of `pauses`, after the last of them never by itself.

    Answers whether it is given up: it then stays as failed until somebody replays it.
    """
    if job.attempts < len(pauses):
        due_at = now + pauses[job.attempts]
        await _change(
            database, job, result=reason, attempts=job.attempts + 1, due_at=due_at, lease=None
        )
        return False
    await give_up(database, job, reason=reason, now=now)
    return True


async def give_up(database: Database, job: ClaimedJob, *, reason: str, now: datetime) -> None:
    """There is no use in trying again."""
    await _change(
        database, job, status="failed", result=reason, attempts=job.attempts + 1,
        finished_at=now, lease=None,
    )  # fmt: skip


async def postpone(
    database: Database, job: ClaimedJob, *, reason: str, pause: timedelta, now: datetime
) -> None:
    """What it needs is away: no fault of the job's, so this is no attempt."""
    await _change(database, job, result=reason, due_at=now + pause, lease=None)


async def replay(session: AsyncSession, *, kind: str, key: str, now: datetime) -> bool:
    """Let the job be done once more, with new attempts; False when there is no such job."""
    changed = await session.execute(
        update(Job)
        .where(Job.kind == kind, Job.key == key)
        .values(status="waiting", attempts=0, due_at=now, lease=None, finished_at=None)
        .returning(Job.id)
    )
    return changed.first() is not None


async def replay_claimed(session: AsyncSession, *, kind: str, key: str, now: datetime) -> bool:
    """Let a job that somebody works on be done once more; False: nobody does.

    Its worker loses it: the work is based on what was before.
    """
    changed = await session.execute(
        update(Job)
        .where(Job.kind == kind, Job.key == key, Job.status == "waiting", Job.lease.is_not(None))
        .values(due_at=now, lease=None)
        .returning(Job.id)
    )
    return changed.first() is not None


async def prune(database: Database, now: datetime) -> None:
    """Delete what was done long ago; what was given up stays until somebody looks at it."""
    await in_parts(database, delete(Job), Job.status == "done", Job.finished_at <= now - ROWS_STAY)


async def _change(database: Database, job: ClaimedJob, **values: object) -> bool:
    # Only while the claim holds: a worker that took longer than the lease comes after the one that
    # claimed it again, and changes nothing.
    if isinstance(values.get("result"), str):
        values["result"] = storable_result(str(values["result"]))
    async with database.transaction() as session:
        changed = await session.execute(
            update(Job)
            .where(Job.id == job.id, Job.status == "waiting", Job.lease == job.lease)
            .values(**values)
            .returning(Job.id)
        )
        return changed.first() is not None


def storable_result(text: str) -> str:
    """Without what PostgreSQL refuses in a text: NUL, and halves of surrogate pairs."""
    return text[:LONGEST_RESULT].replace("\0", "").encode(errors="replace").decode()
