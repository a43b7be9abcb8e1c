"""What is sold, held in memory by every serving process, so that walls ask no database."""

import asyncio
from collections.abc import Callable, Hashable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import Clocks
from service.db.tables import Offer
from service.eager import noticed
from service.offers.schemas import OfferItem
from service.offers.store import live_offers
from service.problems import Problem
from service.running import part

FRESH = timedelta(seconds=2)
_LONGEST_SECONDS = 3.0
"""As long as a count waits for a database that has fallen silent."""


@dataclass(frozen=True, eq=False)
class Assortment:
    """What is sold, in the catalogue's order, and each offer as a new subscriber gets it.

    `derived` is what others have made of it and of what it is kept by; it goes with it.
    """

    offers: tuple[Offer, ...]
    items: tuple[OfferItem, ...]
    derived: dict[Hashable, Any] = field(default_factory=dict)


class OnSale:
    """The assortment as the database had it within the last two seconds."""

    def __init__(
        self,
        reading: Callable[[], AbstractAsyncContextManager[AsyncSession]],
        clocks: Clocks,
        longest_seconds: float = _LONGEST_SECONDS,
    ) -> None:
        self._reading, self._longest_seconds = reading, longest_seconds
        self._clocks = clocks
        self._held: Assortment | None = None
        self._seen: datetime | None = None
        self._loading: asyncio.Task[Assortment] | None = None
        self._asked_at = 0.0
        """Monotonic time at which the `_loading` began."""
        self._generation = 0
        """Of what is seen: what was asked for before it was forgotten isn't kept."""

    async def assortment(self, session: AsyncSession | None = None) -> Assortment:
        """The present one, or the last that was seen while the database is away or doesn't answer.

        `session` is one that the caller has: if it holds a connection, it is asked.
        """
        fresh = self.fresh()
        if fresh is not None:
            return fresh
        if session is not None and session.in_transaction():
            # Another connection may be free only once the caller's is.
            generation, now = self._generation, self._clocks.wall()
            return self._seen_now(tuple(await live_offers(session)), generation, now)
        # However many ask, the database is asked once.
        if self._loading is None:
            self._asked_at = self._clocks.monotonic()
            self._loading = asyncio.create_task(self._load())
            self._loading.add_done_callback(noticed)
        loading, held = self._loading, self._held
        if held is not None:
            waits = self._longest_seconds - (self._clocks.monotonic() - self._asked_at)
            answered, _ = await asyncio.wait({loading}, timeout=max(0.0, waits))
            if not answered:
                return held
        return await asyncio.shield(loading)

    def fresh(self) -> Assortment | None:
        """The assortment, if it was read within the last two seconds."""
        if self._seen is None or not timedelta(0) <= self._clocks.wall() - self._seen < FRESH:
            return None
        return self._held

    @property
    def last_seen(self) -> Assortment | None:
        """The assortment as it was read last, however long ago; None: it never was."""
        return self._held

    def forget(self) -> None:
        """Ask again the next time: something may have changed here."""
        self._seen, self._loading = None, None
        self._generation += 1

    async def _load(self) -> Assortment:
        me, generation, now = asyncio.current_task(), self._generation, self._clocks.wall()
        try:
            try:
                async with self._reading() as session:
                    offers = tuple(await live_offers(session))
            except Problem:
                if self._held is None:
                    raise
                self._seen = now  # asked again in two seconds, not by everybody
                return self._held
            return self._seen_now(offers, generation, now)
        finally:
            if self._loading is me:
                self._loading = None

    def _seen_now(self, offers: tuple[Offer, ...], generation: int, now: datetime) -> Assortment:
        items = tuple(map(OfferItem.of, offers))
        held = self._held
        if held is None or held.items != items:
            held = Assortment(offers, items)
        if self._generation == generation:  # else it was forgotten meanwhile: this may be too old
            self._held, self._seen = held, now
        return held


AppOnSale = Annotated[OnSale, Depends(part(OnSale))]
