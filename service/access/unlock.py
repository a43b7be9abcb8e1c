"""The read: gather the facts, decide, count, write the ledger. One transaction.

`look` answers the same question without any effect.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.decision import (
    Allow,
    ArticleFacts,
    Hidden,
    Level,
    Meter,
    ReaderFacts,
    Wall,
    decide,
)
from service.access.wall import WallShown, wall_for
from service.clock import Clocks
from service.content.cache import StoredArticle, article_not_found
from service.content.visibility import effective_level, is_visible
from service.grants import grants
from service.grants.store import grants_of
from service.identity.callers import Caller
from service.identity.devices import new_device_id, pseudonym
from service.metering.ledger import Entry, Ledger, once_a_day, write
from service.metering.store import count_article, device_holder, read_meter
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
    settings: Settings,
    clocks: Clocks,
) -> Look:
    """Decide for the caller now; raises `article-not-found` for what isn't visible."""
    meter = await _meter_of(session, article, caller.device_id, settings, clocks)
    decision = decide(
        _facts(article, settings, clocks),
        await _reader_facts(session, article, caller, settings, clocks),
        meter,
    )
    if isinstance(decision, Hidden):
        raise article_not_found(article.slug)
    wall = None
    if isinstance(decision, Wall):
        wall = await wall_for(session, decision, caller.reader_id, settings)
    return Look(decision, wall, meter)


async def unlock(
    session: AsyncSession,
    *,
    article: StoredArticle,
    caller: Caller,
    referrer: str | None,
    settings: Settings,
    clocks: Clocks,
) -> Opened | Walled:
    """Read the article: count it where the meter opens it, and record what happened.

    Raises `article-not-found`. A wall is returned, not raised: its ledger row must stay.
    """
    device_id = caller.device_id or new_device_id()
    seen = await look(session, article=article, caller=caller, settings=settings, clocks=clocks)
    decision, meter, wall, consumed = seen.decision, seen.meter, seen.wall, False
    if isinstance(decision, Meter) and decision.consumes and meter is not None:
        consumed = await count_article(
            session,
            holder=device_holder(device_id),
            window=meter.window,
            limit=meter.limit,
            article_id=article.id,
            now=clocks.business(),
        )
        # Another request may have come first: what stands there now decides.
        meter = await read_meter(session, device_holder(device_id), meter.window, meter.limit)
        if article.id not in meter.read_set:
            decision = Wall("meter_exhausted")
            wall = await wall_for(session, decision, caller.reader_id, settings)
    UNLOCKS.labels(decision.reason).inc()
    await write(
        session,
        Entry(
            at=clocks.business(),
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
    clocks: Clocks,
) -> None:
    """Record, once a day, that a page or a token showed the whole article to who may read it.

    `device` is its pseudonym.
    """
    holder = reader_id or device
    if holder is None:
        return
    at = clocks.business()
    ledger.note(
        Entry(
            at=at,
            article_id=article.id,
            reader_id=reader_id,
            device_id=device,
            granted=True,
            consumed=False,
            reason=reason,
            once_key=once_a_day(holder, article.id, at),
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
    settings: Settings,
    clocks: Clocks,
) -> ReaderFacts:
    if caller.reader_id is None:
        return ReaderFacts()
    held = await grants_of(session, caller.reader_id)
    facts = grants.GrantableArticle(
        id=article.id,
        level=level_of(article, settings),
        plans=article.plans,
        section=article.section,
    )
    opening = grants.opening(held, facts, clocks.business())
    return ReaderFacts(opening.source if opening else None)


async def _meter_of(
    session: AsyncSession,
    article: StoredArticle,
    device_id: str | None,
    settings: Settings,
    clocks: Clocks,
) -> MeterState | None:
    if level_of(article, settings) != "metered" or settings.meter_limit is None:
        return None
    window = window_at(clocks.business(), settings.meter_window, settings.zone)
    holder = device_holder(device_id) if device_id else None
    return await read_meter(session, holder, window, settings.meter_limit)
