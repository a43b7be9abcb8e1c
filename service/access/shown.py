"""What a reader is shown: the wall, or what is said beside the open article. It asks what they have bought."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.decision import Evidence, HeldGrant
from service.access.notices import NoticeShown, notices_of
from service.access.occasion import Arrival, audience_of_reader
from service.access.wall import Met, WallShown, wall_for
from service.billing.subscriptions import BoughtSubscription, bought_subscriptions
from service.content.cache import StoredArticle
from service.db.context import Context
from service.grants.gift_links import has_opened_one
from service.grants.grants import is_broad
from service.identity.callers import Caller
from service.identity.devices import pseudonym
from service.identity.entry import entry_of
from service.identity.touches import Touch
from service.metering.window import MeterState
from service.offers.on_sale import OnSale
from service.problems import Problem
from service.rules.in_force import InForce
from service.rules.prompts import NOT_ASKED, Audience, Occasion


def arrival_of(article: StoredArticle, evidence: Evidence, touch: Touch, now: datetime) -> Arrival:
    held = partial(_sources, evidence, now)
    return Arrival(article.section, article.language, entry_of(touch), held)


def _sources(evidence: Evidence, now: datetime) -> frozenset[str]:
    return frozenset(
        each.source for each in evidence.grants if each.is_live(now) and _matters(each)
    )


def _matters(grant: HeldGrant) -> bool:
    """Whether it says who the reader is to prompts: a single article that was opened for them doesn't."""
    return grant.source not in {"comp", "external"} or is_broad(grant.scope)


@dataclass(frozen=True)
class Hearer:
    """Who reads an open article, to what is said beside it, and the subscriptions that they ever had."""

    audience: Audience
    bought: Sequence[BoughtSubscription] = ()


class Showing:
    """Walls and notices of one application.

    `session` is the caller's: a request that holds one connection and waits for another may wait for
    ever, with as many more as there are. None: the caller holds none.
    """

    def __init__(self, context: Context, on_sale: OnSale) -> None:
        self._context = context
        self._on_sale = on_sale

    async def wall(
        self,
        caller: Caller,
        met: Met,
        arrival: Arrival,
        in_force: InForce,
        session: AsyncSession | None = None,
    ) -> WallShown:
        arrival = await self._with_gifts(caller, arrival, in_force, session)
        bought = await self._bought(caller, session)
        assortment = await self._on_sale.assortment(session)
        return wall_for(met, arrival, assortment, bought, self._context, in_force)

    async def hearer(
        self,
        caller: Caller,
        arrival: Arrival,
        in_force: InForce,
        session: AsyncSession | None = None,
    ) -> Hearer | None:
        """None while the database is away: then nothing is said beside the article, which may be counted already."""
        try:
            arrival = await self._with_gifts(caller, arrival, in_force, session)
            bought = await self._bought(caller, session)
        except Problem as problem:
            if problem.slug != "database-unavailable":
                raise
            return None
        return Hearer(audience_of_reader(caller.verified, bought, arrival.sources), bought)

    async def notices(
        self,
        caller: Caller,
        arrival: Arrival,
        metered: MeterState | None,
        in_force: InForce,
        session: AsyncSession | None = None,
        hearer: Hearer | None = None,
    ) -> tuple[NoticeShown, ...]:
        """`metered`: the window after the read, where the meter opened the article. `hearer`: the caller, where
        they were looked up before.
        """
        left = metered.remaining if metered is not None else None
        met = Occasion("anonymous", None, arrival.section, arrival.language, arrival.entry, left)
        now = self._context.clocks.business()
        # Most articles have nothing said beside them: then nobody is asked who the reader is.
        if not any(each.fits_some(met, now) for each in in_force.rules.prompts):
            return ()
        hearer = hearer or await self.hearer(caller, arrival, in_force, session)
        if hearer is None:
            return ()
        audience, bought = hearer.audience, hearer.bought
        fitting = in_force.rules.prompts_for(replace(met, audience=audience), now)
        if not fitting:
            return ()
        try:
            assortment = await self._on_sale.assortment(session)
        except Problem as problem:
            if problem.slug != "database-unavailable":
                raise
            return ()
        sells = audience not in NOT_ASKED
        known = any(each.has_started for each in bought)
        return notices_of(fitting, assortment, metered, known=known, sells=sells)

    async def _with_gifts(
        self, caller: Caller, arrival: Arrival, in_force: InForce, session: AsyncSession | None
    ) -> Arrival:
        """With the gift links that the device has opened, whatever article they were of."""
        is_asked = in_force.know_gifts and "gift" not in arrival.sources
        if not is_asked or caller.device_id is None:
            return arrival
        async with self._asking(session) as asked:
            came = await has_opened_one(asked, pseudonym(caller.device_id))
        return replace(arrival, held=lambda: arrival.sources | {"gift"}) if came else arrival

    async def _bought(
        self, caller: Caller, session: AsyncSession | None
    ) -> Sequence[BoughtSubscription]:
        if caller.reader_id is None:
            return ()
        async with self._asking(session) as asked:
            return await bought_subscriptions(asked, caller.reader_id)

    @asynccontextmanager
    async def _asking(self, session: AsyncSession | None) -> AsyncIterator[AsyncSession]:
        if session is not None:
            yield session
            return
        async with self._context.database.reading() as opened:
            yield opened
