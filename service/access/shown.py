"""What a reader is shown: the wall, or what is said beside the open article. It asks what they have bought."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.decision import Evidence, HeldGrant
from service.access.notices import Beside
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
from service.offers.on_sale import OnSale
from service.problems import Problem
from service.rules.in_force import InForce
from service.rules.prompts import Audience, Occasion


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
    """Who reads an article, to what is said there: with the gifts that they came by, and the subscriptions that they
    ever had.
    """

    audience: Audience
    arrival: Arrival = field(default_factory=Arrival)
    bought: Sequence[BoughtSubscription] = ()


class Showing:
    """Walls, countdowns and notices of one application.

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
        hearer: Hearer | None = None,
    ) -> WallShown:
        """`hearer`: the caller, where they were looked up before."""
        hearer = hearer or await self._looked_up(caller, arrival, in_force, session)
        assortment = await self._on_sale.assortment(session)
        return wall_for(met, hearer.arrival, assortment, hearer.bought, self._context, in_force)

    async def beside(
        self,
        caller: Caller,
        arrival: Arrival,
        seen: Mapping[str, int] | None,
        in_force: InForce,
        session: AsyncSession | None = None,
        *,
        metered: bool,
        is_tried: bool = False,
    ) -> tuple[Hearer | None, Beside | None]:
        """Who reads an article that is open, and what can be said beside it. Both None while the database is away.

        `seen` as in ReadRequest; `metered`: the meter opens it. The reader is looked up only where something may be
        said, or `is_tried` by an experiment.
        """
        # However few articles are left: that is known only once this one is counted.
        left = 0 if metered else None
        met = Occasion("anonymous", None, arrival.section, arrival.language, arrival.entry, left)
        now, prompts = self._context.clocks.business(), in_force.rules.prompts
        said = (
            [each for each in prompts if each.fits_some(met, now) and each.is_due(seen)]
            if seen is not None
            else []
        )
        if not said and not is_tried:
            return None, None
        try:
            hearer = await self._looked_up(caller, arrival, in_force, session)
            fitting = [each for each in said if hearer.audience in each.readers]
            if not fitting:
                return hearer, None
            assortment = await self._on_sale.assortment(session)
        except Problem as problem:
            if problem.slug != "database-unavailable":
                raise
            return None, None
        known = any(each.has_started for each in hearer.bought)
        return hearer, Beside.of(hearer.audience, fitting, assortment, known=known)

    async def _looked_up(
        self, caller: Caller, arrival: Arrival, in_force: InForce, session: AsyncSession | None
    ) -> Hearer:
        arrival = await self._with_gifts(caller, arrival, in_force, session)
        bought = await self._bought(caller, session)
        audience = audience_of_reader(caller.verified, bought, arrival.sources)
        return Hearer(audience, arrival, bought)

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
