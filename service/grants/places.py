"""Institutions' networks in the memory of every process: who reads from one reads by its contract, unasked.

Looking an address up asks no database.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import Clocks
from service.db.tables import Institution
from service.grants.grants import GrantFacts, plan_scope
from service.grants.networks import Address
from service.limits.prefixes import Prefixes

SEPARATOR = "@"
"""Between an institution's slug and the network, in what a grant of a network is called."""


class InstitutionNetworks:
    """Changes are seen by `refresh` (access/openings.py)."""

    def __init__(self) -> None:
        self._seen: tuple[int, int, datetime | None] = (0, 0, None)
        self._networks: Prefixes[GrantFacts] = Prefixes()
        self.domains: Mapping[str, frozenset[str]] = {}
        """By the slugs of contracts that run."""

    def __bool__(self) -> bool:
        return bool(self._networks)

    def at(self, address: Address | None) -> tuple[GrantFacts, ...]:
        """The grants of the networks that hold the address. Whether they are live, the decision looks at."""
        return self._networks.at(address)

    async def refresh(self, session: AsyncSession, clocks: Clocks) -> None:
        """Read the contracts again if one has changed.

        Each change of one raises its version, but for those of the release before this one, which may
        still run beside it: they are seen by their time.
        """
        versions = func.coalesce(func.sum(Institution.version), 0)
        counted = select(func.count(), versions, func.max(Institution.updated_at))
        number, version, changed_at = (await session.execute(counted)).one()
        seen = (number, int(version), changed_at)
        if seen == self._seen:
            return
        running = or_(Institution.ends_at.is_(None), Institution.ends_at > clocks.business())
        rows = list(await session.scalars(select(Institution).where(running)))
        if seen[1] < self._seen[1]:
            return  # another look, which began later, has ended sooner
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
