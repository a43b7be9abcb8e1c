"""What a reader is shown: the wall, or what is said beside the open article. It asks what they have bought."""

from collections.abc import Mapping, Sequence
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
from service.identity.entry import Entry
from service.offers.on_sale import OnSale
from service.problems import Problem
from service.rules.in_force import InForce
from service.rules.prompts import Audience, Occasion


def arrival_of(article: StoredArticle, evidence: Evidence, entry: Entry, now: datetime) -> Arrival:
    held = partial(_sources, evidence, now)
    return Arrival(article.section, article.language, entry, held)


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


def _asks_for_gifts(device: str | None, arrival: Arrival, in_force: InForce) -> bool:
    """Whether it matters if the device has opened a gift link, and isn't known."""
    return in_force.know_gifts and device is not None and "gift" not in arrival.sources


async def hearer_of(
    session: AsyncSession,
    arrival: Arrival,
    in_force: InForce,
    *,
    reader_id: str | None,
    device: str | None,
    verified: bool,
) -> Hearer:
    """Who a reader in a browser is to what is said: `device` is its pseudonym. None: there is none, or none is known.

    The gift links that the device has opened count, whatever article they were of.
    """
    if (
        device is not None
        and _asks_for_gifts(device, arrival, in_force)
        and await has_opened_one(session, device)
    ):
        found = arrival.sources | {"gift"}
        arrival = replace(arrival, held=lambda: found)
    bought = await bought_subscriptions(session, reader_id) if reader_id is not None else ()
    return Hearer(audience_of_reader(verified, bought, arrival.sources), arrival, bought)


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
        is_counted: bool = False,
    ) -> tuple[Hearer | None, Beside | None]:
        """Who reads an article that is open, and what can be said beside it. Both None while the database is away,
        unless it `is_counted`, which fails then as well, and shall not wait twice.

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
            if is_counted or problem.slug != "database-unavailable":
                raise
            return None, None
        known = any(each.has_started for each in hearer.bought)
        return hearer, Beside.of(hearer.audience, fitting, assortment, known=known)

    async def _looked_up(
        self, caller: Caller, arrival: Arrival, in_force: InForce, session: AsyncSession | None
    ) -> Hearer:
        device = pseudonym(caller.device_id) if caller.device_id is not None else None
        if caller.reader_id is None and not _asks_for_gifts(device, arrival, in_force):
            return Hearer(audience_of_reader(caller.verified, (), arrival.sources), arrival)
        find = partial(
            hearer_of, arrival=arrival, in_force=in_force, reader_id=caller.reader_id,
            device=device, verified=caller.verified,
        )  # fmt: skip
        return await (self._context.database.at_once(find) if session is None else find(session))
