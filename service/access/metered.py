"""In which window an article would be counted for a reader, and what registering would bring."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.decision import MeterSeen, NoMeter
from service.billing.subscriptions import subscribed_before
from service.identity.callers import Caller
from service.identity.entry import Entry
from service.levels import Level
from service.metering.window import MeterState, window_at
from service.rules.in_force import InForce
from service.rules.meters import MeteredReader


class Metered(Protocol):
    """What of an article its meter depends on."""

    @property
    def section(self) -> str | None: ...
    @property
    def tags(self) -> Collection[str]: ...


class Reading(NamedTuple):
    """Who reads, and what led them here."""

    reader: MeteredReader
    entry: Entry


def metered_reader(*, verified: bool, former: bool) -> MeteredReader:
    """Until an address is verified, its reader is metered as the device."""
    if not verified:
        return "anonymous"
    return "former" if former else "registered"


async def is_former(
    session: AsyncSession, in_force: InForce, caller: Caller, now: datetime
) -> bool:
    """Whether the caller has subscribed before and doesn't now, where a limit depends on it."""
    if not in_force.rules.meters.know_former or caller.reader_id is None or not caller.verified:
        return False
    return await subscribed_before(session, caller.reader_id, now)


def window_asked(
    article: Metered, level: Level, in_force: InForce, now: datetime, reading: Reading
) -> MeterState | NoMeter:
    """The empty window in which the article would be counted, or why there is none."""
    chosen = in_force.rules.meters.chosen(article.section, article.tags, *reading)
    if chosen.limit is None:
        return NoMeter.NOTHING_METERED
    if level != "metered":
        return NoMeter.NOT_ASKED
    window = window_at(now, chosen.span, in_force.settings.zone)
    return MeterState(window, chosen.limit, by=chosen)


def room_after_registering(
    article: Metered, in_force: InForce, entry: Entry, seen: MeterSeen
) -> int:
    """Articles that the registered reader's meter would then still open in this window."""
    meters = in_force.rules.meters
    limit = meters.chosen(article.section, article.tags, "registered", entry).limit or 0
    used = seen.used if isinstance(seen, MeterState) and meters.carries_count else 0
    return limit - used
