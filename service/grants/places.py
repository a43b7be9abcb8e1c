"""Institutions' networks in the memory of every process: who reads from one reads by its contract, unasked.

Looking an address up asks no database.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import func, or_, select

from service.clock import Clocks
from service.db.session import Database
from service.db.tables import Institution
from service.grants.grants import GrantFacts, plan_scope
from service.grants.networks import Address
from service.limits.addresses import client_address
from service.limits.prefixes import Prefixes
from service.running import running_of
from service.settings import AppSettings

SEPARATOR = "@"
"""Between an institution's slug and the network, in what a grant of a network is called."""


class InstitutionNetworks:
    """Changes are seen by `refresh`, which the background runner calls every interval (1 s by default)."""

    def __init__(self) -> None:
        self._seen: tuple[object, ...] = (0, 0, None)
        self._networks: Prefixes[GrantFacts] = Prefixes()
        self.domains: Mapping[str, frozenset[str]] = {}
        """By the slugs of contracts that run."""

    def __bool__(self) -> bool:
        return bool(self._networks)

    def at(self, address: Address | None) -> tuple[GrantFacts, ...]:
        """The grants of the networks that hold the address. Whether they are live, the decision looks at."""
        return self._networks.at(address)

    async def refresh(self, database: Database, clocks: Clocks) -> None:
        """Read the contracts again if one has changed.

        Each change of one raises its version, but for those of the release before this one, which may
        still run beside it: they are seen by their time.
        """
        async with database.reading() as session:
            versions = func.coalesce(func.sum(Institution.version), 0)
            counted = select(func.count(), versions, func.max(Institution.updated_at))
            seen = tuple((await session.execute(counted)).one())
            if seen == self._seen:
                return
            running = or_(Institution.ends_at.is_(None), Institution.ends_at > clocks.business())
            rows = list(await session.scalars(select(Institution).where(running)))
        self._networks = Prefixes(
            (network, _grant(row.slug, network, row.plan, row.starts_at, row.ends_at))
            for row in rows
            for network in row.networks
        )
        self.domains = {row.slug: frozenset(row.domains) for row in rows}
        self._seen = seen


def _grant(
    slug: str, network: str, plan: str, starts_at: datetime, ends_at: datetime | None
) -> GrantFacts:
    reference = f"{slug}{SEPARATOR}{network}"
    return GrantFacts(reference, "institution", reference, plan_scope(plan), starts_at, ends_at)


async def grants_here(request: Request, settings: AppSettings) -> tuple[GrantFacts, ...]:
    """What the networks that the request comes from give to everybody in them."""
    networks = running_of(request).get(InstitutionNetworks)
    return networks.at(client_address(request, settings)) if networks else ()


GrantsHere = Annotated[tuple[GrantFacts, ...], Depends(grants_here)]
