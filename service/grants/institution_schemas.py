"""Institutions over HTTP."""

from typing import Annotated, Self

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from service.bodies import Body, ListOut
from service.clock import in_utc
from service.db.tables import Institution
from service.grants.domains import checked_domain
from service.grants.institutions import InstitutionTerms
from service.grants.networks import checked_network
from service.texts import SLUG_LENGTH, storable

SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
InstitutionSlug = Annotated[str, Path(max_length=SLUG_LENGTH, pattern=SLUG)]
MOST = 200
Domain = Annotated[
    str, Field(max_length=253), AfterValidator(storable), AfterValidator(checked_domain)
]
NetworkText = Annotated[
    str, Field(max_length=60), AfterValidator(storable), AfterValidator(checked_network)
]


class InstitutionIn(Body):
    """What is agreed with an institution. `networks` are CIDR, IPv4 or IPv6; `ends_at` null: no end."""

    name: Annotated[str, AfterValidator(storable), Field(min_length=1, max_length=200)]
    plan: Annotated[str, Field(max_length=SLUG_LENGTH, pattern=SLUG)]
    domains: Annotated[tuple[Domain, ...], Field(max_length=MOST)] = ()
    networks: Annotated[tuple[NetworkText, ...], Field(max_length=MOST)] = ()
    ends_at: Annotated[AwareDatetime, AfterValidator(in_utc)] | None = None

    def terms(self) -> InstitutionTerms:
        """The same for the verb; what is named twice counts once."""
        return InstitutionTerms(
            self.name, self.plan, tuple(dict.fromkeys(self.domains)),
            tuple(dict.fromkeys(self.networks)), self.ends_at,
        )  # fmt: skip


class InstitutionOut(BaseModel):
    slug: str
    name: str
    plan: str
    domains: list[str]
    networks: list[str]
    starts_at: AwareDatetime
    ends_at: AwareDatetime | None
    updated_at: AwareDatetime

    @classmethod
    def of(cls, row: Institution) -> Self:
        return cls.model_validate(row, from_attributes=True)


class InstitutionList(ListOut[InstitutionOut]):
    pass


class JoinedOut(BaseModel):
    """By whose contract the reader reads now, and until when."""

    institution: str
    until: AwareDatetime
