"""Which crawler a request is proved to come from: by a signature, an address list, or names of the address.

The User-Agent proves nothing. It only says which names are worth a question.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import select

from service.clock import Clocks
from service.crawlers.known import Crawler, with_stored
from service.crawlers.names import ConfirmedNames
from service.crawlers.signatures import SignedRequest
from service.crawlers.store import crawler_of
from service.db.session import Database
from service.db.tables import StoredCrawler
from service.limits.addresses import IpAddress
from service.limits.prefixes import Prefixes


@dataclass(frozen=True)
class Visit:
    """What of a request may prove who it comes from. `user_agent` is in small letters."""

    address: IpAddress | None
    user_agent: str
    request: SignedRequest


class KnownCrawlers:
    """All crawlers, in the memory of every process. Changes are seen by `refresh`, as all caches'."""

    def __init__(self) -> None:
        self._seen: frozenset[object] = frozenset()
        self._take(with_stored({}))

    def _take(self, crawlers: tuple[Crawler, ...]) -> None:
        self.all = crawlers
        self.by_name: Mapping[str, Crawler] = {each.name: each for each in crawlers}
        self.listed = Prefixes((network, each) for each in crawlers for network in each.networks)
        self.keys = tuple((each.name, key) for each in crawlers for key in each.keys)
        self.named = tuple(each for each in crawlers if each.hosts)

    async def refresh(self, database: Database) -> None:
        """Read them again if one was stored or forgotten since."""
        columns = (StoredCrawler.name, StoredCrawler.version, StoredCrawler.updated_at)
        async with database.reading() as session:
            seen = frozenset(tuple(row) for row in await session.execute(select(*columns)))
            if seen == self._seen:
                return
            rows = list(await session.scalars(select(StoredCrawler)))
        self._take(with_stored({row.name: crawler_of(row) for row in rows}))
        self._seen = seen

    def may_be_one(self, visit: Visit) -> bool:
        """Whether anything of the request could prove that it comes from a crawler."""
        return bool(
            (self.keys and "signature-input" in visit.request.headers)
            or self.listed.at(visit.address)
            or any(each.is_claimed_by(visit.user_agent) for each in self.named)
        )


class CrawlerVerifier(Protocol):
    """One way to prove which crawler a request comes from; None: it isn't proved this way."""

    async def verify(self, visit: Visit) -> Crawler | None: ...


@dataclass(frozen=True)
class BySignature:
    """Web Bot Auth (signatures.py)."""

    known: KnownCrawlers
    clocks: Clocks

    async def verify(self, visit: Visit) -> Crawler | None:
        if not self.known.keys or "signature-input" not in visit.request.headers:
            return None
        from service.crawlers.signed_requests import signer  # noqa: PLC0415 see there

        name = signer(visit.request, self.known.keys, self.clocks.wall())
        return self.known.by_name.get(name) if name is not None else None


@dataclass(frozen=True)
class ByAddressList:
    """The lists that the newsroom has loaded."""

    known: KnownCrawlers

    async def verify(self, visit: Visit) -> Crawler | None:
        return next(iter(self.known.listed.at(visit.address)), None)


@dataclass(frozen=True)
class ByName:
    """Forward-confirmed reverse DNS, of who says to be a crawler that has names."""

    known: KnownCrawlers
    names: ConfirmedNames

    async def verify(self, visit: Visit) -> Crawler | None:
        if visit.address is None:
            return None
        for each in self.known.named:
            claimed = each.is_claimed_by(visit.user_agent)
            if claimed and await self.names.is_in(visit.address, each.hosts):
                return each
        return None


class Verifiers:
    """All ways, the one that costs least first."""

    def __init__(self, known: KnownCrawlers, ways: tuple[CrawlerVerifier, ...]) -> None:
        self.known = known
        self._ways = ways

    @classmethod
    def of(cls, known: KnownCrawlers, names: ConfirmedNames, clocks: Clocks) -> "Verifiers":
        return cls(known, (ByAddressList(known), BySignature(known, clocks), ByName(known, names)))

    async def verify(self, visit: Visit) -> Crawler | None:
        """The crawler that it is proved to come from; None: a reader, or it isn't proved."""
        if not self.known.may_be_one(visit):
            return None
        for way in self._ways:
            found = await way.verify(visit)
            if found is not None:
                return found
        return None
