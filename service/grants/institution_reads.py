"""How often an institution's members read, by day: by which domain or network, and never who."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Literal, NamedTuple, get_args

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import Database
from service.db.tables import InstitutionReadDay
from service.db.upsert import insert_for
from service.grants.places import SEPARATOR, InstitutionNetworks

Way = Literal["network", "domain", "joined"]
"""From the network itself; with an address at the domain; or joined from a network, and read elsewhere."""


_WAYS: Mapping[str, Way] = {way: way for way in get_args(Way)}


class ReadWay(NamedTuple):
    """Whose contract opened a read, and how: `name` is the network or the domain."""

    slug: str
    way: Way
    name: str


@dataclass(frozen=True)
class WayCount:
    way: Way
    name: str
    reads: int


class InstitutionReads:
    """Reads are noted in memory and written by a task; a kill may lose the last second's."""

    def __init__(self, networks: InstitutionNetworks, zone: tzinfo) -> None:
        self._networks = networks
        self._zone = zone
        self._noted: Counter[tuple[date, ReadWay]] = Counter()

    def note(self, reference: str, domain: str | None, now: datetime) -> None:
        """Count a read at `now`, business time. `reference` is the grant's that opened it; empty: no
        institution's. `domain` is that of the reader's confirmed address.
        """
        if reference:
            way = self._way(reference, domain or "")
            self._noted[now.astimezone(self._zone).date(), way] += 1

    def _way(self, reference: str, domain: str) -> ReadWay:
        slug, from_network, network = reference.partition(SEPARATOR)
        if from_network:
            return ReadWay(slug, "network", network)
        slug = reference.partition("/")[0]
        if domain in self._networks.domains.get(slug, ()):
            return ReadWay(slug, "domain", domain)
        return ReadWay(slug, "joined", "")

    async def flush(self, database: Database) -> None:
        """Add what is noted to what is stored; where the database is away, it stays noted."""
        noted = dict(self._noted)
        if not noted:
            return
        async with database.transaction() as session:
            for (day, way), reads in sorted(noted.items()):
                statement = insert_for(session, InstitutionReadDay).values(
                    slug=way.slug, day=day, way=way.way, name=way.name, reads=reads
                )
                added = InstitutionReadDay.reads + statement.excluded.reads
                await session.execute(
                    statement.on_conflict_do_update(
                        index_elements=["slug", "day", "way", "name"], set_={"reads": added}
                    )
                )
        self._noted.subtract(noted)
        self._noted = +self._noted


async def reads_of(session: AsyncSession, slug: str, first: date, last: date) -> list[WayCount]:
    """The reads of these days, both included, by network and domain, the most first."""
    reads = func.sum(InstitutionReadDay.reads)
    found = await session.execute(
        select(InstitutionReadDay.way, InstitutionReadDay.name, reads)
        .where(InstitutionReadDay.slug == slug, InstitutionReadDay.day.between(first, last))
        .group_by(InstitutionReadDay.way, InstitutionReadDay.name)
        .order_by(reads.desc(), InstitutionReadDay.way, InstitutionReadDay.name)
    )
    return [WayCount(_WAYS[way], name, int(total)) for way, name, total in found]
