"""Crawlers over HTTP."""

from typing import Annotated, Self

from fastapi import Path
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from service.bodies import Body
from service.crawlers.address_lists import MOST, network_of
from service.crawlers.known import Crawler
from service.crawlers.signatures import checked_key
from service.crawlers.store import ListedCrawler, facts_of
from service.identity.meanwhile import stamp_of
from service.rules.crawlers import CrawlerCategory
from service.texts import storable

CrawlerName = Annotated[str, Path(max_length=60, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Agent = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_-]{3,60}$")]
Host = Annotated[
    str, StringConstraints(pattern=r"^([a-z0-9-]{1,63}\.)+[a-z]{2,63}$", max_length=200)
]
_MOST_NAMED = 20


class CrawlerIn(Body):
    """What a crawler is for, and what proves who it is. `agents` are its names in robots.txt."""

    category: CrawlerCategory
    agents: Annotated[tuple[Agent, ...], Field(min_length=1, max_length=_MOST_NAMED)]
    hosts: Annotated[tuple[Host, ...], Field(max_length=_MOST_NAMED)] = ()
    """Domains of its addresses' names, which must lead back to them."""
    networks: Annotated[
        tuple[
            Annotated[str, StringConstraints(pattern=r"^\S{1,60}$"), AfterValidator(network_of)],
            ...,
        ],
        Field(max_length=MOST),
    ] = ()
    keys: Annotated[
        tuple[Annotated[dict[str, str], AfterValidator(checked_key)], ...],
        Field(max_length=_MOST_NAMED),
    ] = ()
    """Public Ed25519 keys that sign its requests, as JSON Web Keys."""

    def crawler(self, name: str) -> Crawler:
        return Crawler(
            name, self.category, self.agents, self.hosts, tuple(dict.fromkeys(self.networks)),
            self.keys,
        )  # fmt: skip


class AddressListIn(Body):
    """A published address list as it is: JSON with `prefixes`, or a network on each line."""

    list: Annotated[str, Field(min_length=1, max_length=60_000), AfterValidator(storable)]


class CrawlerOut(BaseModel):
    """`ours`: the newsroom has named it, or changed what is known of it."""

    name: str
    category: CrawlerCategory
    agents: list[str]
    hosts: list[str]
    networks: list[str]
    keys: list[dict[str, str]]
    ours: bool
    etag: str
    """What goes into `If-Match`."""

    @classmethod
    def of(cls, listed: ListedCrawler) -> Self:
        each = listed.crawler
        return cls(
            name=each.name, category=each.category, agents=list(each.agents),
            hosts=list(each.hosts), networks=list(each.networks),
            keys=[dict(key) for key in each.keys], ours=listed.is_ours,
            etag=stamp_of(facts_of(each)),
        )  # fmt: skip


class CrawlerList(BaseModel):
    """All of them, by name: they are few."""

    items: list[CrawlerOut]
