"""The page of accounts that several people may share."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from service.db.context import AppContext
from service.db.session import ReportSession
from service.identity.permissions import Permission
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, page_requires
from service.reports.sharing_list import AnySharing, list_sharing
from service.rules.in_force import AppInForce

router = APIRouter(prefix="/sharing", route_class=PageRoute, include_in_schema=False)

SeesSubscribers = Annotated[Visit, Depends(page_requires(Permission.SUBSCRIBERS_READ))]


@router.get("")
async def show_sharing(
    request: Request,
    _: SeesSubscribers,
    asked: AnySharing,
    session: ReportSession,
    context: AppContext,
    in_force: AppInForce,
) -> Response:
    """The readers, the most networks first."""
    today = context.clocks.business().astimezone(context.settings.zone).date()
    found = await list_sharing(session, asked, today)
    return page(
        request, "sharing.html", found=found, asked=asked,
        most_devices=in_force.settings.devices_per_reader,
        counts_networks=in_force.settings.cookieless_unlocks_per_day > 0,
    )  # fmt: skip
