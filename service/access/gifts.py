"""What gift links give to the device that comes by one, and to the devices that came before.

Of articles that nobody has opened by a link, no database is asked: each process remembers which were. Until it has
read them all, it asks of each.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from service.access import cookieless
from service.access.cookieless import Admission, has_begun
from service.db.context import Context
from service.db.tables import GiftLink
from service.grants.gift_links import (
    articles_opened_since,
    find_link,
    grant_of,
    held_by_device,
    open_link,
    opened_articles,
    state_of,
)
from service.grants.gift_terms import NETWORK_CLOSED, REFUSAL_WORDS, GiftState
from service.grants.grants import GrantFacts
from service.grants.link_tokens import LinkKey
from service.grants.trust import until_known
from service.identity.touches import Touch
from service.limits import rate
from service.running import part

_OVERLAP = timedelta(minutes=1)
"""So much before the last look we look again: an opening is committed later than it is dated."""
_AT_ONCE = 5_000
"""Articles read in one statement: it ends soon, however many links there are."""
_ANEW_AFTER = timedelta(hours=1)
"""Articles whose links have ended are forgotten then."""
GIFT = "gift"
"""The source of a touch: the reader came by a gift link."""


@dataclass(frozen=True)
class GiftSeen:
    """What gift links say of a read. `grant` is the device's; None: it has none.

    `is_new`: the device doesn't hold it yet, and unlocking takes one of the link's places. `refusal` is the
    sentence why the link that was sent opens nothing; `came_by_one`: one of ours was sent.
    """

    grant: GrantFacts | None = None
    is_new: bool = False
    refusal: str = ""
    came_by_one: bool = False

    def touched(self, touch: Touch) -> Touch:
        """What led the reader here, the link included."""
        if not self.came_by_one:
            return touch
        return Touch(touch.referrer_host, GIFT, touch.medium, touch.campaign)


NO_GIFT = GiftSeen()


class Gifts:
    """Gift links of one application."""

    def __init__(self, context: Context, key: LinkKey) -> None:
        self._context = context
        self.key = key
        self._opened: frozenset[str] = frozenset()
        self._opened_since: frozenset[str] = frozenset()
        """Learnt since all of them were read last, or are being read."""
        self._looked_at: datetime | None = None
        """None: nothing was read yet."""
        self._read_all_at: datetime | None = None

    async def refresh(self, session: AsyncSession) -> None:
        """Learn which articles were opened by links, in this process or any other, since the last look."""
        now = self._context.clocks.business()
        if self._looked_at is None:
            return
        found = await articles_opened_since(session, self._looked_at - _OVERLAP)
        self._opened_since |= found  # what was opened here meanwhile is there already
        self._looked_at = now

    def are_old(self) -> bool:
        """Whether many may be remembered whose links have ended."""
        now, read = self._context.clocks.business(), self._read_all_at
        return read is None or now - read >= _ANEW_AFTER

    async def read_all(self, session: AsyncSession) -> None:
        """Learn all of them, and forget those whose links have ended. It may take long where there are many."""
        now = self._context.clocks.business()
        if self._looked_at is None:
            self._looked_at = now  # meanwhile each look finds what is opened since
        self._opened |= self._opened_since
        self._opened_since = frozenset()  # what is opened meanwhile may not be found
        found, after = set[str](), ""
        while True:
            some = await opened_articles(session, now, after=after, most=_AT_ONCE)
            found.update(some)
            if len(some) < _AT_ONCE:
                break
            after = some[-1]
        self._opened = frozenset(found)
        self._read_all_at = now

    def opened(self, article_id: str) -> bool:
        """Whether a device may have opened the article by a link: the database knows which."""
        if self._read_all_at is None:
            return True
        return article_id in self._opened or article_id in self._opened_since

    async def look(
        self,
        session: AsyncSession,
        token: str | None,
        device: str | None,
        article_id: str,
        admission: Admission,
    ) -> GiftSeen:
        """What unlocking would find, without any effect. `device` is the pseudonym; None: a new one."""
        now = self._context.clocks.business()
        link_id = self.key.read(token) if token is not None else None
        held = await self._held(session, device, article_id, now)
        if held is not None or token is None:
            return GiftSeen(held, came_by_one=link_id is not None)
        link = await find_link(session, link_id) if link_id is not None else None
        if link is None or link.article_id != article_id:
            return _refused("unknown")
        refused = await self._refusal(session, link, device, admission, now)
        if refused is not None:
            # Another tab of the same device may have taken the place that is missing here.
            held = await held_by_device(session, device, article_id, now) if device else None
            return GiftSeen(held, came_by_one=True) if held is not None else refused
        return GiftSeen(grant_of(link, now), is_new=True, came_by_one=True)

    async def take(
        self, token: str | None, device: str, article_id: str, admission: Admission
    ) -> GiftSeen:
        """Let the device open the article by the link that was sent, or by one that it opened before."""
        if token is None and not self.opened(article_id):
            return NO_GIFT

        async def look(session: AsyncSession) -> GiftSeen:
            return await self.look(session, token, device, article_id, admission)

        seen = await self._context.database.at_once(look)
        link_id = self.key.read(token) if token is not None else None
        if not seen.is_new or link_id is None:
            return seen
        now = self._context.clocks.business()
        async with self._context.database.transaction() as session:
            admitted = await self._admit(session, device, admission)
            if admitted == "refused":
                return GiftSeen(refusal=NETWORK_CLOSED, came_by_one=True)
            opening = await open_link(session, link_id, device, now)
            if opening is None and admitted == "counted" and admission is not None:
                await rate.give_back(session, *admission)
            link = await find_link(session, link_id)
        if link is None:
            return _refused("unknown")
        if opening is None:
            # Another reader has had the last place, or it has ended, since it was looked at.
            state = state_of(link, now)
            return _refused("used_up" if state == "open" else state, came_by_one=True)
        self._opened_since |= {article_id}
        if self._context.database.is_shared:
            await until_known()
        return GiftSeen(grant_of(link, opening.opened_at), came_by_one=True)

    async def _admit(
        self, session: AsyncSession, device: str, admission: Admission
    ) -> Literal["counted", "uncounted", "refused"]:
        """Count the device as one that begins on its network, unless it has begun."""
        if admission is None or await has_begun(session, device):
            return "uncounted"
        wait = await rate.take(session, *admission, self._context.clocks.wall())
        # Who counts on this network waits for the counter: the device may have begun in another tab meanwhile.
        if await has_begun(session, device):
            if wait is None:
                await rate.give_back(session, *admission)
            return "uncounted"
        return "counted" if wait is None else "refused"

    async def _refusal(
        self,
        session: AsyncSession,
        link: GiftLink,
        device: str | None,
        admission: Admission,
        now: datetime,
    ) -> GiftSeen | None:
        """Why the link opens nothing to a device that doesn't hold it; None: it opens the article."""
        state = state_of(link, now)
        if state != "open":
            return _refused(state, came_by_one=True)
        wall_time = self._context.clocks.wall()
        if await cookieless.refuses(session, admission, device, wall_time):
            return GiftSeen(refusal=NETWORK_CLOSED, came_by_one=True)
        return None

    async def _held(
        self, session: AsyncSession, device: str | None, article_id: str, now: datetime
    ) -> GrantFacts | None:
        if device is None or not self.opened(article_id):
            return None
        return await held_by_device(session, device, article_id, now)


def _refused(state: GiftState, *, came_by_one: bool = False) -> GiftSeen:
    return GiftSeen(refusal=REFUSAL_WORDS[state], came_by_one=came_by_one)


AppGifts = Annotated[Gifts, Depends(part(Gifts))]
