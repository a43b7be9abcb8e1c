"""Rights from elsewhere over HTTP."""

from typing import Annotated, Literal, Self

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, model_validator

from service.bodies import Body, Identifier, ListOut, OneLine, WholeNumber
from service.clock import Instant, check_span
from service.db.tables import Right
from service.grants.matching import nobody_finds
from service.grants.right_lists import MOST_ENDED_PERCENT
from service.grants.right_readers import SentRight
from service.html.list_query import EMPTY_IS_NONE, ListQuery
from service.identity.email import email_key
from service.texts import SLUG_LENGTH, storable

SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
LONGEST_REFERENCE = 200
State = Literal["live", "over"]
Source = Annotated[str, Path(max_length=SLUG_LENGTH, pattern=SLUG)]
"""What sends rights, such as `print` or `app-store`."""
_REFERENCE = Path(min_length=1, max_length=LONGEST_REFERENCE)
Reference = Annotated[Identifier, _REFERENCE]
"""The source's own name of the right, to be stored."""
StoredReference = Annotated[str, AfterValidator(storable), _REFERENCE]
"""One that may be stored already: what an earlier release took can be read and ended."""
Text = Annotated[OneLine, Field(max_length=200)]


def _address(value: str) -> str:
    if value and email_key(value) is None:
        raise ValueError("is no e-mail address")
    return value


class RightIn(Body):
    """Who may read what until when. The reader is found by `email`, or by `account_number` or `name` with
    `postcode`; those are kept as keyed hashes. `starts_at` left out: now, or as it was.
    """

    plan: Annotated[str, Field(max_length=SLUG_LENGTH, pattern=SLUG)]
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    """null: until it is deleted."""
    email: Annotated[Identifier, Field(max_length=200), AfterValidator(_address)] = ""
    account_number: Text = ""
    name: Text = ""
    postcode: Text = ""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        check_span(self.starts_at, self.ends_at)
        return self

    @model_validator(mode="after")
    def _somebody_can_have_it(self) -> Self:
        lacking = nobody_finds(
            email=self.email,
            account_number=self.account_number,
            name=self.name,
            postcode=self.postcode,
        )
        if lacking:
            raise ValueError(lacking)
        return self

    def sent(self, reference: str) -> SentRight:
        """What it says of the right with this reference."""
        return SentRight(reference, **dict(self))


class RightOut(BaseModel):
    """`reader_id` is whose it is, found by `bound_by`; null: nobody's yet. `ended_at`: taken back then."""

    source: str
    reference: str
    plan: str
    starts_at: AwareDatetime
    ends_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    reader_id: str | None
    bound_by: str | None
    created_at: AwareDatetime
    updated_at: AwareDatetime

    @classmethod
    def of(cls, row: Right) -> Self:
        return cls.model_validate(row, from_attributes=True)


class RightStored(RightOut):
    """`warnings` are about a plan that no offer sells."""

    warnings: list[str]


class RightList(ListOut[RightOut]):
    pass


class RightFile(Body):
    """A source's whole list as CSV, with the columns of `paywall import entitlements`."""

    csv: Annotated[str, Field(min_length=1)]
    dry_run: bool = False
    """Say what would happen, change nothing."""
    most_ended_percent: Annotated[WholeNumber, Field(ge=0, le=100)] = MOST_ENDED_PERCENT
    """The share of the rights that run that the list may end; it may always end 5, but all only with 100."""


class RightStateOut(BaseModel):
    """A right at one time; `reader_id` null: nobody's yet."""

    plan: str
    starts_at: AwareDatetime
    ends_at: AwareDatetime | None
    reader_id: str | None
    email: str | None


class RightChangeOut(BaseModel):
    """One right; `before` null: it begins, `after` null: it ends now. Where both are alike, its address, number, name
    or postcode changed.
    """

    reference: str
    outcome: Literal["created", "changed", "ended"]
    before: RightStateOut | None
    after: RightStateOut | None


class RightsImported(BaseModel):
    """What happened, or would: references; `unchanged` is their number. `warnings` are about plans that no offer
    has; `details` has the first 100 of each kind.
    """

    created: list[str]
    changed: list[str]
    ended: list[str]
    unchanged: int
    warnings: list[str]
    details: list[RightChangeOut]
    dry_run: bool


class RightQuery(ListQuery):
    """Which rights: of one source, live or over, those of a reader, or the one with a reference."""

    source: Annotated[
        Annotated[str, AfterValidator(storable), Field(max_length=SLUG_LENGTH)] | None,
        EMPTY_IS_NONE,
    ] = None
    state: Annotated[State | None, EMPTY_IS_NONE] = None
    query: Annotated[str, AfterValidator(storable), Field(max_length=LONGEST_REFERENCE)] = ""
    """A whole reference, or a reader's address or id."""


AnyRights = Annotated[RightQuery, Query()]
