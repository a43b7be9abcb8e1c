"""The page of rights from elsewhere."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from service.clock import AppClocks
from service.db.context import AppContext
from service.db.session import ReportSession, WriteSession
from service.grants.right_schemas import LONGEST_REFERENCE, AnyRights
from service.grants.right_store import list_rights, sources
from service.grants.rights import end_right, is_over
from service.html.redirect import see_other
from service.identity.permissions import Permission
from service.operators.frame.names import names_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, form_requires, page_requires
from service.reports.schemas import Storable

router = APIRouter(prefix="/entitlements", route_class=PageRoute, include_in_schema=False)

SeesSubscribers = Annotated[Visit, Depends(page_requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Visit, Depends(form_requires(Permission.SUBSCRIBERS_WRITE))]
Text = Annotated[str, Form(max_length=LONGEST_REFERENCE), Storable]


@router.get("")
async def show_rights(
    request: Request,
    _: SeesSubscribers,
    asked: AnyRights,
    session: ReportSession,
    clocks: AppClocks,
) -> Response:
    """The list, the newest first."""
    now = clocks.business()
    found = await list_rights(session, asked, now)
    names = await names_of(session, [each.reader_id for each in found.items if each.reader_id])
    return page(
        request, "rights.html", found=found, asked=asked, sources=await sources(session),
        over={(each.source, each.reference) for each in found.items if is_over(each, now)},
        names=names,
    )  # fmt: skip


@router.post("/end")
async def send_end(
    visit: ChangesSubscribers,
    session: WriteSession,
    context: AppContext,
    source: Text,
    reference: Text,
) -> Response:
    """End one right now."""
    await end_right(session, context, source, reference, actor=visit.operator.label)
    return see_other("/admin/entitlements")
