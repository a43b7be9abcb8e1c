"""The money list as JSON, and as rows. Amounts are in the currency's minor unit."""

from typing import Annotated, Self

from fastapi import Query
from pydantic import AwareDatetime, BaseModel

from service.bodies import ListOut
from service.db.tables import PayoutRow
from service.html.list_query import ListQuery
from service.operators.money.lists import Disputed, GivenBack, Owed, PaidOut, Part


class DisputesQuery(ListQuery):
    """`open`: only those that the bank hasn't decided."""

    open: bool = False


AnyDisputes = Annotated[DisputesQuery, Query()]


class OwedOut(BaseModel):
    """An open invoice after a failed attempt; `next_try_at` null: Stripe has stopped retrying."""

    invoice: str
    subscription: str | None
    reader: str | None
    email: str | None
    offer: str
    amount: int
    currency: str
    since: AwareDatetime
    tries: int
    decline: str
    next_try_at: AwareDatetime | None

    @classmethod
    def of(cls, found: Owed) -> Self:
        row = found.invoice
        return cls(
            invoice=row.id, subscription=row.subscription_id, reader=found.whose.reader_id,
            email=found.whose.email, offer=found.offer_name, amount=row.amount_remaining,
            currency=row.currency, since=found.since, tries=found.tries, decline=found.decline,
            next_try_at=row.next_attempt_at,
        )  # fmt: skip


class RefundItem(BaseModel):
    """`status` is pending, requires_action, succeeded, failed or canceled."""

    refund: str
    charge: str | None
    reader: str | None
    email: str | None
    offer: str
    amount: int
    currency: str
    status: str
    reason: str
    created_at: AwareDatetime

    @classmethod
    def of(cls, found: GivenBack) -> Self:
        row = found.refund
        return cls(
            refund=row.id, charge=row.charge_id, reader=found.whose.reader_id,
            email=found.whose.email, offer=found.offer_name, amount=row.amount,
            currency=row.currency, status=row.status, reason=row.reason, created_at=row.created_at,
        )  # fmt: skip


class DisputeOut(BaseModel):
    """`status` in Stripe's words; `needs_answer`: Stripe takes one until `due_at`."""

    dispute: str
    charge: str
    reader: str | None
    email: str | None
    offer: str
    amount: int
    currency: str
    status: str
    reason: str
    needs_answer: bool
    due_at: AwareDatetime | None
    created_at: AwareDatetime

    @classmethod
    def of(cls, found: Disputed) -> Self:
        row = found.dispute
        return cls(
            dispute=row.id, charge=row.charge_id, reader=found.whose.reader_id,
            email=found.whose.email, offer=found.offer_name, amount=row.amount,
            currency=row.currency, status=row.status, reason=row.reason,
            needs_answer=found.needs_answer, due_at=row.due_at, created_at=row.created_at,
        )  # fmt: skip


class PayoutOut(BaseModel):
    """`status` is pending, in_transit, paid, failed or canceled; `failure` says why it failed."""

    payout: str
    amount: int
    currency: str
    status: str
    failure: str
    arrives_at: AwareDatetime
    created_at: AwareDatetime

    @classmethod
    def of(cls, row: PayoutRow) -> Self:
        return cls(
            payout=row.id, amount=row.amount, currency=row.currency, status=row.status,
            failure=row.failure, arrives_at=row.arrives_at, created_at=row.created_at,
        )  # fmt: skip


class PayoutPart(BaseModel):
    """What of a payout is of one kind: `net` is `amount` less `fee`."""

    category: str
    number: int
    amount: int
    fee: int
    net: int

    @classmethod
    def of(cls, part: Part) -> Self:
        return cls.model_validate(part, from_attributes=True)


class PayoutDetail(PayoutOut):
    """With what it is made of. `rest` is what the parts leave unexplained: 0 as a rule."""

    parts: list[PayoutPart]
    rest: int

    @classmethod
    def of_parts(cls, found: PaidOut) -> Self:
        return cls(
            **PayoutOut.of(found.payout).model_dump(),
            parts=[PayoutPart.of(each) for each in found.parts], rest=found.rest,
        )  # fmt: skip


class OwingList(ListOut[OwedOut]):
    pass


class RefundList(ListOut[RefundItem]):
    pass


class DisputeList(ListOut[DisputeOut]):
    pass


class PayoutList(ListOut[PayoutOut]):
    pass
