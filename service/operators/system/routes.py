"""The pages of what runs by itself: the inbox, the jobs, the reconciliations."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from service.clock import AppClocks
from service.db.session import ReportSession
from service.html.list_query import ListQuery
from service.html.redirect import see_other
from service.identity.permissions import Permission
from service.jobs.backlog import backlog
from service.operators.frame.names import names_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, form_requires, page_requires
from service.operators.system.job_words import JOB_WORDS
from service.operators.system.lists import list_events, list_jobs, list_reconciliations
from service.operators.system.schemas import AnyInbox, AnyJob
from service.operators.system.system import AppSystem, count_quarantined
from service.payments.asking import AppGateway
from service.reports.schemas import Storable

router = APIRouter(route_class=PageRoute, include_in_schema=False)

SeesSystem = Annotated[Visit, Depends(page_requires(Permission.SYSTEM_READ))]
ChangesSystem = Annotated[Visit, Depends(form_requires(Permission.SYSTEM_WRITE))]
Id = Annotated[str, Path(max_length=255), Storable]


@router.get("/inbox")
async def show_inbox(
    request: Request, _: SeesSystem, asked: AnyInbox, session: ReportSession
) -> Response:
    """Stripe's events, the newest first, or only what isn't applied."""
    return page(
        request,
        "inbox.html",
        events=await list_events(session, asked),
        asked=asked,
        quarantined=await count_quarantined(session),
    )


@router.post("/inbox/replay")
async def send_replay_of_all(visit: ChangesSystem, system: AppSystem) -> Response:
    """Let everything in quarantine be applied once more."""
    await system.replay_quarantined(visit.operator)
    return see_other("/admin/inbox?held=1")


@router.post("/inbox/{event_id}/replay")
async def send_replay(
    visit: ChangesSystem,
    event_id: Id,
    system: AppSystem,
) -> Response:
    """Let one event be applied once more."""
    await system.replay_event(visit.operator, event_id)
    return see_other("/admin/inbox")


@router.get("/jobs")
async def show_jobs(
    request: Request,
    _: SeesSystem,
    asked: AnyJob,
    session: ReportSession,
    clocks: AppClocks,
) -> Response:
    """What waits, was done or was given up, the newest first."""
    return page(
        request,
        "jobs.html",
        jobs=await list_jobs(session, asked),
        asked=asked,
        kinds=await backlog(session, clocks.wall()),
        words=JOB_WORDS,
    )


@router.post("/jobs/{job_id}/replay")
async def send_job_replay(
    visit: ChangesSystem,
    job_id: Id,
    system: AppSystem,
) -> Response:
    """Let a job be done at once."""
    await system.replay_job(visit.operator, job_id)
    return see_other("/admin/jobs")


class RunsQuery(ListQuery):
    """`begun`: the page says that a comparison was asked for."""

    limit: Annotated[int, Field(ge=1, le=100)] = 10
    begun: Annotated[bool, Field(exclude=True)] = False


@router.get("/reconciliations")
async def show_reconciliations(
    request: Request, _: SeesSystem, asked: Annotated[RunsQuery, Query()], session: ReportSession
) -> Response:
    """The comparisons with Stripe and what they found, the newest first."""
    runs = await list_reconciliations(session, asked)
    names = await names_of(session, [each.started_by for each in runs.items])
    return page(request, "reconciliations.html", runs=runs, asked=asked, names=names)


@router.post("/reconciliations")
async def send_reconcile(
    visit: ChangesSystem,
    _: AppGateway,
    system: AppSystem,
    fix: Annotated[str, Form()] = "",
) -> Response:
    """Begin a comparison; with `fix` it mends."""
    await system.reconcile(visit.operator, fix=bool(fix))
    return see_other("/admin/reconciliations?begun=1")
