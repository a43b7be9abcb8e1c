"""Subscriptions that are no reader's, as JSON."""

from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, Field

from service.bodies import Body, Identifier, ListOut
from service.operators.unbound.lists import Unbound

CUSTOMER = r"^cus_[A-Za-z0-9_]+$"
"""An id of Stripe's, before it stands in a path there."""


class UnboundItem(BaseModel):
    """`email` is what Stripe has for the customer, which proves nothing; null: nothing, or Stripe is away."""

    subscription: str
    customer: str
    email: str | None
    offer: str
    offer_name: str
    status: str
    started_at: AwareDatetime

    @classmethod
    def of(cls, found: Unbound) -> Self:
        row = found.row
        return cls(
            subscription=row.id, customer=row.customer_id, email=found.email, offer=row.offer_id,
            offer_name=found.offer_name, status=row.status, started_at=row.started_at,
        )  # fmt: skip


class UnboundList(ListOut[UnboundItem]):
    pass


class BindIn(Body):
    """`reader`: an id, or an address that the reader has confirmed."""

    customer: Annotated[str, Field(max_length=255, pattern=CUSTOMER)]
    reader: Annotated[Identifier, Field(min_length=3, max_length=255)]


class Bound(BaseModel):
    """Whose the customer is now."""

    reader_id: str
