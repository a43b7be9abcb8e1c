"""The read: gather the facts, decide; count and write the ledger in one transaction.

`look` answers the same question without any effect.
"""

from datetime import date, datetime, timedelta
from functools import lru_cache, partial
from typing import Annotated, NamedTuple

from fastapi import Depends
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from service.access import cookieless
from service.access.case import Case, consumes, opens
from service.access.decision import (
    Allow,
    ArticleFacts,
    Hidden,
    Meter,
    MeterSeen,
    NoMeter,
    Wall,
    decide,
)
from service.access.evidence import article_facts, evidence_of_rows
from service.access.gifts import NO_GIFT, Gifts
from service.access.metered import (
    Reading,
    is_former,
    metered_reader,
    room_after_registering,
    window_asked,
)
from service.access.notices import NoticeShown
from service.access.occasion import Arrival
from service.access.openings import Openings
from service.access.read import Look, Opened, ReadRequest, Walled
from service.access.reasons import REASONS
from service.access.shown import Hearer, Showing, arrival_of
from service.access.views import Views, is_beside, variant_met
from service.access.wall import Met, WallShown
from service.content.cache import StoredArticle, article_not_found
from service.content.level import level_at
from service.db.context import Context
from service.grants.institution_reads import InstitutionReads
from service.grants.places import InstitutionNetworks
from service.grants.store import live_grants_of
from service.identity.callers import Caller
from service.identity.devices import new_device_id, pseudonym
from service.identity.entry import Entry, entry_of
from service.identity.reader_uses import ReaderUses
from service.identity.touches import Touch
from service.metering.ledger import Noted, entry_at
from service.metering.meter import Metering
from service.metering.store import (
    holder_of,
    is_device,
    known_device_holder,
    meter_of,
    named_meter,
    read_window,
)
from service.metering.window import MeterState, rolling_from
from service.offers.on_sale import OnSale
from service.rules.in_force import InForce, RuleBook
from service.running import part

_DAY = timedelta(days=1)
_MOST_CASES = 3_000
"""Kept, one an article, variant and entry: of some hundred articles, each with one copy."""
UNLOCKS = Counter("paywall_unlocks_total", "Answers to unlock, by reason", ["reason"])


class Unlocking:
    """The read, and the look that has no effect, of one application."""

    def __init__(
        self,
        context: Context,
        metering: Metering,
        on_sale: OnSale,
        rules: RuleBook,
        institution_reads: InstitutionReads,
        networks: InstitutionNetworks,
        gifts: Gifts,
        openings: Openings,
        uses: ReaderUses,
    ) -> None:
        self._context = context
        self._metering = metering
        self._networks, self._gifts, self._openings = networks, gifts, openings
        self._showing = Showing(context, on_sale)
        self._institution_reads, self._uses = institution_reads, uses
        self._views = Views(context, rules)
        self._of_nobody: dict[tuple[str, str | None, Entry], _OfNobody] = {}
        rules.when_changed(self._of_nobody.clear)

    async def look(self, session: AsyncSession, read: ReadRequest, touch: Touch) -> Look:
        """Decide for the caller, whom `touch` led here; raises `article-not-found` for what isn't visible."""
        device_id = read.caller.device_id
        device = pseudonym(device_id) if device_id is not None else None
        view = self._views.of(read.caller, device)
        await self._openings.make_certain()
        read = self._at_its_place(read)
        case, gift = await self._gathered(session, read, view, entry_of(touch)), NO_GIFT
        if not opens(case.outcome):
            admission = cookieless.admission(self._context, read.caller, read.network)
            gift = await self._gifts.look(session, read.gift, device, read.article.id, admission)
            case = case.with_gift(gift)
        if consumes(case.outcome) and await cookieless.is_closed(
            session, self._context, read.caller, case.window, read.network
        ):
            case = case.with_network_closed()
        arrival = arrival_of(read.article, case.evidence, touch, case.now)
        wall = await self._wall(read, case, arrival, view, session)
        if wall is not None or not opens(case.outcome):
            variant = variant_met(case, arrival, view, wall, None)
            return Look(case.outcome, wall, case.window, takes_gift=gift.is_new, variant=variant)
        hearer = await self._hearer(read.caller, case, arrival, view, session)
        variant = variant_met(case, arrival, view, None, hearer)
        notices = await self._notices(
            read.caller, case, arrival, case.window, view, hearer, session
        )
        return Look(case.outcome, None, case.window, notices, gift.is_new, variant)

    async def unlock(self, read: ReadRequest, touch: Touch) -> Opened | Walled:
        """Read the article: count it where the meter opens it, and record what happened.

        `touch` is what led the caller to the article. Raises `article-not-found`. A wall is returned,
        not raised: its ledger row must stay.
        """
        device_id = read.caller.device_id or new_device_id(self._context.clocks.wall())
        device = pseudonym(device_id)
        holder = known_device_holder(device)
        # A device that never comes back, such as a script's, would be a new holder in an experiment each time.
        known = device if read.caller.device_id is not None else None
        entry, view = entry_of(touch), self._views.of(read.caller, known)
        # Of what is looked up here, not of what another reader's question teaches meanwhile.
        certain = read.again is None and self._openings.are_certain()
        sent, read = read, self._at_its_place(read)
        case = await self._expected(read, meter_of(read.caller) or holder, view, entry)
        if not opens(case.outcome) and not certain:
            anew = await self._read_anew(sent)
            # The grants of those who have no `again` were read from the database in this request.
            if sent.again is not None or anew.here != read.here:
                view = self._views.of(anew.caller, known)
                case = await self._expected(anew, meter_of(anew.caller) or holder, view, entry)
            read = anew
        if not REASONS[case.outcome.reason].by_reader:
            count_answer(case.outcome.reason)
            return Opened(case.outcome.reason, False, case.window, device, device_id)
        if not opens(case.outcome):
            admission = cookieless.admission(self._context, read.caller, read.network)
            gift = await self._gifts.take(read.gift, device, read.article.id, admission)
            case, touch = case.with_gift(gift), gift.touched(touch)
        # Before the article is counted: its row is committed with the count.
        arrival = arrival_of(read.article, case.evidence, touch, case.now)
        hearer = await self._hearer(read.caller, case, arrival, view)
        row = entry_at(
            case.now, self._context.settings.zone,
            holder=holder_of(read.caller) or holder, article_id=read.article.id,
            reader_id=read.caller.reader_id, device_id=device, reason=case.outcome.reason,
            consumed=consumes(case.outcome),
            window_start=case.window.window.start if case.window else None,
            referrer_host=touch.referrer_host, campaign=touch.campaign,
            meter_name=case.window.meter if case.window else None,
            variant=variant_met(case, arrival, view, None, hearer),
        )  # fmt: skip
        if row.consumed and case.window is not None:
            meter = named_meter(meter_of(read.caller) or holder, case.window.meter)
            network = cookieless.admission(self._context, read.caller, read.network)
            recorded = await self._metering.count(
                meter, row, touch, case.window.window, case.window.limit, network
            )
            if recorded.counted:
                self.note_use(read, device, row.day)
                count_answer("meter")
                owner = read.caller.reader_id or device
                notices = await self._notices(
                    read.caller, case, arrival, recorded.state, view, hearer
                )
                return Opened("meter", True, recorded.state, owner, device_id, None, notices)
            case = case.after(recorded)
            row = row._replace(
                consumed=False, reason=case.outcome.reason,
                window_start=case.window.window.start if case.window else None,
            )  # fmt: skip
        wall = await self._wall(read, case, arrival, view)
        if wall is not None:
            row = row._replace(
                granted=False, wall=wall.kind, prompt=wall.prompt, audience=wall.audience,
                variant=variant_met(case, arrival, view, wall, None),
            )  # fmt: skip
        noted = Noted(row, touch)
        self._metering.note(noted)
        count_answer(row.reason)
        if wall is not None:
            return Walled(wall, case.window, device_id, noted)
        self.note_use(read, device, row.day)
        if isinstance(case.outcome, Allow):
            self._institution_reads.note(case.outcome.reference, read.caller.domain, case.now)
        # A gift link's grant is the device's, not that of the reader who is signed in on it.
        reader_id = None if case.has_gift else read.caller.reader_id
        owner = reader_id or device
        notices = await self._notices(read.caller, case, arrival, case.window, view, hearer)
        grant, reason = case.gift.grant, case.outcome.reason
        until = grant.ends_at if grant is not None and case.has_gift else None
        return Opened(reason, False, case.window, owner, device_id, noted, notices, until)

    def _at_its_place(self, read: ReadRequest) -> ReadRequest:
        """With what the network that it comes from opens, as far as this process knows."""
        found = self._networks.at(read.address()) if self._networks else ()
        return read._replace(here=(*read.here, *found)) if found else read

    async def _read_anew(self, sent: ReadRequest) -> ReadRequest:
        """The request with nothing in it that is only remembered."""
        await self._openings.make_certain()
        if sent.again is not None:
            anew = await sent.again()
            sent = anew._replace(here=sent.here, address=sent.address, gift=sent.gift)
        return self._at_its_place(sent)

    def note_use(self, read: ReadRequest, device: str | None, day: date) -> None:
        """A read of a reader's, for the report of accounts that many share."""
        if read.caller.reader_id is not None:
            self._uses.note(read.caller.reader_id, day, device=device, network=read.network)

    async def _gathered(
        self, session: AsyncSession, read: ReadRequest, view: InForce, entry: Entry
    ) -> Case:
        """The case as the database has it; Problem `article-not-found` for what is hidden."""
        now = self._context.clocks.business()
        facts = article_facts(read.article, view.rules.levels, now)
        read = await self._with_held(session, read, view, now)
        seen = window_asked(read.article, facts.level, view, now, _reading(read, entry))
        meter = meter_of(read.caller)
        if isinstance(seen, MeterState) and meter is not None:
            seen = await read_window(session, named_meter(meter, seen.meter), seen)
        return _case(read, facts, seen, view, now, entry)

    async def _with_held(
        self, session: AsyncSession, read: ReadRequest, view: InForce, now: datetime
    ) -> ReadRequest:
        """With what is kept of the reader, where it isn't there yet."""
        reader_id = read.caller.reader_id
        if read.held is not None or reader_id is None:
            return read
        held = await live_grants_of(session, reader_id, now)
        former = await is_former(session, view, read.caller, now)
        return read._replace(held=held, former=former)

    async def _expected(self, read: ReadRequest, holder: str, view: InForce, entry: Entry) -> Case:
        """The case as this process remembers it; an unknown window is taken for an empty one.

        That opens nothing by itself: what would be counted is decided where it is counted.
        """
        now = self._context.clocks.business()
        if read.caller.reader_id is None and not read.here and not read.staff:
            case = self._case_of_nobody(read.article, view, now, entry)
            asked = case.meter
            if not isinstance(asked, MeterState):
                return case
            meter = named_meter(holder, asked.meter)
            if asked.limit > 0 and not self._metering.remembers(meter, asked.window):
                return case
        elif read.caller.reader_id is not None and read.held is None:
            async with self._context.database.reading() as session:
                read = await self._with_held(session, read, view, now)
        facts = article_facts(read.article, view.rules.levels, now)
        seen = asked = window_asked(read.article, facts.level, view, now, _reading(read, entry))
        meter = named_meter(holder, asked.meter if isinstance(asked, MeterState) else None)
        if isinstance(asked, MeterState):
            known = self._metering.remembered(meter, asked)
            # At any sign-in what a device has read may be carried into a reader's window.
            if known is not None and (known.has_read(facts.id) or is_device(meter)):
                seen = known
            elif asked.limit < 1:
                # It would be a wall, and nothing is counted.
                seen = await self._window(meter, asked)
        case = _case(read, facts, seen, view, now, entry)
        if isinstance(case.outcome, Allow) and isinstance(asked, MeterState):
            if read.caller.reader_id is None:
                # The network or the staff's session opens it: nobody's window was looked at.
                return case._replace(meter=NoMeter.NOT_ASKED)
            # A grant opens it. The window is shown all the same.
            known = self._metering.remembered(meter, asked)
            case = case._replace(meter=known or await self._window(meter, asked))
        return case

    def _case_of_nobody(
        self, article: StoredArticle, view: InForce, now: datetime, entry: Entry
    ) -> Case:
        """The case of a device that has read nothing: the same for all with this view, so it is made once."""
        key = article.slug, view.variant, entry
        kept = self._of_nobody.get(key)
        if kept is not None and kept.article is article and kept.case.now <= now < kept.until:
            return kept.at(now)
        levels = view.rules.levels
        facts, read = article_facts(article, levels, now), ReadRequest(article, Caller(), None)
        seen = window_asked(article, facts.level, view, now, _reading(read, entry))
        case = _case(read, facts, seen, view, now, entry)
        until = level_at(article, levels, now).until or now + _DAY
        if isinstance(seen, MeterState) and not seen.window.rolls:
            until = min(until, seen.window.end)
        if len(self._of_nobody) >= _MOST_CASES:
            self._of_nobody.clear()
        self._of_nobody[key] = _OfNobody(article, case, until)
        return case

    async def _window(self, meter: str, asked: MeterState) -> MeterState:
        async with self._context.database.reading() as session:
            found = await read_window(session, meter, asked)
        self._metering.remember(meter, found)
        return found

    async def _wall(
        self,
        read: ReadRequest,
        case: Case,
        arrival: Arrival,
        view: InForce,
        session: AsyncSession | None = None,
    ) -> WallShown | None:
        """The wall that the case ends at; None where it opens the article."""
        if not isinstance(case.outcome, Wall):
            return None
        window = case.window and case.window.without_reads(self._context.settings.zone)
        met = Met(
            case.outcome, case.article, window, case.evidence.room_after_registering,
            read.caller.verified, case.gift.refusal,
        )  # fmt: skip
        return await self._showing.wall(read.caller, met, arrival, view, session)

    async def _hearer(
        self,
        caller: Caller,
        case: Case,
        arrival: Arrival,
        view: InForce,
        session: AsyncSession | None = None,
    ) -> Hearer | None:
        """Who reads the article that the case opens, where an experiment has to know it."""
        if isinstance(case.outcome, Wall) or not is_beside(case, arrival, view):
            return None
        return await self._showing.hearer(caller, arrival, view, session)

    async def _notices(
        self,
        caller: Caller,
        case: Case,
        arrival: Arrival,
        window: MeterState | None,
        view: InForce,
        hearer: Hearer | None,
        session: AsyncSession | None = None,
    ) -> tuple[NoticeShown, ...]:
        """What is said beside the article that the case opens; `window` as it is then."""
        if not view.rules.speaks_beside:
            return ()
        metered = window if isinstance(case.outcome, Meter) else None
        return await self._showing.notices(caller, arrival, metered, view, session, hearer)


AppUnlocking = Annotated[Unlocking, Depends(part(Unlocking))]


class _OfNobody(NamedTuple):
    """A case that holds for this copy of the article, from the case's `now` up to, but not at, then."""

    article: StoredArticle
    case: Case
    until: datetime

    def at(self, now: datetime) -> Case:
        """The same now: a rolling window begins with the first article, so with this one."""
        case, asked = self.case._replace(now=now), self.case.window
        if asked is None or not asked.window.rolls:
            return case
        return case._replace(meter=asked._replace(window=rolling_from(now, asked.window.span)))


def _case(
    read: ReadRequest,
    facts: ArticleFacts,
    seen: MeterSeen,
    in_force: InForce,
    now: datetime,
    entry: Entry,
) -> Case:
    held = read.held or ()
    room = partial(room_after_registering, read.article, in_force, entry)
    evidence = evidence_of_rows(
        (*held, *read.here) if read.here else held,
        verified=read.caller.verified,
        sign_in_offered=in_force.settings.readers_can_sign_in,
        room_after_registering=room(seen),
        staff=read.staff,
    )
    outcome = decide(facts, evidence, seen, now)
    if isinstance(outcome, Hidden):
        raise article_not_found(read.article.slug)
    return Case(facts, evidence, seen, now, room, outcome)


def _reading(read: ReadRequest, entry: Entry) -> Reading:
    return Reading(metered_reader(verified=read.caller.verified, former=read.former), entry)


def count_answer(reason: str) -> None:
    """Count an answer to unlock, for the metrics."""
    _answers(reason).inc()


@lru_cache(maxsize=64)
def _answers(reason: str) -> Counter:
    return UNLOCKS.labels(reason)
