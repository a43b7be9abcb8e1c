"""The pages of what runs by itself: the inbox, the jobs, the reconciliations."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from service.clock import AppClocks
from service.db.session import AppDatabase, ReadSession
from service.identity.permissions import Permission
from service.jobs.backlog import backlog
from service.jobs.runner import AppWakes
from service.operators.lists import list_events, list_jobs, list_reconciliations
from service.operators.pages import PageRoute, page
from service.operators.system import System, count_quarantined, told, wake
from service.operators.system_schemas import JobStatus
from service.operators.visits import Visit, form_requires, page_requires
from service.payments.asking import AppGateway
from service.reports.schemas import Storable

router = APIRouter(route_class=PageRoute, include_in_schema=False)
SEE_OTHER = 303
ROWS = 50
RUNS = 10

SeesSystem = Annotated[Visit, Depends(page_requires(Permission.SYSTEM_READ))]
ChangesSystem = Annotated[Visit, Depends(form_requires(Permission.SYSTEM_WRITE))]
Id = Annotated[str, Path(max_length=255), Storable]
Cursor = Annotated[str, Query(max_length=200)]


@router.get("/inbox")
async def show_inbox(
    request: Request, _: SeesSystem, session: ReadSession, cursor: Cursor = "", held: str = ""
) -> Response:
    """What Stripe told us of, the newest first, or only what isn't applied."""
    found = await list_events(session, held=bool(held), cursor=cursor or None, limit=ROWS)
    events = await told(session, found.items)
    return page(
        request,
        "inbox.html",
        events=events,
        next_cursor=found.next_cursor,
        cursor=cursor,
        held=bool(held),
        quarantined=await count_quarantined(session),
    )


@router.post("/inbox/replay")
async def send_replay_of_all(
    visit: ChangesSystem, database: AppDatabase, clocks: AppClocks, wakes: AppWakes
) -> Response:
    """Let everything in quarantine be applied once more."""
    async with database.transaction() as session:
        await System(session, visit.operator, clocks).replay_quarantined()
    wake(wakes)
    return RedirectResponse("/admin/inbox?held=1", SEE_OTHER)


@router.post("/inbox/{event_id}/replay")
async def send_replay(
    visit: ChangesSystem,
    event_id: Id,
    database: AppDatabase,
    clocks: AppClocks,
    wakes: AppWakes,
) -> Response:
    """Let one event be applied once more."""
    async with database.transaction() as session:
        await System(session, visit.operator, clocks).replay_event(event_id)
    wake(wakes)
    return RedirectResponse("/admin/inbox", SEE_OTHER)


class JobFilter(BaseModel):
    """What the filter's form sends: an empty field is no filter."""

    kind: Annotated[str, Storable, Field(max_length=100)] = ""
    status: JobStatus | str = Field("", max_length=20)
    cursor: Annotated[str, Field(max_length=200)] = ""

    def address(self, cursor: str | None = None) -> str:
        """The same list from `cursor` on; None: from its start."""
        fields = {"kind": self.kind, "status": self.status, "cursor": cursor}
        chosen = urlencode({name: value for name, value in fields.items() if value})
        return f"/admin/jobs?{chosen}" if chosen else "/admin/jobs"


@router.get("/jobs")
async def show_jobs(
    request: Request,
    _: SeesSystem,
    asked: Annotated[JobFilter, Query()],
    session: ReadSession,
    clocks: AppClocks,
) -> Response:
    """What waits, was done or was given up, the newest first."""
    found = await list_jobs(
        session, kind=asked.kind, status=asked.status, cursor=asked.cursor or None, limit=ROWS
    )
    return page(
        request,
        "jobs.html",
        jobs=found,
        asked=asked,
        kinds=await backlog(session, clocks.wall()),
    )


@router.post("/jobs/{job_id}/replay")
async def send_job_replay(
    visit: ChangesSystem,
    job_id: Id,
    database: AppDatabase,
    clocks: AppClocks,
    wakes: AppWakes,
) -> Response:
    """Let a job be done at once."""
    async with database.transaction() as session:
        await System(session, visit.operator, clocks).replay_job(job_id)
    wake(wakes)
    return RedirectResponse("/admin/jobs", SEE_OTHER)


@router.get("/reconciliations")
async def show_reconciliations(
    request: Request, _: SeesSystem, session: ReadSession, cursor: Cursor = "", asked: str = ""
) -> Response:
    """The comparisons with Stripe and what they found, the newest first."""
    found = await list_reconciliations(session, cursor=cursor or None, limit=RUNS)
    return page(request, "reconciliations.html", runs=found, cursor=cursor, asked=bool(asked))


@router.post("/reconciliations")
async def send_reconcile(
    visit: ChangesSystem,
    _: AppGateway,
    database: AppDatabase,
    clocks: AppClocks,
    wakes: AppWakes,
    fix: Annotated[str, Form()] = "",
) -> Response:
    """Begin a comparison; with `fix` it mends."""
    async with database.transaction() as session:
        await System(session, visit.operator, clocks).reconcile(fix=bool(fix))
    wake(wakes)
    return RedirectResponse("/admin/reconciliations?asked=1", SEE_OTHER)
