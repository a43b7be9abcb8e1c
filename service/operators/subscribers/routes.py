"""What operators do from a reader's page: give money back, and compare with Stripe."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import Response

from service.account.address import change_by_operator
from service.billing.inbox import INBOX_TASK
from service.billing.refunds import RefundAsked, refund_latest
from service.billing.resync import resync_reader
from service.db.context import AppContext, Context
from service.db.session import ReportSession
from service.db.tables import Subscription
from service.html.redirect import see_other
from service.identity.permissions import Permission
from service.jobs.runner import AppWakes
from service.offers.pricing import minor_units
from service.operators.frame.pages import PageRoute
from service.operators.frame.visits import Seen, Visit, form_requires, page_requires
from service.operators.subscribers.shown import reader_page
from service.outbox.queue import MAIL_TASK
from service.payments.asking import AppGateway
from service.problems import Problem
from service.reports.schemas import Storable

router = APIRouter(prefix="/subscribers", route_class=PageRoute, include_in_schema=False)
DONE = {
    "resync": "Updated from Stripe.",
    "address": "Changed. The reader signs in with the new address from now on.",
    "bind": "Linked. The Stripe customer’s subscriptions now belong to this reader.",
    "refund": "Refunded. Access changes take effect at once.",
    "note": "Note added.",
    "note-deleted": "Note deleted.",
    "given": "Access given.",
    "taken-back": "Access revoked.",
    "device": "The device will be signed out within a minute.",
}

SeesSubscribers = Annotated[Visit, Depends(page_requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Visit, Depends(form_requires(Permission.SUBSCRIBERS_WRITE))]
ReaderId = Annotated[str, Path(max_length=100), Storable]
Text = Annotated[str, Form(max_length=255), Storable]


@router.get("/{reader_id}")
async def show_subscriber(
    request: Request,
    _: SeesSubscribers,
    reader_id: ReaderId,
    session: ReportSession,
    context: AppContext,
    done: str = "",
) -> Response:
    """One reader: what is bought, and what happened."""
    return await reader_page(request, session, reader_id, context, notice=DONE.get(done))


@router.post("/{reader_id}/resync")
async def send_resync(
    visit: ChangesSubscribers,
    reader_id: ReaderId,
    context: AppContext,
    gateway: AppGateway,
) -> Response:
    """Compare all that the reader has with Stripe."""
    await resync_reader(
        context,
        gateway,
        reader_id,
        actor=visit.operator.label,
    )
    return see_other(f"/admin/subscribers/{reader_id}?done=resync")


@router.post("/{reader_id}/address")
async def send_address(
    request: Request,
    visit: ChangesSubscribers,
    reader_id: ReaderId,
    context: AppContext,
    wakes: AppWakes,
    seen: Seen,
    email: Text = "",
) -> Response:
    """Give the reader another address, or show the page again with why not."""
    try:
        await change_by_operator(
            context, reader_id=reader_id, email=email, actor=visit.operator.label, seen=seen
        )
    except Problem as problem:
        if problem.slug not in {"address-taken", "invalid-email", "changed-meanwhile"}:
            raise
        async with context.database.slow_reading("reports") as session:
            return await reader_page(
                request, session, reader_id, context, refusal=problem,
                status_code=problem.type.status,
            )  # fmt: skip
    wakes.wake(MAIL_TASK)
    wakes.wake(INBOX_TASK)
    return see_other(f"/admin/subscribers/{reader_id}?done=address")


@router.post("/{reader_id}/refund")
async def send_refund(
    request: Request,
    visit: ChangesSubscribers,
    reader_id: ReaderId,
    context: AppContext,
    gateway: AppGateway,
    subscription: Text = "",
    amount: Text = "",
    access: Annotated[Literal["keep", "end_access", "cancel"], Form()] = "keep",
    key: Annotated[str, Form(max_length=100, pattern=r"^[A-Za-z0-9_-]+$")] = "",
    sure: Annotated[str, Form()] = "",
) -> Response:
    """Give money back, or show the page again with why not."""
    try:
        sum_asked = await _minor_units(context, subscription, amount)
        asked = RefundAsked(reader_id, subscription, sum_asked, access, _key(key, sure))
        await refund_latest(
            context,
            gateway,
            asked,
            actor=visit.operator.label,
        )
    except Problem as problem:
        if problem.slug != "invalid-request":
            raise
        async with context.database.slow_reading("reports") as session:
            return await reader_page(
                request, session, reader_id, context, refusal=problem.detail, status_code=422
            )
    return see_other(f"/admin/subscribers/{reader_id}?done=refund")


def _key(key: str, sure: str) -> str:
    if not sure or not key:
        raise Problem("invalid-request", "Nothing was refunded: select “I am sure” first.")
    return key


async def _minor_units(context: Context, subscription: str, typed: str) -> int | None:
    """Empty: all that is left."""
    if not typed.strip():
        return None
    async with context.database.reading() as session:
        found = await session.get(Subscription, subscription)
    if found is None:
        return None  # whose it is, is found out with the refund
    try:
        return minor_units(typed, found.currency)
    except ValueError as error:
        raise Problem("invalid-request", f"Nothing was refunded: {error}.") from error
