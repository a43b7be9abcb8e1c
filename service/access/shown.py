"""What a reader is shown: the wall, or what is said beside the open article. It asks what they have bought."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from service.access.decision import Evidence
from service.access.notices import NoticeShown, notices_of
from service.access.occasion import Arrival, audience_of_reader, may_subscribe
from service.access.wall import Met, WallShown, wall_for
from service.billing.subscriptions import BoughtSubscription, bought_subscriptions
from service.content.cache import StoredArticle
from service.db.context import Context
from service.grants.gift_links import has_opened_one
from service.identity.callers import Caller
from service.identity.devices import pseudonym
from service.identity.entry import entry_of
from service.identity.touches import Touch
from service.metering.window import MeterState
from service.offers.on_sale import OnSale
from service.rules.in_force import InForce
from service.rules.prompts import Occasion


def arrival_of(article: StoredArticle, evidence: Evidence, touch: Touch, now: datetime) -> Arrival:
    live = (each.source for each in evidence.grants if each.is_live(now))
    return Arrival(article.section, article.language, entry_of(touch), frozenset(live))


class Showing:
    """Walls and notices of one application."""

    def __init__(self, context: Context, on_sale: OnSale) -> None:
        self._context = context
        self._on_sale = on_sale

    async def wall(
        self, caller: Caller, met: Met, arrival: Arrival, in_force: InForce
    ) -> WallShown:
        arrival = await self._with_gifts(caller, arrival, in_force)
        bought, assortment = await self._bought(caller), await self._on_sale.assortment()
        return wall_for(met, arrival, assortment, bought, self._context, in_force)

    async def notices(
        self, caller: Caller, arrival: Arrival, metered: MeterState | None, in_force: InForce
    ) -> tuple[NoticeShown, ...]:
        """`metered`: the window after the read, where the meter opened the article."""
        rules, arrival = in_force.rules, await self._with_gifts(caller, arrival, in_force)
        bought = await self._bought(caller)
        audience = audience_of_reader(caller.verified, bought, arrival.sources)
        left = metered.remaining if metered is not None else None
        occasion = Occasion(audience, None, arrival.section, arrival.language, arrival.entry, left)
        fitting = rules.prompts_for(occasion, self._context.clocks.business())
        if not fitting:
            return ()
        # A reader by a seat isn't sold what it opens: beside an open article that is nearly all.
        sells = audience != "seat" and may_subscribe(audience, bought)
        assortment = await self._on_sale.assortment()
        return notices_of(fitting, assortment, bought, metered, sells=sells)

    async def _with_gifts(self, caller: Caller, arrival: Arrival, in_force: InForce) -> Arrival:
        """With the gift links that the device has opened, whatever article they were of."""
        is_asked = in_force.know_gifts and "gift" not in arrival.sources
        if not is_asked or caller.device_id is None:
            return arrival
        async with self._context.database.reading() as session:
            came = await has_opened_one(session, pseudonym(caller.device_id))
        return replace(arrival, sources=arrival.sources | {"gift"}) if came else arrival

    async def _bought(self, caller: Caller) -> Sequence[BoughtSubscription]:
        if caller.reader_id is None:
            return ()
        async with self._context.database.reading() as session:
            return await bought_subscriptions(session, caller.reader_id)
