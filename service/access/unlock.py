"""The read: gather the facts, decide; count and write the ledger in one transaction.

`look` answers the same question without any effect.
"""

from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, NamedTuple, cast

from fastapi import Depends
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from service.access import cookieless
from service.access.case import Case, consumes, opens
from service.access.decision import Allow, Meter, Wall
from service.access.gathering import Gathering
from service.access.gifts import NO_GIFT, Gifts
from service.access.notices import Beside, NoticeShown
from service.access.occasion import Arrival
from service.access.read import Look, Opened, ReadRequest, Walled
from service.access.reasons import REASONS
from service.access.shown import Hearer, Showing, arrival_of
from service.access.views import is_beside, variant_met
from service.access.wall import Met, WallShown, wall_for
from service.content.cache import StoredArticle
from service.db.context import Context
from service.grants.institution_reads import InstitutionReads
from service.identity.callers import Caller
from service.identity.devices import new_device_id, pseudonym
from service.identity.entry import entry_of
from service.identity.reader_uses import ReaderUses
from service.identity.touches import Touch
from service.metering.attempt import Recorded
from service.metering.ledger import Entry, Noted, entry_at
from service.metering.meter import Metering
from service.metering.store import holder_of, known_device_holder, meter_of, named_meter
from service.metering.window import MeterState
from service.offers.on_sale import Assortment, OnSale
from service.rules.in_force import InForce
from service.running import part

UNLOCKS = Counter("paywall_unlocks_total", "Answers to unlock, by reason", ["reason"])


class Asked(NamedTuple):
    """An unlock, or a look, with all that was gathered for it; `device_id` is the caller's device, perhaps a new one."""

    read: ReadRequest
    touch: Touch
    device_id: str
    device: str
    """Its pseudonym."""
    view: InForce
    case: Case
    arrival: Arrival
    hearer: Hearer | None
    beside: Beside | None


class Unlocking:
    """The read, and the look that has no effect, of one application."""

    def __init__(
        self,
        context: Context,
        gathering: Gathering,
        metering: Metering,
        on_sale: OnSale,
        gifts: Gifts,
        institution_reads: InstitutionReads,
        uses: ReaderUses,
    ) -> None:
        self._context = context
        self._gathering, self._metering, self._gifts = gathering, metering, gifts
        self._showing = Showing(context, on_sale)
        self._institution_reads, self._uses = institution_reads, uses

    async def look(self, session: AsyncSession, read: ReadRequest, touch: Touch) -> Look:
        """Decide for the caller, whom `touch` led here; raises `article-not-found` for what isn't visible."""
        device_id = read.caller.device_id
        device = pseudonym(device_id) if device_id is not None else None
        read, view, case = await self._gathering.from_database(
            session, read, device, entry_of(touch)
        )
        admission = cookieless.admission(view.settings, read.caller, read.network)
        gift = NO_GIFT
        if not opens(case.outcome):
            gift = await self._gifts.look(session, read.gift, device, read.article.id, admission)
            case = case.with_gift(gift)
        if consumes(case.outcome) and await cookieless.is_closed(
            session, admission, read.caller, case.window, self._context.clocks.wall()
        ):
            case = case.with_network_closed()
        arrival = arrival_of(read.article, case.evidence, entry_of(touch), case.now)
        wall = await self._wall(read, case, arrival, view, session)
        hearer, beside = None, None
        if opens(case.outcome):
            hearer, beside = await self._beside(read, case, arrival, view, session)
        return Look(
            case.outcome, wall, case.window, _shown(beside, case, case.window),
            takes_gift=gift.is_new, variant=variant_met(case, arrival, view, wall, hearer),
            audience=hearer.audience if hearer is not None else None,
        )  # fmt: skip

    async def unlock(self, read: ReadRequest, touch: Touch) -> Opened | Walled:
        """Read the article: count it where the meter opens it, and record what happened.

        `touch` is what led the caller to the article. Raises `article-not-found`. A wall is returned,
        not raised: its ledger row must stay.
        """
        device_id, tried = read.caller.device_id, read.closed_out
        if device_id is None:
            device_id = tried.device_id if tried else new_device_id(self._context.clocks.wall())
        device = pseudonym(device_id)
        read, view, case = await self._gathering.from_memory(read, device, entry_of(touch))
        if not REASONS[case.outcome.reason].by_reader:
            count_answer(case.outcome.reason)
            return Opened(case.outcome.reason, False, case.window, device, device_id)
        if not opens(case.outcome):
            admission = cookieless.admission(view.settings, read.caller, read.network)
            gift = await self._gifts.take(read.gift, device, read.article.id, admission)
            case, touch = case.with_gift(gift), gift.touched(touch)
        arrival = arrival_of(read.article, case.evidence, entry_of(touch), case.now)
        # Before the article is counted: its row, which says so, is committed with the count.
        hearer, beside = await self._beside(read, case, arrival, view)
        asked = Asked(read, touch, device_id, device, view, case, arrival, hearer, beside)
        window = case.window
        if window is not None and consumes(case.outcome):
            row = self.row(asked)
            recorded = tried.recorded if tried else await self._count(asked, row, window)
            if recorded.counted:
                self.note_use(read, device, row.day)
                return self._counted(asked, recorded.state)
            asked = asked._replace(case=case.after(recorded))
        return await self._uncounted(asked)

    def of_nobody(
        self, article: StoredArticle, touch: Touch, view: InForce, now: datetime
    ) -> tuple[Asked, datetime]:
        """What is gathered for any device that has read nothing, without its name, and until when that holds.

        It holds where nothing may be said beside the article. Raises `article-not-found`.
        """
        entry, read = entry_of(touch), ReadRequest(article, Caller(), None)
        nobodys = self._gathering.of_nobody(article, view, now, entry)
        arrival = arrival_of(article, nobodys.case.evidence, entry, now)
        asked = Asked(read, touch, "", "", view, nobodys.at(now), arrival, None, None)
        return asked, nobodys.until

    async def _count(self, asked: Asked, row: Entry, window: MeterState) -> Recorded:
        read = asked.read
        holder = meter_of(read.caller) or known_device_holder(asked.device)
        meter = named_meter(holder, window.meter)
        network = cookieless.admission(asked.view.settings, read.caller, read.network)
        return await self._metering.count(
            meter, row, asked.touch, window.window, window.limit, network,
            asked.beside.said if asked.beside is not None else (),
        )  # fmt: skip

    def _counted(self, asked: Asked, state: MeterState) -> Opened:
        count_answer("meter")
        notice = _shown(asked.beside, asked.case, state)
        owner = asked.read.caller.reader_id or asked.device
        return Opened.counted(state, owner, asked.device_id, notice)

    async def _uncounted(self, asked: Asked) -> Opened | Walled:
        """What is opened without a count, or walled, and recorded in the background."""
        read, case, arrival = asked.read, asked.case, asked.arrival
        wall = await self._wall(read, case, arrival, asked.view, hearer=asked.hearer)
        notice = _shown(asked.beside, case, case.window) if wall is None else None
        noted = Noted(self.row(asked, wall, notice), asked.touch)
        self._metering.note(noted)
        count_answer(case.outcome.reason)
        if wall is not None:
            return Walled(wall, case.window, asked.device_id, noted)
        self.note_use(read, asked.device, noted.entry.day)
        if isinstance(case.outcome, Allow):
            self._institution_reads.note(case.outcome.reference, read.caller.domain, case.now)
        # A gift link's grant is the device's, not that of the reader who is signed in on it.
        owner = (None if case.has_gift else read.caller.reader_id) or asked.device
        grant, reason = case.gift.grant, case.outcome.reason
        until = grant.ends_at if grant is not None and case.has_gift else None
        return Opened(reason, False, case.window, owner, asked.device_id, noted, notice, until)

    def row(
        self, asked: Asked, wall: WallShown | None = None, notice: NoticeShown | None = None
    ) -> Entry:
        """What the ledger says of it; `wall` is what was shown instead of the article, `notice` beside it."""
        read, case, touch, window = asked.read, asked.case, asked.touch, asked.case.window
        shown, heard = wall or notice, wall or asked.hearer
        return entry_at(
            case.now, self._context.settings.zone,
            holder=holder_of(read.caller) or known_device_holder(asked.device),
            article_id=read.article.id, reader_id=read.caller.reader_id, device_id=asked.device,
            granted=wall is None, consumed=consumes(case.outcome), reason=case.outcome.reason,
            window_start=window.window.start if window is not None else None,
            referrer_host=touch.referrer_host, campaign=touch.campaign,
            wall=wall.kind if wall is not None else None,
            prompt=shown.prompt if shown is not None else None,
            audience=heard.audience if heard is not None else None,
            variant=variant_met(case, asked.arrival, asked.view, wall, asked.hearer),
            meter_name=window.meter if window is not None else None,
        )  # fmt: skip

    def note_use(self, read: ReadRequest, device: str | None, day: date) -> None:
        """A read of a reader's, for the report of accounts that many share."""
        if read.caller.reader_id is not None:
            self._uses.note(read.caller.reader_id, day, device=device, network=read.network)

    async def _wall(
        self,
        read: ReadRequest,
        case: Case,
        arrival: Arrival,
        view: InForce,
        session: AsyncSession | None = None,
        hearer: Hearer | None = None,
    ) -> WallShown | None:
        """The wall that the case ends at; None where it opens the article."""
        if not isinstance(case.outcome, Wall):
            return None
        met = self._met(read, case, case.outcome)
        return await self._showing.wall(read.caller, met, arrival, view, session, hearer)

    def _met(self, read: ReadRequest, case: Case, outcome: Wall) -> Met:
        window = case.window and case.window.without_reads(self._context.settings.zone)
        return Met(
            outcome, case.article, window, case.evidence.room_after_registering,
            read.caller.verified, case.gift.refusal,
        )  # fmt: skip

    def wall_of_nobody(self, asked: Asked, sold: Assortment) -> WallShown:
        """The wall that the case of `of_nobody` ends at, where no rule asks for gifts."""
        met = self._met(asked.read, asked.case, cast("Wall", asked.case.outcome))
        return wall_for(met, asked.arrival, sold, (), self._context, asked.view)

    async def _beside(
        self,
        read: ReadRequest,
        case: Case,
        arrival: Arrival,
        view: InForce,
        session: AsyncSession | None = None,
    ) -> tuple[Hearer | None, Beside | None]:
        """Who reads the article that the case opens, where that matters, and what can be said beside it."""
        if isinstance(case.outcome, Wall):
            return None, None
        is_tried = is_beside(case, arrival, view)
        if not is_tried and not view.rules.speaks_beside:
            return None, None
        return await self._showing.beside(
            read.caller, arrival, read.seen, view, session,
            metered=isinstance(case.outcome, Meter), is_tried=is_tried,
            is_counted=session is None and consumes(case.outcome),
        )  # fmt: skip


def _shown(beside: Beside | None, case: Case, window: MeterState | None) -> NoticeShown | None:
    """What is said beside the article that the case opens; `window` as it is then."""
    if beside is None:
        return None
    return beside.shown(window if isinstance(case.outcome, Meter) else None)


AppUnlocking = Annotated[Unlocking, Depends(part(Unlocking))]


def count_answer(reason: str) -> None:
    """Count an answer to unlock, for the metrics."""
    _answers(reason).inc()


@lru_cache(maxsize=64)
def _answers(reason: str) -> Counter:
    return UNLOCKS.labels(reason)
