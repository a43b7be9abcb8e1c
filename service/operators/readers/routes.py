"""The page of all readers, with the views that an operator has saved, and the list as a file."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import AppContext, Context
from service.db.session import ReportSession
from service.finance.owing import owed_by
from service.grants.comps import comped_until
from service.html.redirect import see_other
from service.identity.audit import change_by
from service.identity.permissions import Permission
from service.operators.frame.pages import FileRoute, PageRoute, page
from service.operators.frame.visits import Visit, form_requires, page_requires
from service.operators.readers.views import delete_view, read_filters, save_view, views_of
from service.problems import Problem
from service.reports import readers, subscriber_list
from service.reports.reader_export import export_answer
from service.reports.schemas import AnyExport, AnyReaders, ReadersQuery, Storable

router = APIRouter(prefix="/readers", route_class=PageRoute, include_in_schema=False)
files = APIRouter(route_class=FileRoute, include_in_schema=False)

SeesReaders = Annotated[Visit, Depends(page_requires(Permission.SUBSCRIBERS_READ))]
KeepsViews = Annotated[Visit, Depends(form_requires(Permission.SUBSCRIBERS_READ))]


@router.get("")
async def show_readers(
    request: Request,
    visit: SeesReaders,
    asked: AnyReaders,
    session: ReportSession,
    context: AppContext,
) -> Response:
    """Everybody who fits, by what they have or had."""
    return await _page(request, visit, asked, session, context)


@files.get("/export")
async def export_readers(_: SeesReaders, asked: AnyExport, context: AppContext) -> Response:
    """The list that is shown, as a file."""
    return export_answer(context, asked.chosen(context.settings.zone), asked.format)


router.include_router(files)


@router.post("/views")
async def send_view(
    request: Request,
    visit: KeepsViews,
    context: AppContext,
    name: Annotated[str, Form(max_length=300), Storable] = "",
    filters: Annotated[str, Form(max_length=3000), Storable] = "",
) -> Response:
    """Save the filters that are shown, and lead to them; or show all readers with why not."""
    operator, asked = visit.operator, ReadersQuery()
    try:
        asked = read_filters(filters)
        async with change_by(context, operator.label) as change:
            view = await save_view(change, operator.id, name=name, asked=asked)
    except Problem as problem:
        if problem.slug != "invalid-request":
            raise
        async with context.database.slow_reading("reports") as session:
            return await _page(request, visit, asked, session, context, refusal=problem.detail)
    return see_other(f"/admin/readers?{view.filters}" if view.filters else "/admin/readers")


@router.post("/views/{view_id}/delete")
async def send_view_deletion(
    visit: KeepsViews, view_id: Annotated[str, Path(max_length=100), Storable], context: AppContext
) -> Response:
    """Forget a view of theirs."""
    async with change_by(context, visit.operator.label) as change:
        await delete_view(change, visit.operator.id, view_id)
    return see_other("/admin/readers")


async def _page(
    request: Request,
    visit: Visit,
    asked: ReadersQuery,
    session: AsyncSession,
    context: Context,
    *,
    refusal: str | None = None,
) -> Response:
    found = await readers.list_readers(
        session, asked.chosen(context.settings.zone), cursor=asked.cursor, limit=asked.limit,
        now=context.clocks.business(), zone=context.settings.zone,
    )  # fmt: skip
    ids = [each.reader_id for each in found.items]
    bought = await subscriber_list.first_subscriptions(session, ids)
    comped = [each.reader_id for each in found.items if "comped" in each.kinds]
    until = await comped_until(session, comped, context.clocks.business()) if comped else {}
    return page(
        request, "readers.html", status_code=422 if refusal else 200, readers=found, asked=asked,
        kinds=readers.KINDS, plans=[plan for plan in await subscriber_list.plans(session) if plan],
        views=await views_of(session, visit.operator.id), refusal=refusal,
        of_one=readers.KINDS_OF_ONE, comped_until=until, bought=bought, owed=await owed_by(session, ids),
    )  # fmt: skip
