"""The read: gather the facts, decide, count, write the ledger. One transaction.

`look` answers the same question without any effect.
"""

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from service.access import cookieless
from service.access.decision import (
    Allow,
    ArticleFacts,
    Hidden,
    Level,
    Meter,
    ReaderFacts,
    Wall,
    decide,
    meter_wall,
)
from service.access.wall import WallShown, wall_for
from service.clock import Clocks
from service.content.cache import StoredArticle, article_not_found
from service.content.visibility import effective_level, is_visible
from service.grants import grants
from service.grants.store import grants_of
from service.identity.callers import Caller
from service.identity.devices import new_device_id, pseudonym
from service.metering.ledger import Ledger, entry_at, write
from service.metering.store import (
    count_article,
    device_holder,
    known_device_holder,
    read_meter,
    reader_holder,
)
from service.metering.window import MeterState, window_at
from service.settings import Settings

UNLOCKS = Counter("paywall_unlocks_total", "Answers to unlock, by reason", ["reason"])
LONGEST_HOST = 253


@dataclass(frozen=True)
class Opened:
    """The reader may read. `meter` is the state after the read, None where nothing is metered."""

    reason: str
    consumed: bool
    meter: MeterState | None
    holder_id: str
    device_id: str


@dataclass(frozen=True)
class Walled:
    """The reader may not; nothing was counted."""

    wall: WallShown
    meter: MeterState | None
    device_id: str


@dataclass(frozen=True)
class Look:
    """A decision without effect."""

    decision: Allow | Meter | Wall
    wall: WallShown | None
    meter: MeterState | None


async def look(
    session: AsyncSession,
    *,
    article: StoredArticle,
    caller: Caller,
    network: str | None,
    settings: Settings,
    clocks: Clocks,
) -> Look:
    """Decide for the caller now; raises `article-not-found` for what isn't visible.

    `network` is the caller's (cookieless.py); None: nobody is capped.
    """
    decision, reader, meter = await _decided(session, article, caller, settings, clocks)
    if _consumes(decision) and await cookieless.is_closed(
        session, caller, meter, network, settings, clocks
    ):
        decision = meter_wall(reader, "network_exhausted")
    wall = None
    if isinstance(decision, Wall):
        wall = await wall_for(session, decision, caller, settings)
    return Look(decision, wall, meter)


async def unlock(
    session: AsyncSession,
    *,
    article: StoredArticle,
    caller: Caller,
    network: str | None,
    referrer: str | None,
    settings: Settings,
    clocks: Clocks,
) -> Opened | Walled:
    """Read the article: count it where the meter opens it, and record what happened.

    Raises `article-not-found`. A wall is returned, not raised: its ledger row must stay.
    """
    device_id = caller.device_id or new_device_id()
    holder = _holder(caller) or device_holder(device_id)
    decision, reader, meter = await _decided(session, article, caller, settings, clocks)
    consumed, wall = False, None
    if _consumes(decision) and not await cookieless.admit(
        session, caller, meter, network, settings, clocks
    ):
        decision = meter_wall(reader, "network_exhausted")
    if _consumes(decision) and meter is not None:
        consumed = await count_article(
            session,
            holder=holder,
            window=meter.window,
            limit=meter.limit,
            article_id=article.id,
            now=clocks.business(),
        )
        # Another request may have come first: what stands there now decides.
        meter = await read_meter(session, holder, meter.window, meter.limit)
        if article.id not in meter.read_set:
            decision = meter_wall(reader, "meter_exhausted")
    if isinstance(decision, Wall):
        wall = await wall_for(session, decision, caller, settings)
    UNLOCKS.labels(decision.reason).inc()
    await write(
        session,
        entry_at(
            clocks.business(),
            settings.zone,
            holder=holder,
            article_id=article.id,
            reader_id=caller.reader_id,
            device_id=pseudonym(device_id),
            granted=wall is None,
            consumed=consumed,
            reason=decision.reason,
            wall=wall.kind if wall else None,
            window_start=meter.window.start if meter else None,
            referrer_host=referrer_host(referrer, settings),
        ),
    )
    if wall is not None:
        return Walled(wall, meter, device_id)
    holder_id = caller.reader_id or pseudonym(device_id)
    return Opened(decision.reason, consumed, meter, holder_id, device_id)


def note_open_page(
    ledger: Ledger,
    *,
    article: StoredArticle,
    reader_id: str | None,
    device: str | None,
    reason: str,
    settings: Settings,
    clocks: Clocks,
) -> None:
    """Record, once a day, that a page or a token showed the whole article to who may read it.

    `device` is its pseudonym. Whom a grant or a token opens the article to has no meter to look at:
    the reader counts as the holder, whether or not the address is verified.
    """
    if reader_id is not None:
        holder = reader_holder(reader_id)
    elif device is not None:
        holder = known_device_holder(device)
    else:
        return
    ledger.note(
        entry_at(
            clocks.business(),
            settings.zone,
            holder=holder,
            article_id=article.id,
            reader_id=reader_id,
            device_id=device,
            reason=reason,
            once=True,
        )
    )


def referrer_host(referrer: str | None, settings: Settings) -> str | None:
    """The foreign host the reader came from; the rest of the address isn't kept."""
    try:
        parts = urlsplit(referrer or "")
        host = parts.hostname
    except ValueError:
        return None
    if not host or len(host) > LONGEST_HOST or not host.isascii():
        return None
    return None if f"{parts.scheme}://{parts.netloc}" in settings.origins else host


async def _decided(
    session: AsyncSession,
    article: StoredArticle,
    caller: Caller,
    settings: Settings,
    clocks: Clocks,
) -> tuple[Allow | Meter | Wall, ReaderFacts, MeterState | None]:
    meter = await _meter_of(session, article, caller, settings, clocks)
    reader = await _reader_facts(session, article, caller, meter, settings, clocks)
    decision = decide(_facts(article, settings, clocks), reader, meter)
    if isinstance(decision, Hidden):
        raise article_not_found(article.slug)
    return decision, reader, meter


def _consumes(decision: Allow | Meter | Wall) -> bool:
    return isinstance(decision, Meter) and decision.consumes


def level_of(article: StoredArticle, settings: Settings) -> Level:
    """The level that holds; where nothing stands behind the cut there is nothing to close."""
    return (
        "free" if article.cut_is_whole else effective_level(article.level, settings.default_level)
    )


def _facts(article: StoredArticle, settings: Settings, clocks: Clocks) -> ArticleFacts:
    return ArticleFacts(
        id=article.id,
        visible=is_visible(article, clocks.business()),
        level=level_of(article, settings),
    )


async def _reader_facts(
    session: AsyncSession,
    article: StoredArticle,
    caller: Caller,
    meter: MeterState | None,
    settings: Settings,
    clocks: Clocks,
) -> ReaderFacts:
    used = meter.used if meter is not None and settings.meter_carry_count else 0
    facts = ReaderFacts(
        verified=caller.verified,
        can_register=settings.readers_can_sign_in and not caller.verified,
        room_after_registering=settings.registered_meter_limit - used,
    )
    if caller.reader_id is None:
        return facts
    held = await grants_of(session, caller.reader_id)
    wanted = grants.GrantableArticle(
        id=article.id,
        level=level_of(article, settings),
        plans=article.plans,
        section=article.section,
    )
    opening = grants.opening(held, wanted, clocks.business())
    return replace(facts, granted_by=opening.source if opening else None)


async def _meter_of(
    session: AsyncSession,
    article: StoredArticle,
    caller: Caller,
    settings: Settings,
    clocks: Clocks,
) -> MeterState | None:
    if level_of(article, settings) != "metered" or settings.meter_limit is None:
        return None
    window = window_at(clocks.business(), settings.meter_window, settings.zone)
    limit = settings.registered_meter_limit if caller.verified else settings.meter_limit
    return await read_meter(session, _holder(caller), window, limit)


def _holder(caller: Caller) -> str | None:
    """Whose meter it is: the reader's with a verified address, else the device's."""
    if caller.verified and caller.reader_id is not None:
        return reader_holder(caller.reader_id)
    return device_holder(caller.device_id) if caller.device_id is not None else None
