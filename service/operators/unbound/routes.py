"""The page of what is paid for at Stripe and is no reader's."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from service.billing.bind import bind_by_operator
from service.db.context import AppContext
from service.html.list_query import AnyPage, ListQuery
from service.html.redirect import see_other
from service.identity.permissions import Permission
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, form_requires, page_requires
from service.operators.unbound.lists import list_unbound
from service.operators.unbound.schemas import CUSTOMER
from service.payments.asking import AppGateway
from service.problems import Problem
from service.reports.schemas import Storable
from service.reports.standing import standing_of

router = APIRouter(prefix="/unbound", route_class=PageRoute, include_in_schema=False)

SeesSubscribers = Annotated[Visit, Depends(page_requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Visit, Depends(form_requires(Permission.SUBSCRIBERS_WRITE))]


@router.get("")
async def show_unbound(
    request: Request, _: SeesSubscribers, asked: AnyPage, context: AppContext, gateway: AppGateway
) -> Response:
    """The list, the newest first."""
    found = await list_unbound(context, gateway, asked)
    return page(
        request, "unbound.html", found=found, asked=asked, refusal=None, standing_of=standing_of
    )


@router.post("")
async def send_bind(
    request: Request,
    visit: ChangesSubscribers,
    context: AppContext,
    gateway: AppGateway,
    customer: Annotated[str, Form(max_length=255, pattern=CUSTOMER)],
    reader: Annotated[str, Form(max_length=255), Storable] = "",
) -> Response:
    """Bind a customer to a reader, and lead to the reader's page; or show the list again with why not."""
    try:
        reader_id = await bind_by_operator(
            context, gateway, customer_id=customer, named=reader.strip(),
            actor=visit.operator.label,
        )  # fmt: skip
    except Problem as problem:
        if problem.slug not in {"not-found", "invalid-email", "customer-bound"}:
            raise
        again = ListQuery()
        found = await list_unbound(context, gateway, again)
        return page(
            request, "unbound.html", found=found, asked=again, refusal=problem.detail,
            status_code=problem.type.status, standing_of=standing_of,
        )  # fmt: skip
    return see_other(f"/admin/subscribers/{reader_id}?done=bind")
