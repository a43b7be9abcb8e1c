"""Institutions over HTTP."""

from datetime import date, timedelta
from typing import Annotated, Literal, Self

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from service.bodies import Body, Identifier, ListOut, OneLine
from service.clock import Instant
from service.db.tables import Institution
from service.grants.domains import checked_domain
from service.grants.institutions import InstitutionTerms
from service.grants.networks import checked_network
from service.texts import SLUG_LENGTH

SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
InstitutionSlug = Annotated[str, Path(max_length=SLUG_LENGTH, pattern=SLUG)]
MOST = 200
_LAST_DAYS = timedelta(days=29)
Domain = Annotated[Identifier, Field(max_length=253), AfterValidator(checked_domain)]
NetworkText = Annotated[Identifier, Field(max_length=60), AfterValidator(checked_network)]


class InstitutionIn(Body):
    """What is agreed with an institution. `networks` are CIDR, IPv4 or IPv6; `ends_at` null: no end."""

    name: Annotated[OneLine, Field(min_length=1, max_length=200)]
    plan: Annotated[str, Field(max_length=SLUG_LENGTH, pattern=SLUG)]
    domains: Annotated[tuple[Domain, ...], Field(max_length=MOST)] = ()
    networks: Annotated[tuple[NetworkText, ...], Field(max_length=MOST)] = ()
    ends_at: Instant | None = None

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


class InstitutionStored(InstitutionOut):
    """`warnings` are about a plan that no offer sells."""

    warnings: list[str]


class InstitutionList(ListOut[InstitutionOut]):
    pass


class InstitutionFile(Body):
    """Institutions as CSV, with the columns slug, name, plan, domains, networks and ends_at."""

    csv: Annotated[str, Field(min_length=1, max_length=60_000)]
    dry_run: bool = False
    """Say what would happen, change nothing."""


class InstitutionsImported(BaseModel):
    """What happened, or would: slugs; `unchanged` is their number. `warnings` are about plans that no offer sells."""

    created: list[str]
    changed: list[str]
    unchanged: int
    warnings: list[str]
    dry_run: bool


class InstitutionReadsQuery(BaseModel):
    """Days of the publication, both included; without them the last 30."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    first: Annotated[date | None, Field(alias="from")] = None
    last: Annotated[date | None, Field(alias="to")] = None

    def days(self, today: date) -> tuple[date, date]:
        last = self.last or today
        return self.first or max(last, date.min + _LAST_DAYS) - _LAST_DAYS, last


class WayOut(BaseModel):
    """`way`: network (from the network itself), domain (with an address there), or joined (from a network,
    and read elsewhere). `name` is the network or the domain.
    """

    way: Literal["network", "domain", "joined"]
    name: str
    reads: int


class InstitutionReadsOut(BaseModel):
    """How often an institution's members read, and how they came; nobody is named. The most first."""

    first: Annotated[date, Field(serialization_alias="from")]
    last: Annotated[date, Field(serialization_alias="to")]
    reads: int
    ways: list[WayOut]


class JoinedOut(BaseModel):
    """By whose contract the reader reads now, and until when."""

    institution: str
    until: AwareDatetime
