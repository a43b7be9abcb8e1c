"""The read: gather the facts, decide; count and write the ledger in one transaction.

`look` answers the same question without any effect.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from fastapi import Depends
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from service.access import cookieless
from service.access.cookieless import CallerNetwork
from service.access.decision import (
    Allow,
    ArticleFacts,
    Evidence,
    Hidden,
    Meter,
    MeterSeen,
    NoMeter,
    Wall,
    decide,
)
from service.access.evidence import article_facts, evidence_of_rows
from service.access.reasons import Reason
from service.access.wall import WallShown, prompt_of, wall_for
from service.content.cache import StoredArticle, WantedArticle, article_not_found
from service.content.rules import rules_of
from service.db.context import Context
from service.grants.grants import GrantFacts
from service.grants.store import live_grants_of
from service.identity.callers import ArticleReader, Caller
from service.identity.declarations import declares
from service.identity.devices import new_device_id, pseudonym
from service.identity.permissions import Public
from service.identity.touches import Touch
from service.metering.group_commit import Recorded
from service.metering.ledger import Entry, Ledger, entry_at
from service.metering.meter import Metering
from service.metering.store import (
    device_holder,
    holder_of,
    is_device,
    known_device_holder,
    read_meter,
    reader_holder,
)
from service.metering.window import MeterState, window_at
from service.settings import Settings

UNLOCKS = Counter("paywall_unlocks_total", "Answers to unlock, by reason", ["reason"])


@dataclass(frozen=True)
class Opened:
    """The reader may read. `meter` is the state after the read, None where nothing is metered."""

    reason: Reason
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

    outcome: Allow | Meter | Wall
    wall: WallShown | None
    meter: MeterState | None


@dataclass(frozen=True)
class ReadRequest:
    """A caller in front of an article. `network` is the caller's (cookieless.py); None: no cap."""

    article: StoredArticle
    caller: Caller
    network: str | None


@declares(Public())
async def read_request(
    article: WantedArticle, caller: ArticleReader, network: CallerNetwork
) -> ReadRequest:
    return ReadRequest(article, caller, network)


WantedRead = Annotated[ReadRequest, Depends(read_request)]


async def look(session: AsyncSession, context: Context, read: ReadRequest) -> Look:
    """Decide for the caller now; raises `article-not-found` for what isn't visible."""
    case = await _gather(session, context, read)
    if _consumes(case.outcome) and await cookieless.is_closed(
        session, context, read.caller, case.window, read.network
    ):
        case = case.with_network_closed()
    wall = await _wall_of(context, read, case)
    return Look(case.outcome, wall, case.window)


async def unlock(
    context: Context, metering: Metering, read: ReadRequest, touch: Touch
) -> Opened | Walled:
    """Read the article: count it where the meter opens it, and record what happened.

    `touch` is what led the caller to the article. Raises `article-not-found`. A wall is returned,
    not raised: its ledger row must stay.
    """
    caller, settings = read.caller, context.settings
    device_id = caller.device_id or new_device_id()
    holder = holder_of(caller) or device_holder(device_id)
    case = await _expected(context, metering, read, holder)

    def entry(*, consumed: bool = False, wall: WallShown | None = None) -> Entry:
        return entry_at(
            case.now, settings.zone, holder=holder, article_id=read.article.id,
            reader_id=caller.reader_id, device_id=pseudonym(device_id), reason=case.outcome.reason,
            granted=wall is None, consumed=consumed, wall=wall.kind if wall else None,
            prompt=prompt_of(wall) if wall else None,
            window_start=case.window.window.start if case.window else None,
            referrer_host=touch.referrer_host, campaign=touch.campaign,
        )  # fmt: skip

    consumed, wall = False, None
    if _consumes(case.outcome) and case.window is not None:
        network = cookieless.admission(context, caller, read.network)
        recorded = await metering.count(
            entry(consumed=True), touch, case.window.window, case.window.limit, network
        )
        consumed, case = recorded.counted, case.after(recorded)
    if not consumed:
        wall = await _wall_of(context, read, case)
        metering.note(entry(wall=wall), touch)
    reason = case.outcome.reason
    UNLOCKS.labels(reason).inc()
    if wall is not None:
        return Walled(wall, case.window, device_id)
    return Opened(
        reason, consumed, case.window, caller.reader_id or pseudonym(device_id), device_id
    )


def note_open_page(
    ledger: Ledger,
    context: Context,
    article: StoredArticle,
    *,
    reader_id: str | None,
    device: str | None,
    reason: str,
) -> None:
    """Record, once a day, that a page or a token showed the whole article to who may read it.

    `device` is its pseudonym. No meter is looked at where a grant or a token opens the article: the
    reader counts as the holder, whether or not the address is verified.
    """
    if reader_id is not None:
        holder = reader_holder(reader_id)
    elif device is not None:
        holder = known_device_holder(device)
    else:
        return
    ledger.note(
        entry_at(
            context.clocks.business(), context.settings.zone, holder=holder,
            article_id=article.id, reader_id=reader_id, device_id=device, reason=reason, once=True,
        )
    )  # fmt: skip


@dataclass(frozen=True)
class _Case:
    """What is decided on, with the outcome: decided again where more is seen on the way."""

    article: ArticleFacts
    evidence: Evidence
    meter: MeterSeen
    now: datetime
    settings: Settings
    outcome: Allow | Meter | Wall

    @property
    def window(self) -> MeterState | None:
        return self.meter if isinstance(self.meter, MeterState) else None

    def with_network_closed(self) -> "_Case":
        evidence = replace(self.evidence, network_closed=True)
        return replace(self, evidence=evidence, outcome=self._decided(evidence, self.meter))

    def after(self, recorded: Recorded) -> "_Case":
        """With the window as it is after the article was to be counted in it."""
        window = recorded.state
        if recorded.closed:
            return self.with_network_closed()
        # An article that wasn't counted met a full window, whatever has become of that since.
        room = window if self.article.id in window.read_set else replace(window, limit=window.used)
        left = _room_after_registering(window, self.settings)
        evidence = replace(self.evidence, room_after_registering=left)
        outcome = self._decided(evidence, room)
        return replace(self, evidence=evidence, meter=window, outcome=outcome)

    def _decided(self, evidence: Evidence, meter: MeterSeen) -> Allow | Meter | Wall:
        outcome = decide(self.article, evidence, meter, self.now)
        return self.outcome if isinstance(outcome, Hidden) else outcome


async def _gather(session: AsyncSession, context: Context, read: ReadRequest) -> _Case:
    """The case as the database has it; Problem `article-not-found` for what is hidden."""
    now, settings = context.clocks.business(), context.settings
    facts = article_facts(read.article, rules_of(settings), now)
    seen = _window_asked(facts, read.caller, settings, now)
    if isinstance(seen, MeterState):
        seen = await read_meter(session, holder_of(read.caller), seen.window, seen.limit)
    held = await _grants_of(session, read.caller, now)
    return _case(read, facts, held, seen, settings, now)


async def _expected(context: Context, metering: Metering, read: ReadRequest, holder: str) -> _Case:
    """The case as this process remembers it; an unknown window is taken for an empty one.

    That opens nothing by itself: what would be counted is decided where it is counted.
    """
    now, settings = context.clocks.business(), context.settings
    facts = article_facts(read.article, rules_of(settings), now)
    seen = _window_asked(facts, read.caller, settings, now)
    if isinstance(seen, MeterState):
        known = metering.remembered(holder, seen.window, seen.limit)
        # At any sign-in what a device has read may be carried into a reader's window.
        if known is not None and (facts.id in known.read_set or is_device(holder)):
            seen = known
    held: list[GrantFacts] = []
    if read.caller.reader_id is not None:
        async with context.database.reading() as session:
            held = await _grants_of(session, read.caller, now)
    return _case(read, facts, held, seen, settings, now)


def _case(
    read: ReadRequest,
    facts: ArticleFacts,
    held: list[GrantFacts],
    seen: MeterSeen,
    settings: Settings,
    now: datetime,
) -> _Case:
    evidence = evidence_of_rows(
        held,
        verified=read.caller.verified,
        sign_in_offered=settings.readers_can_sign_in,
        room_after_registering=_room_after_registering(seen, settings),
    )
    outcome = decide(facts, evidence, seen, now)
    if isinstance(outcome, Hidden):
        raise article_not_found(read.article.slug)
    return _Case(facts, evidence, seen, now, settings, outcome)


async def _grants_of(session: AsyncSession, caller: Caller, now: datetime) -> list[GrantFacts]:
    return [] if caller.reader_id is None else await live_grants_of(session, caller.reader_id, now)


async def _wall_of(context: Context, read: ReadRequest, case: _Case) -> WallShown | None:
    """The wall that the case ends at; None where it opens the article."""
    if not isinstance(case.outcome, Wall):
        return None
    async with context.database.reading() as session:
        return await wall_for(
            session, case.outcome, case.article, case.window, case.evidence.room_after_registering,
            read.caller, context,
        )  # fmt: skip


def _consumes(outcome: Allow | Meter | Wall) -> bool:
    return isinstance(outcome, Meter) and outcome.consumes


def _room_after_registering(seen: MeterSeen, settings: Settings) -> int:
    used = seen.used if isinstance(seen, MeterState) and settings.meter_carry_count else 0
    return settings.registered_meter_limit - used


def _window_asked(
    article: ArticleFacts, caller: Caller, settings: Settings, now: datetime
) -> MeterSeen:
    """The empty window in which the article would be counted, or why there is none."""
    if settings.meter_limit is None:
        return NoMeter.NOTHING_METERED
    if article.level != "metered":
        return NoMeter.NOT_ASKED
    window = window_at(now, settings.meter_window, settings.zone)
    limit = settings.registered_meter_limit if caller.verified else settings.meter_limit
    return MeterState(window, limit)
