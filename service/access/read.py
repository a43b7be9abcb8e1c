"""One read: the caller in front of an article, and what comes of it: opened, walled, or only looked at."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, NamedTuple, Self

from fastapi import Depends, Query, Request

from service.access.cookieless import CallerNetwork
from service.access.decision import Allow, Meter, Wall
from service.access.notices import NoticeShown
from service.access.reasons import Reason
from service.access.visits import GrantsOfCrawler
from service.access.wall import WallShown
from service.content.cache import StoredArticle, WantedArticle
from service.grants import link_tokens
from service.grants.grants import GrantFacts
from service.identity.callers import ArticleReader, Caller, IsStaff
from service.identity.declarations import declares
from service.identity.permissions import Public
from service.limits.addresses import IpAddress, client_address
from service.metering.attempt import Recorded
from service.metering.ledger import Noted
from service.metering.window import MeterState
from service.settings import AppSettings


class ClosedOut(NamedTuple):
    """A new device's read that wasn't counted, since its network has no room left."""

    device_id: str
    """The device's, known or made for this read."""
    recorded: Recorded


class ReadRequest(NamedTuple):
    """A caller in front of an article. `network` is the caller's (cookieless.py); None: no cap.
    `gift` is what a gift link's address has (grants/link_tokens.py).

    `held` are the reader's grants where they have been read already, and `former` is whether they have
    subscribed before, where that matters. Where `again` is set, caller and grants are remembered ones:
    they may open the article, and whatever else is decided by what `again` reads anew.
    """

    article: StoredArticle
    caller: Caller
    network: str | None
    held: Sequence[GrantFacts] | None = None
    again: "Callable[[], Awaitable[ReadRequest]] | None" = None
    here: tuple[GrantFacts, ...] = ()
    """What the crawler that asks may read, and what the network that it is asked from opens to everybody in it."""
    address: Callable[[], IpAddress | None] = lambda: None
    """Where the request comes from: only where networks open something is it asked."""
    gift: str | None = None
    former: bool = False
    staff: bool = False
    """Whether an operator who may read articles is signed in in this browser."""
    seen: Mapping[str, int] | None = None
    """What the device was shown beside articles lately: the days since, by the prompt's key. None: nothing is
    said beside this one.
    """
    closed_out: ClosedOut | None = None
    """What was already tried of it."""


@declares(Public())
async def read_request(
    request: Request,
    article: WantedArticle,
    caller: ArticleReader,
    network: CallerNetwork,
    crawler: GrantsOfCrawler,
    staff: IsStaff,
    settings: AppSettings,
) -> ReadRequest:
    address = partial(client_address, request, settings)
    return ReadRequest(article, caller, network, here=crawler, address=address, staff=staff)


WantedRead = Annotated[ReadRequest, Depends(read_request)]


@declares(Public())
async def read_by_link(
    read: WantedRead, gift: Annotated[str | None, Query(max_length=link_tokens.LONGEST)] = None
) -> ReadRequest:
    """As `read_request`, by a page's address, which may be a gift link."""
    return read._replace(gift=gift)


WantedByLink = Annotated[ReadRequest, Depends(read_by_link)]


class Opened(NamedTuple):
    """The reader may read. `meter` is the state after the read, None where nothing is metered."""

    reason: Reason
    consumed: bool
    meter: MeterState | None
    holder_id: str
    device_id: str
    noted: Noted | None = None
    """What is recorded in the background; None: it was counted."""
    notice: NoticeShown | None = None
    until: datetime | None = None
    """When the gift link that opened it ends, in business time; None: no link did."""

    @classmethod
    def counted(
        cls, state: MeterState, owner: str, device_id: str, notice: NoticeShown | None = None
    ) -> Self:
        """By the meter, which has just counted it."""
        return cls("meter", True, state, owner, device_id, None, notice)


class Walled(NamedTuple):
    """The reader may not; nothing was counted."""

    wall: WallShown
    meter: MeterState | None
    device_id: str
    noted: Noted


@dataclass(frozen=True)
class Look:
    """A decision without effect."""

    outcome: Allow | Meter | Wall
    wall: WallShown | None
    meter: MeterState | None
    notice: NoticeShown | None = None
    """What is said beside an article that is open, and that nothing has to be counted for."""
    takes_gift: bool = False
    """Unlocking would take one of a gift link's places."""
    variant: str | None = None
    """What an experiment that this belongs to gives the caller (views.py)."""
    audience: str | None = None
    """Who reads the open article, to prompts, where that was asked."""
