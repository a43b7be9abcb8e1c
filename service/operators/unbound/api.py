"""Subscriptions that are no reader's, over the API."""

from typing import Annotated

from fastapi import APIRouter, Depends

from service.billing.bind import bind_by_operator
from service.db.context import AppContext
from service.html.list_query import AnyPage
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.operators.unbound.lists import list_unbound
from service.operators.unbound.schemas import BindIn, Bound, UnboundItem, UnboundList
from service.payments.asking import AppGateway

router = APIRouter(prefix="/unbound", tags=["operators"])

ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_WRITE))]


@router.get("", summary="List subscriptions that are no reader's")
async def read_unbound(
    _: ReadsSubscribers, asked: AnyPage, context: AppContext, gateway: AppGateway
) -> UnboundList:
    """What is paid for at Stripe and opens nothing, such as what was sold by phone, the newest first.

    Needs the permission subscribers:read.
    """
    return UnboundList.of((await list_unbound(context, gateway, asked)).map(UnboundItem.of))


@router.post("/bind", summary="Bind a customer at Stripe to a reader")
async def bind(
    body: BindIn, actor: ChangesSubscribers, context: AppContext, gateway: AppGateway
) -> Bound:
    """Say whose a customer at Stripe is: what it pays for opens for the reader at once.

    Needs the permission subscribers:write.
    """
    reader_id = await bind_by_operator(
        context, gateway, customer_id=body.customer, named=body.reader, actor=actor.label
    )
    return Bound(reader_id=reader_id)
