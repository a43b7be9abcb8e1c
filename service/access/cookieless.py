"""The cap on readers without cookies: how many devices a network may begin on one day.

A reader who sends no cookies is a new device with each read, and would never meet the wall. So the
first article that the meter or a gift link opens to a device counts against its network; a reader who has read
before, or has a session, is never asked where they come from. A device that came by its token at a
wall or a free article has read nothing yet and counts as none, else that would be a way around.
"""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import AppClocks, Clocks
from service.grants.gift_links import has_opened_one
from service.identity.callers import Caller
from service.identity.devices import pseudonym
from service.limits.addresses import client_network, is_listed_frontend
from service.limits.rate import Limit, used
from service.metering import store
from service.metering.store import known_device_holder
from service.metering.window import MeterState
from service.rules.in_force import AppInForce
from service.settings import Settings


async def network_of_caller(
    request: Request, in_force: AppInForce, clocks: AppClocks
) -> str | None:
    """As `network_of`."""
    return network_of(request, in_force.settings, clocks)


def network_of(request: Request, settings: Settings, clocks: Clocks) -> str | None:
    """Today's name of the caller's network; None where nothing is capped: listed frontends. `settings` are those in
    force.
    """
    if settings.cookieless_unlocks_per_day == 0 or is_listed_frontend(request, settings):
        return None
    return client_network(request, settings, clocks)


Admission = tuple[Limit, str] | None
"""What a new device counts against, and under which key; None: nothing."""
CallerNetwork = Annotated[str | None, Depends(network_of_caller)]


async def is_closed(
    session: AsyncSession,
    admission: Admission,
    caller: Caller,
    meter: MeterState | None,
    now: datetime,
) -> bool:
    """Whether the anonymous meter is closed to this caller, since their network used up its share. `now` is
    wall time.
    """
    if meter is not None and meter.read_set:
        return False
    # Nothing in this window: perhaps in an earlier one, by another meter, or by a gift link.
    device = pseudonym(caller.device_id) if caller.device_id is not None else None
    return await refuses(session, admission, device, now)


def admission(settings: Settings, caller: Caller, network: str | None) -> Admission:
    """What a device that begins counts against, by the settings in force.

    The meter counts it with the read, in one transaction: both are there, or neither.
    """
    if network is None or caller.reader_id is not None:
        return None
    return _limit(settings.cookieless_unlocks_per_day), network


async def refuses(
    session: AsyncSession, admission: Admission, device: str | None, now: datetime
) -> bool:
    """Whether the device (its pseudonym; None: a new one) may not begin, without counting it. `now` is wall time."""
    if admission is None:
        return False
    limit, network = admission
    # In this order: what filled the counter since the device was looked up may be its own read in another tab.
    is_full = await used(session, limit, network, now) >= limit.most
    return is_full and not await has_begun(session, device)


async def has_begun(session: AsyncSession, device: str | None) -> bool:
    """Whether the meter or a gift link has opened anything to the device (its pseudonym; None: a new one)."""
    return device is not None and (
        await store.has_begun(session, known_device_holder(device))
        or await has_opened_one(session, device)
    )


@lru_cache(maxsize=8)
def _limit(most: int) -> Limit:
    return Limit("cookieless", most, timedelta(days=1), "Too many readers without cookies.")
