"""The page of gift links."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from service.clock import AppClocks
from service.db.session import ReportSession, WriteSession
from service.grants.gift_ends import end_link
from service.grants.gift_links import state_of
from service.html.redirect import see_other
from service.identity.permissions import Permission
from service.operators.frame.names import names_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, form_requires, page_requires
from service.operators.gifts.lists import AnyGiftLinks, list_gift_links
from service.rules.in_force import AppInForce

router = APIRouter(prefix="/gift-links", route_class=PageRoute, include_in_schema=False)

SeesSubscribers = Annotated[Visit, Depends(page_requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Visit, Depends(form_requires(Permission.SUBSCRIBERS_WRITE))]


@router.get("")
async def show_gift_links(
    request: Request,
    _: SeesSubscribers,
    asked: AnyGiftLinks,
    session: ReportSession,
    clocks: AppClocks,
    in_force: AppInForce,
) -> Response:
    """The list, the newest first."""
    now = clocks.business()
    found = await list_gift_links(session, asked, now)
    states = {each.link.id: state_of(each.link, now) for each in found.items}
    names = await names_of(session, [each.link.reader_id for each in found.items])
    return page(
        request, "gift_links.html", found=found, asked=asked, states=states, names=names,
        per_month=in_force.settings.gift_links_per_month,
    )  # fmt: skip


@router.post("/end")
async def send_end(
    visit: ChangesSubscribers,
    session: WriteSession,
    clocks: AppClocks,
    link: Annotated[str, Form(max_length=100, pattern=r"^[a-z0-9_]+$")],
) -> Response:
    """Switch a link off."""
    now = clocks.business()
    await end_link(session, link, now=now, giver=None, actor=visit.operator.label)
    return see_other("/admin/gift-links")
