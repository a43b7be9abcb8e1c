"""What an unlock, or a look, is decided on: the caller's grants and window, from the database or from memory."""

from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.case import Case, opens
from service.access.decision import Allow, ArticleFacts, Hidden, MeterSeen, NoMeter, decide
from service.access.evidence import article_facts, evidence_of_rows
from service.access.metered import (
    Reading,
    is_former,
    metered_reader,
    room_after_registering,
    window_asked,
)
from service.access.openings import Openings
from service.access.read import ReadRequest
from service.access.views import Views
from service.content.cache import StoredArticle, article_not_found
from service.content.level import level_at
from service.db.context import Context
from service.grants.places import InstitutionNetworks
from service.grants.store import live_grants_of
from service.identity.callers import Caller
from service.identity.entry import Entry
from service.metering.meter import Metering
from service.metering.store import (
    is_device,
    known_device_holder,
    meter_of,
    named_meter,
    read_window,
)
from service.metering.window import MeterState, rolling_from
from service.rules.in_force import InForce, RuleBook

_DAY = timedelta(days=1)
_MOST_CASES = 3_000
"""Kept, one an article, variant and entry: of some hundred articles, each with one copy."""


class Gathered(NamedTuple):
    """The case, of which request, and by which rules."""

    read: ReadRequest
    view: InForce
    case: Case


class Gathering:
    """Gathers for one application."""

    def __init__(
        self,
        context: Context,
        metering: Metering,
        rules: RuleBook,
        networks: InstitutionNetworks,
        openings: Openings,
    ) -> None:
        self._context = context
        self._metering = metering
        self._networks, self._openings = networks, openings
        self._views = Views(context, rules)
        self._of_nobody: dict[tuple[str, str | None, Entry], OfNobody] = {}
        rules.when_changed(self._of_nobody.clear)

    async def from_database(
        self, session: AsyncSession, read: ReadRequest, device: str | None, entry: Entry
    ) -> Gathered:
        """As the database has it. Raises `article-not-found` for what is hidden.

        `device` is the pseudonym of the caller's device, None: they have none yet.
        """
        await self._openings.make_certain()
        now, view = self._context.clocks.business(), self._views.of(read.caller, device)
        facts = article_facts(read.article, view.rules.levels, now)
        read = await self._with_held(session, self._at_its_place(read), view, now)
        seen = window_asked(read.article, facts.level, view, now, _reading(read, entry))
        meter = meter_of(read.caller)
        if isinstance(seen, MeterState) and meter is not None:
            seen = await read_window(session, named_meter(meter, seen.meter), seen)
        return Gathered(read, view, _case(read, facts, seen, view, now, entry))

    async def from_memory(self, sent: ReadRequest, device: str, entry: Entry) -> Gathered:
        """As this process remembers it where that opens the article, else by what is certain. Raises as `from_database`.

        `device` is the pseudonym of the device that the answer goes to.
        """
        # A device that never comes back, such as a script's, would be a new holder in an experiment each time.
        known = device if sent.caller.device_id is not None else None
        holder = known_device_holder(device)
        # Of what is looked up here, not of what another reader's question teaches meanwhile.
        certain = sent.again is None and self._openings.are_certain()
        read, view = self._at_its_place(sent), self._views.of(sent.caller, known)
        case = await self._remembered(read, holder, view, entry)
        if certain or opens(case.outcome):
            return Gathered(read, view, case)
        anew = await self._read_anew(sent)
        # The grants of those who have no `again` were read from the database in this request.
        if sent.again is not None or anew.here != read.here:
            view = self._views.of(anew.caller, known)
            case = await self._remembered(anew, holder, view, entry)
        return Gathered(anew, view, case)

    def _at_its_place(self, read: ReadRequest) -> ReadRequest:
        """With what the network that it comes from opens, as far as this process knows."""
        found = self._networks.at(read.address()) if self._networks else ()
        return read._replace(here=(*read.here, *found)) if found else read

    async def _read_anew(self, sent: ReadRequest) -> ReadRequest:
        """The request with nothing in it that is only remembered."""
        await self._openings.make_certain()
        if sent.again is not None:
            anew = await sent.again()
            sent = anew._replace(
                here=sent.here, address=sent.address, gift=sent.gift, seen=sent.seen
            )
        return self._at_its_place(sent)

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

    async def _remembered(
        self, read: ReadRequest, device_holder: str, view: InForce, entry: Entry
    ) -> Case:
        """The case as this process remembers it; an unknown window is taken for an empty one.

        That opens nothing by itself: what would be counted is decided where it is counted.
        """
        now, holder = self._context.clocks.business(), meter_of(read.caller) or device_holder
        if read.caller.reader_id is None and not read.here and not read.staff:
            case = self.of_nobody(read.article, view, now, entry).at(now)
            asked = case.meter
            if not isinstance(asked, MeterState):
                return case
            meter = named_meter(holder, asked.meter)
            if asked.limit > 0 and not self._metering.remembers(meter, asked.window):
                return case
        elif read.caller.reader_id is not None and read.held is None:
            read = await self._context.database.at_once(
                partial(self._with_held, read=read, view=view, now=now)
            )
        return await self._remembered_of_one(read, holder, view, now, entry)

    async def _remembered_of_one(
        self, read: ReadRequest, holder: str, view: InForce, now: datetime, entry: Entry
    ) -> Case:
        """The case of a caller of whom something may be known."""
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

    def of_nobody(
        self, article: StoredArticle, view: InForce, now: datetime, entry: Entry
    ) -> "OfNobody":
        """The case of a device that has read nothing: the same for all with this view, so it is made once.

        Raises `article-not-found`.
        """
        key = article.slug, view.variant, entry
        kept = self._of_nobody.get(key)
        if kept is not None and kept.article is article and kept.case.now <= now < kept.until:
            return kept
        levels = view.rules.levels
        facts, read = article_facts(article, levels, now), ReadRequest(article, Caller(), None)
        seen = window_asked(article, facts.level, view, now, _reading(read, entry))
        case = _case(read, facts, seen, view, now, entry)
        until = level_at(article, levels, now).until or now + _DAY
        if isinstance(seen, MeterState) and not seen.window.rolls:
            until = min(until, seen.window.end)
        if len(self._of_nobody) >= _MOST_CASES:
            self._of_nobody.clear()
        found = self._of_nobody[key] = OfNobody(article, case, until)
        return found

    async def _window(self, meter: str, asked: MeterState) -> MeterState:
        found = await self._context.database.at_once(partial(read_window, meter=meter, asked=asked))
        self._metering.remember(meter, found)
        return found


class OfNobody(NamedTuple):
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
