"""Comps over HTTP."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from service.bodies import Body, OneLine
from service.clock import Instant
from service.db.tables import Grant
from service.grants.comps import LONGEST_NOTE


class CompIn(Body):
    """Access given away: to everything, until `ends_at` (null: until it is revoked)."""

    reader_id: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[a-z0-9_]+$")]
    ends_at: Instant | None = None
    note: Annotated[OneLine, Field(min_length=1, max_length=LONGEST_NOTE)]
    """Why, for colleagues who ask later."""


class CompOut(BaseModel):
    id: str
    reader_id: str
    source: str
    scope: str
    starts_at: AwareDatetime
    ends_at: AwareDatetime | None
    note: str

    @classmethod
    def of(cls, grant: Grant) -> "CompOut":
        return cls.model_validate(grant, from_attributes=True)
