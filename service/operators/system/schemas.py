"""The inbox, the jobs and the reconciliations as JSON."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from fastapi import Path, Query
from pydantic import AwareDatetime, BaseModel, Field

from service.bodies import Body, ListOut
from service.db.keyset import Page
from service.db.tables import Job, Reconciliation
from service.html.list_query import EMPTY_IS_NONE, ListQuery
from service.jobs.backlog import Backlog
from service.operators.system.system import EventState, InboxEntry
from service.reports.schemas import Storable

EventId = Annotated[str, Path(max_length=255, pattern=r"^[A-Za-z0-9_]+$")]
JobId = Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9_]+$")]
JobStatus = Literal["waiting", "done", "failed"]


class InboxItem(BaseModel):
    """One of Stripe's events. `told_by` is webhook, or reconcile where Stripe sent no webhook for it.

    `ignored` doesn't concern us; `quarantined` has failed for good and can be retried. `result` is what
    processing it came to, or why it failed last.
    """

    id: str
    type: str
    object_id: str
    customer_id: str | None
    subscription_id: str | None
    reader_id: str | None
    created_at: AwareDatetime
    received_at: AwareDatetime
    told_by: str
    state: EventState
    tries: int
    next_try_at: AwareDatetime | None
    result: str

    @classmethod
    def of(cls, entry: InboxEntry) -> Self:
        event, job = entry.event, entry.job
        return cls(
            id=event.id,
            type=event.type,
            object_id=event.object_id,
            customer_id=event.customer_id,
            subscription_id=event.subscription_id,
            reader_id=entry.reader_id,
            created_at=event.created_at,
            received_at=event.received_at,
            told_by=event.told_by,
            state=entry.state,
            tries=job.attempts if job is not None else 0,
            next_try_at=job.due_at if job is not None and entry.state == "waiting" else None,
            result=job.result if job is not None else "",
        )


class InboxList(ListOut[InboxItem]):
    pass


class Replayed(BaseModel):
    """How many events will be retried."""

    replayed: int


class JobOut(BaseModel):
    """Something to do later. `failed`: it has failed for good and can be retried."""

    id: str
    kind: str
    key: str
    status: JobStatus
    tries: int
    created_at: AwareDatetime
    due_at: AwareDatetime | None
    """Of what waits: when it is tried, or claimed again should its process have died."""
    finished_at: AwareDatetime | None
    result: str

    @classmethod
    def of(cls, job: Job) -> Self:
        status: JobStatus = job.status  # type: ignore[assignment]  # the queue stores no other
        return cls(
            id=job.id,
            kind=job.kind,
            key=job.key,
            status=status,
            tries=job.attempts,
            created_at=job.created_at,
            due_at=job.due_at if status == "waiting" else None,
            finished_at=job.finished_at,
            result=job.result,
        )


class KindOut(BaseModel):
    """What isn't done of one kind. `oldest_at`: since when the oldest waits that is due."""

    kind: str
    waiting: int
    failed: int
    oldest_at: AwareDatetime | None

    @classmethod
    def of(cls, held: Backlog) -> Self:
        return cls(kind=held.kind, waiting=held.waiting, failed=held.failed, oldest_at=held.oldest)


class JobList(ListOut[JobOut]):
    """`kinds` counts all jobs, whatever the filter."""

    kinds: list[KindOut]

    @classmethod
    def of_jobs(cls, page: Page[Job], held: Sequence[Backlog]) -> Self:
        return cls(
            kinds=[KindOut.of(each) for each in held],
            items=[JobOut.of(job) for job in page.items],
            next_cursor=page.next_cursor,
        )


class ReconcileIn(Body):
    """`fix`: mend what differs, as Stripe says it."""

    fix: bool = False


class ReconcileAsked(BaseModel):
    """The run that will be listed under /v1/admin/reconciliations."""

    id: str


class DifferenceOut(BaseModel):
    """`what` is `missing here`, `gone there`, or what is `here` otherwise than at `stripe`."""

    object: str
    what: str
    here: str
    stripe: str
    reason: str
    mended: Literal["yes", "no"]


class ReconciliationOut(BaseModel):
    """One comparison with Stripe; without `finished_at` it goes on, or was interrupted.

    `booked` is how many invoices, charges, refunds, disputes, balance entries and payouts were checked; null: by a
    release that kept none.
    `found` counts all differences, of which the first thousand are told; `remaining` weren't mended.
    """

    id: str
    started_by: str
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    events_since: AwareDatetime
    events_missed: int
    compared: int
    booked: int | None
    not_ours: int
    found: int
    remaining: int
    fixed: bool
    differences: list[DifferenceOut]

    @classmethod
    def of(cls, run: Reconciliation) -> Self:
        return cls.model_validate(run, from_attributes=True)


class ReconciliationList(ListOut[ReconciliationOut]):
    pass


class InboxQuery(ListQuery):
    """Filter and paging; `held`: only what isn't applied."""

    held: bool = False


class JobQuery(ListQuery):
    """Filter and paging."""

    kind: Annotated[str, Storable, Field(max_length=100)] = ""
    status: Annotated[JobStatus | None, EMPTY_IS_NONE] = None


AnyInbox = Annotated[InboxQuery, Query()]
AnyJob = Annotated[JobQuery, Query()]
