"""What readers say of their subscriptions elsewhere."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, Field, model_validator

from service.bodies import Body, OneLine
from service.db.context import AppContext
from service.grants.right_claims import Claim, Claimed, claim_right
from service.identity.callers import SignedInReader
from service.limits.addresses import client_network
from service.rules.in_force import AppInForce

router = APIRouter(prefix="/v1/me/entitlements", tags=["account"])
Typed = Annotated[OneLine, Field(max_length=200)]


class ClaimIn(Body):
    """What is on the bill or the label: `account_number` or `name`, and the postcode."""

    account_number: Typed = ""
    name: Typed = ""
    postcode: Annotated[Typed, Field(min_length=1)]

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.account_number) == bool(self.name):
            raise ValueError("give either account_number or name")
        return self

    def claim(self) -> Claim:
        by: Literal["account", "name"] = "account" if self.account_number else "name"
        return Claim(by, self.account_number or self.name, self.postcode)


class ClaimedOut(BaseModel):
    """`provisional`: no list has it yet, and the reader reads until then all the same."""

    state: Literal["open", "provisional"]
    until: AwareDatetime | None

    @classmethod
    def of(cls, claimed: Claimed) -> Self:
        return cls(state=claimed.state, until=claimed.until)


@router.post("", summary="Say that one subscribes elsewhere")
async def claim(
    body: ClaimIn,
    caller: SignedInReader,
    request: Request,
    context: AppContext,
    in_force: AppInForce,
) -> ClaimedOut:
    """Give the reader what other systems of the newsroom know under this number and postcode.

    404 `right-not-found` whatever didn't match; 429 after several tries.
    """
    network = client_network(request, context.settings, context.clocks)
    found = await claim_right(
        context, body.claim(), in_force.settings, reader_id=caller.reader_id, network=network
    )
    return ClaimedOut.of(found)
