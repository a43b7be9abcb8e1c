"""What operators see and do from a reader's page beside money: notes, access, devices, explanations."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import Response

from service.account.notes import LONGEST_NOTE, add_note, delete_note
from service.bodies import OneLine
from service.content.rendering import AppRendering
from service.db.context import AppContext, Context
from service.grants.comps import LONGEST_NOTE as LONGEST_COMP_NOTE
from service.grants.comps import give_comp, revoke_comp
from service.html.redirect import see_other
from service.identity.audit import change_by
from service.identity.permissions import Permission
from service.operators.frame.explained import AnyExplainForm, explained
from service.operators.frame.pages import PageRoute
from service.operators.frame.visits import Visit, form_requires, page_requires
from service.operators.subscribers.devices import end_device
from service.operators.subscribers.shown import reader_page
from service.problems import Problem
from service.reports.period import FIRST_DAY, LAST_DAY, midnight
from service.reports.schemas import Storable

router = APIRouter(
    prefix="/subscribers/{reader_id}", route_class=PageRoute, include_in_schema=False
)

SeesSubscribers = Annotated[Visit, Depends(page_requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Visit, Depends(form_requires(Permission.SUBSCRIBERS_WRITE))]
ReaderId = Annotated[str, Path(max_length=100), Storable]
Id = Annotated[str, Path(max_length=100), Storable]


@router.get("/explain")
async def show_explanation(
    request: Request,
    _: SeesSubscribers,
    reader_id: ReaderId,
    asked: AnyExplainForm,
    context: AppContext,
    rendering: AppRendering,
) -> Response:
    """Why an article is or was open or closed to the reader, in a sentence with the steps that led to it."""
    shown = await explained(context, rendering, reader_id, asked, sees_readers=True)
    async with context.database.slow_reading("reports") as session:
        return await reader_page(
            request, session, reader_id, context, refusal=shown.refusal, explained=shown,
            status_code=shown.status_code,
        )  # fmt: skip


@router.post("/notes")
async def send_note(
    request: Request,
    visit: ChangesSubscribers,
    reader_id: ReaderId,
    context: AppContext,
    text: Annotated[str, Form(max_length=4 * LONGEST_NOTE), Storable] = "",
) -> Response:
    """Keep a note, or show the page again with why not."""
    try:
        async with change_by(context, visit.operator.label) as change:
            await add_note(change, reader_id, text)
    except Problem as problem:
        return await _again(request, reader_id, context, problem)
    return see_other(f"/admin/subscribers/{reader_id}?done=note#notes")


@router.post("/notes/{note_id}/delete")
async def send_note_deletion(
    visit: ChangesSubscribers, reader_id: ReaderId, note_id: Id, context: AppContext
) -> Response:
    """Take a note away for good."""
    async with change_by(context, visit.operator.label) as change:
        await delete_note(change, reader_id, note_id)
    return see_other(f"/admin/subscribers/{reader_id}?done=note-deleted#notes")


@router.post("/comps")
async def send_comp(
    request: Request,
    visit: ChangesSubscribers,
    reader_id: ReaderId,
    context: AppContext,
    until: Annotated[str, Form(max_length=40)] = "",
    note: Annotated[OneLine, Form(max_length=LONGEST_COMP_NOTE)] = "",
) -> Response:
    """Give access up to a day, included, or until it is revoked; or show the page again with why not."""
    now, settings = context.clocks.business(), context.settings
    try:
        last = _day(until)
        ends_at = midnight(last + timedelta(days=1), settings.zone) if last is not None else None
        async with context.database.transaction() as session:
            await give_comp(
                session, reader_id=reader_id, ends_at=ends_at, note=note,
                actor=visit.operator.label, now=now,
            )  # fmt: skip
    except Problem as problem:
        return await _again(request, reader_id, context, problem)
    return see_other(f"/admin/subscribers/{reader_id}?done=given#access")


@router.post("/comps/{grant_id}/revoke")
async def send_comp_revocation(
    visit: ChangesSubscribers, reader_id: ReaderId, grant_id: Id, context: AppContext
) -> Response:
    """Take given access back now."""
    async with context.database.transaction() as session:
        await revoke_comp(
            session, grant_id, actor=visit.operator.label, now=context.clocks.business(),
            reader_id=reader_id,
        )  # fmt: skip
    return see_other(f"/admin/subscribers/{reader_id}?done=taken-back#access")


@router.post("/sessions/{session_id}/end")
async def send_device_end(
    visit: ChangesSubscribers, reader_id: ReaderId, session_id: Id, context: AppContext
) -> Response:
    """Sign a device of the reader's out."""
    async with change_by(context, visit.operator.label) as change:
        await end_device(change, reader_id, session_id, context.settings)
    return see_other(f"/admin/subscribers/{reader_id}?done=device#devices")


def _day(typed: str) -> date | None:
    if not typed.strip():
        return None
    try:
        day = date.fromisoformat(typed.strip())
    except ValueError:
        day = None
    # fromisoformat reads 20260301 as well.
    if day is None or day.isoformat() != typed.strip() or not FIRST_DAY <= day <= LAST_DAY:
        raise Problem("invalid-request", "No access was given. Enter the last day as 2026-03-01.")
    return day


async def _again(request: Request, reader_id: str, context: Context, problem: Problem) -> Response:
    if problem.slug != "invalid-request":
        raise problem
    async with context.database.slow_reading("reports") as session:
        return await reader_page(
            request, session, reader_id, context, refusal=problem.detail, status_code=422
        )
