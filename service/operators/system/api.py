"""What runs by itself, over the API: the inbox, the jobs, the reconciliations."""

from typing import Annotated

from fastapi import APIRouter, Depends

from service.clock import AppClocks
from service.db.session import ReportSession
from service.html.list_query import AnyPage
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.jobs.backlog import backlog
from service.operators.system.lists import list_events, list_jobs, list_reconciliations
from service.operators.system.schemas import (
    AnyInbox,
    AnyJob,
    EventId,
    InboxItem,
    InboxList,
    JobId,
    JobList,
    JobOut,
    ReconcileAsked,
    ReconcileIn,
    ReconciliationList,
    ReconciliationOut,
    Replayed,
)
from service.operators.system.system import AppSystem
from service.payments.asking import AppGateway

router = APIRouter(tags=["system"])

ReadsSystem = Annotated[Actor, Depends(requires(Permission.SYSTEM_READ))]
ChangesSystem = Annotated[Actor, Depends(requires(Permission.SYSTEM_WRITE))]


@router.get("/inbox", summary="List Stripe's events")
async def read_inbox(_: ReadsSystem, asked: AnyInbox, session: ReportSession) -> InboxList:
    """Stripe's events and what became of each, the newest first. Needs system:read."""
    return InboxList.of((await list_events(session, asked)).map(InboxItem.of))


@router.post("/inbox/replay", summary="Retry all failed events")
async def replay_quarantined(actor: ChangesSystem, system: AppSystem) -> Replayed:
    """Retry every failed event, with new attempts. Needs system:write."""
    return Replayed(replayed=await system.replay_quarantined(actor))


@router.post("/inbox/{event_id}/replay", summary="Retry an event")
async def replay_event(
    event_id: EventId,
    actor: ChangesSystem,
    system: AppSystem,
) -> InboxItem:
    """Retry one event, with new attempts. Needs system:write."""
    return InboxItem.of(await system.replay_event(actor, event_id))


@router.get("/jobs", summary="List jobs")
async def read_jobs(
    _: ReadsSystem, asked: AnyJob, session: ReportSession, clocks: AppClocks
) -> JobList:
    """What is pending, done or failed, the newest first, with figures by kind.

    Needs system:read.
    """
    page = await list_jobs(session, asked)
    return JobList.of_jobs(page, await backlog(session, clocks.wall()))


@router.post("/jobs/{job_id}/replay", summary="Retry a job")
async def replay_job(
    job_id: JobId,
    actor: ChangesSystem,
    system: AppSystem,
) -> JobOut:
    """Retry a job at once, with new attempts; each is safe to repeat. Needs system:write."""
    return JobOut.of(await system.replay_job(actor, job_id))


@router.post("/reconcile", status_code=202, summary="Compare everything with Stripe")
async def ask_for_reconciliation(
    body: ReconcileIn,
    actor: ChangesSystem,
    _: AppGateway,
    system: AppSystem,
) -> ReconcileAsked:
    """Begin a comparison as every night does one; with `fix` it mends. Needs system:write."""
    return ReconcileAsked(id=await system.reconcile(actor, fix=body.fix))


@router.get("/reconciliations", summary="List reconciliations")
async def read_reconciliations(
    _: ReadsSystem, asked: AnyPage, session: ReportSession
) -> ReconciliationList:
    """What each comparison found, the newest first. Needs system:read."""
    return ReconciliationList.of(
        (await list_reconciliations(session, asked)).map(ReconciliationOut.of)
    )
