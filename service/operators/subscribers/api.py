"""Refunds, and comparing a reader with Stripe, over the API."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends, Path
from pydantic import AwareDatetime, BaseModel, Field

from service.account.address import change_by_operator
from service.billing.inbox import INBOX_TASK
from service.billing.refunds import RefundAsked, refund_latest
from service.billing.resync import Looked, resync_reader
from service.bodies import Body, Identifier, WholeNumber
from service.db.context import AppContext
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.jobs.runner import AppWakes
from service.outbox.queue import MAIL_TASK
from service.payments.asking import AppGateway
from service.payments.gateway import StripeRefund

router = APIRouter(prefix="/subscribers", tags=["operators"])

ChangesSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_WRITE))]
ReaderId = Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9_]+$")]
MOST_MINOR_UNITS = 99_999_999
"""Stripe takes no larger amount."""


class RefundIn(Body):
    """`amount` in minor units; null: all that is left of the latest payment for this period.

    `access` says what the refund that completes the period's does: keep access, end it, or cancel the
    subscription too.
    """

    subscription: Annotated[Identifier, Field(min_length=1, max_length=255)]
    amount: Annotated[WholeNumber, Field(ge=1, le=MOST_MINOR_UNITS)] | None = None
    access: Literal["keep", "end_access", "cancel"]
    key: Annotated[str, Field(min_length=8, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]
    """Yours, such as a random word: the same once more gives nothing back twice."""


class RefundOut(BaseModel):
    """The refund at Stripe. `status` is pending, requires_action, succeeded, failed or canceled."""

    id: str
    amount: int
    currency: str
    status: str
    created_at: AwareDatetime

    @classmethod
    def of(cls, refund: StripeRefund) -> Self:
        return cls(
            id=refund.id,
            amount=refund.amount,
            currency=refund.currency.upper(),
            status=refund.status,
            created_at=refund.created_at,
        )


class LookedOut(BaseModel):
    """One subscription, checkout or pass, and what comparing it came to."""

    id: str
    result: str

    @classmethod
    def of(cls, looked: Looked) -> Self:
        return cls(id=looked.id, result=looked.result)


class ResyncOut(BaseModel):
    looked: list[LookedOut]


@router.post("/{reader_id}/resync", summary="Compare a reader with Stripe")
async def resync(
    reader_id: ReaderId,
    actor: ChangesSubscribers,
    context: AppContext,
    gateway: AppGateway,
) -> ResyncOut:
    """Fetch all that the reader has at Stripe, what we never heard of included, and store it.

    Needs the permission subscribers:write.
    """
    looked = await resync_reader(
        context,
        gateway,
        reader_id,
        actor=actor.label,
    )
    return ResyncOut(looked=[LookedOut.of(each) for each in looked])


class AddressIn(Body):
    """The reader's address from now on: make sure that it is theirs."""

    email: Annotated[Identifier, Field(min_length=3, max_length=254)]


@router.post("/{reader_id}/address", status_code=204, summary="Change a reader's address")
async def change_address(
    reader_id: ReaderId,
    body: AddressIn,
    actor: ChangesSubscribers,
    context: AppContext,
    wakes: AppWakes,
) -> None:
    """For a lost mailbox. The reader is signed out everywhere, the former address is mailed, and
    Stripe's customer follows. Needs the permission subscribers:write.
    """
    await change_by_operator(context, reader_id=reader_id, email=body.email, actor=actor.label)
    wakes.wake(MAIL_TASK)
    wakes.wake(INBOX_TASK)


@router.post("/{reader_id}/refund", status_code=201, summary="Refund a reader")
async def refund(
    reader_id: ReaderId,
    body: RefundIn,
    actor: ChangesSubscribers,
    context: AppContext,
    gateway: AppGateway,
) -> RefundOut:
    """Give back the latest payment for a subscription's present period, or a part of it.

    A refund of a part changes no access. Needs the permission subscribers:write.
    """
    asked = RefundAsked(reader_id, body.subscription, body.amount, body.access, body.key)
    given = await refund_latest(
        context,
        gateway,
        asked,
        actor=actor.label,
    )
    return RefundOut.of(given)
