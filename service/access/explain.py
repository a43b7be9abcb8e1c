"""Why a reader, or a browser of nobody known, may or may not read an article, now or at a past instant.

The facts are those that unlock gathers, for a past instant from what was kept: revisions of articles, former
grants, the ledger. `decide` then says what it says for unlock, so the two can't differ. What isn't known is
said in sentences. Staff who may not see readers get what the decision rests on, and nothing else of the reader.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.decision import Evidence, Meter, NoMeter, Outcome, Step, Wall, decide
from service.access.elsewhere import by_gift, by_network, to_prompts
from service.access.evidence import article_facts, evidence_of_rows
from service.access.foreseen import Foreseen, Opened, foreseen
from service.access.metered import (
    Reading,
    metered_reader,
    room_after_registering,
    window_asked,
)
from service.access.views import experiment_key
from service.billing.subscriptions import subscribed_before
from service.content.addresses import present_slug
from service.content.article import StoredArticle
from service.content.level import LevelAt, level_at
from service.content.past import PastArticle, article_at
from service.content.rendering import Rendering
from service.content.store import get_article
from service.db.context import Context
from service.db.tables import AccessEntry, Reader
from service.grants.gift_links import held_by_device_at
from service.grants.grants import GrantFacts
from service.grants.history import grants_at
from service.grants.store import live_grants_of
from service.identity.email import mailbox_of
from service.identity.entry import Entry
from service.identity.readers import has_a_reader, reader_named
from service.metering.past import (
    latest_device,
    recorded_until,
    took_part,
    was_recorded,
    window_before,
)
from service.metering.store import (
    known_device_holder,
    named_meter,
    read_window,
    reader_holder,
    readers_meter,
)
from service.metering.window import MeterState
from service.problems import Problem
from service.rules.in_force import InForce, in_force_at
from service.rules.meters import MeteredReader

_DEVICE = re.compile(r"(?:device:)?(dev_[0-9a-f]{24})")
SETTINGS_OF_TODAY = "The time zone, and whether readers can sign in, are taken from today's settings: earlier ones aren't kept."
NO_RULES_YET = "Nobody had saved rules by then: levels and limits are taken from today's settings."
METER_OF_TODAY = "The rules of then left the meter to the settings: its limits are today's."
AHEAD = "The instant lies ahead: it is explained by what is known now."
NOT_THERE_YET = "The article wasn't in the system yet."
CUT_AGAIN = "The article was another revision then. Where its preview ended is worked out by the rules of then."
UNREADABLE = "The article's revision of then can't be read any more: today's stands for it."
UNDATED = (
    "They came along at a sign-in, were read with another address of the mailbox, or the ledger of that time is "
    "deleted. They are taken as read before."
)
BROWSERS_METER = (
    "The address isn't confirmed, so the browser's meter counts. It is shown for the browser that the reader "
    "last read with; another browser has a meter of its own."
)
CONSENT_UNKNOWN = (
    "An experiment ran then. Whether the reader had agreed to take part isn't kept, and no read or wall of theirs is "
    "recorded in it: it is explained as for those who take no part."
)
UNKNOWN_BROWSER = "Nothing is recorded of this browser until then: it is explained as a new one. Look its id up in the ledger."
READERS_BROWSER = "A reader has signed in with this browser. It is explained as signed out: for what is theirs ask with their id."
_NO_GRANT = Step("grant", "no grant opens it")
NO_BROWSER = (
    "The address isn't confirmed, so the browser's meter counts, and no browser of theirs is known."
)


@dataclass(frozen=True)
class Explanation:
    """`reader_id` is None where a `device` was asked about (its pseudonym). `level` is None where the article wasn't
    there. `recorded` is the ledger's last row of reader or device and article until then. `unknown` are sentences on
    what isn't known of that instant.
    """

    reader_id: str | None
    device: str | None
    article: StoredArticle
    at: datetime
    outcome: Outcome
    level: LevelAt | None
    meter: MeterState | None
    recorded: AccessEntry | None
    unknown: tuple[str, ...]
    said: Foreseen | None = None
    """None too of a past instant: who had bought what isn't kept. `recorded` has what was said then."""

    def for_newsroom(self) -> Self:
        """Without whom an address belongs to, what they have read, and what they hold or bought that decided nothing."""
        trail = tuple(
            _NO_GRANT if step.rule == "grant" and not step.decided else step
            for step in self.outcome.trail
        )
        counts = any(step.rule == "meter" for step in trail)
        return replace(
            self, reader_id=None, recorded=None, said=None, outcome=replace(self.outcome, trail=trail),
            meter=self.meter if counts else None,
        )  # fmt: skip


@dataclass(frozen=True)
class _Who:
    """A reader, or a browser by its pseudonym."""

    reader: Reader | None
    device: str | None = None

    @property
    def rows(self) -> ColumnElement[bool]:
        """Theirs in the ledger. What somebody read in the browser who was signed in isn't the browser's."""
        if self.reader is not None:
            return AccessEntry.reader_id == self.reader.id
        whose = AccessEntry.holder == known_device_holder(self.device or "")
        return whose & (AccessEntry.device_id == self.device)

    @property
    def unit(self) -> str:
        """What variants of experiments are drawn by."""
        if self.reader is not None:
            return self.reader.experiment_unit or self.reader.id
        return self.device or ""

    @property
    def verified_at(self) -> datetime | None:
        return self.reader.email_verified_at if self.reader is not None else None


async def _named(session: AsyncSession, named: str) -> _Who:
    found = _DEVICE.fullmatch(named)
    if found is not None:
        return _Who(None, found[1])
    return _Who(await reader_named(session, named))


@dataclass(frozen=True)
class _Seen:
    """A part of the facts, with what isn't known about it."""

    grants: Sequence[GrantFacts] = ()
    meter: MeterState | NoMeter = NoMeter.NOT_ASKED
    unknown: tuple[str, ...] = ()


async def explain(
    context: Context,
    rendering: Rendering,
    *,
    reader: str,
    article: str,
    at: datetime | None,
    sees_readers: bool,
    entry: Entry = "direct",
) -> Explanation:
    """The decision for a reader (an id or a confirmed address) and an article's slug, with its trail. `reader` may be a
    browser, by the id or the holder that the ledger has of it.

    `at` is business time; None: now. `entry` is by what they came. `sees_readers`: whether the answer may say who the
    reader is, and what they read and bought. Raises the problems `invalid-email`, `not-found` and `article-not-found`.
    """
    now = context.clocks.business()
    async with context.database.slow_reading("reports") as session:
        who = await _named(session, reader)
        today = await _article(session, article)
        in_force = await in_force_at(session, context.settings, at or now)
        view, unsure = await _view(session, context, in_force, who, at or now)
        asked = _Asked(context, view, session, who, at or now, now, entry, sees_readers)
        past = PastArticle(today)
        if asked.at < now:
            past = await article_at(session, rendering, today, asked.at, in_force)
        explained = await asked.explained(today, past)
        elsewhere = await _elsewhere(session, context, view, explained)
        whole = replace(explained, unknown=(*explained.unknown, *unsure, *elsewhere))
        return whole if sees_readers else whole.for_newsroom()


async def _elsewhere(
    session: AsyncSession, context: Context, view: InForce, explained: Explanation
) -> tuple[str, ...]:
    """What the decision and the prompt leave out, since it isn't the reader's own."""
    article, at = explained.article, explained.at
    heard: tuple[str, ...] = ()
    if explained.said is not None and _names_institutions(view, article):
        heard = await to_prompts(session, at)
    if not isinstance(explained.outcome, Meter | Wall):
        return heard
    facts = article_facts(article, view.rules.levels, at)
    gift: tuple[str, ...] = ()
    if explained.reader_id is not None:
        gift = await by_gift(session, explained.reader_id, article.id, at, context.settings.zone)
    return (*gift, *await by_network(session, facts, at), *heard)


def _names_institutions(view: InForce, article: StoredArticle) -> bool:
    """Whether a prompt about the article is for readers of institutions, and not for everybody."""
    return any(
        "institution" in each.audiences
        and not each.is_draft
        and each.is_about(article.section, article.language)
        for each in view.rules.prompts
    )


async def _view(
    session: AsyncSession, context: Context, in_force: InForce, who: _Who, at: datetime
) -> tuple[InForce, tuple[str, ...]]:
    """The rules as the reader had them, with what isn't known about that."""
    view = in_force.view_of(who.unit, experiment_key(context.settings), at)
    if view.variant is None or not context.settings.experiments_need_consent:
        return view, ()
    if await took_part(session, who.rows, view.variant, at):
        return view, ()
    return in_force, (CONSENT_UNKNOWN,)


async def _article(session: AsyncSession, slug: str) -> StoredArticle:
    found = await get_article(session, slug)
    if found is None:
        present = await present_slug(session, slug)
        found = await get_article(session, present) if present is not None else None
    if found is None:
        raise Problem("article-not-found", f"There is no article {slug}. Look its slug up.")
    return found


@dataclass(frozen=True)
class _Asked:
    context: Context
    in_force: InForce
    session: AsyncSession
    who: _Who
    at: datetime
    now: datetime
    entry: Entry
    sees_readers: bool

    @property
    def is_past(self) -> bool:
        return self.at < self.now

    @property
    def is_verified(self) -> bool:
        since = self.who.verified_at
        return since is not None and (since <= self.at or not self.is_past)

    async def explained(self, today: StoredArticle, past: PastArticle) -> Explanation:
        settings, shown = self.in_force.settings, past.article or today
        facts = article_facts(shown, self.in_force.rules.levels, self.at)
        held, metered = await self._grants(today.id), _Seen()
        if past.article is None:
            facts = replace(facts, visible=False)
        else:
            reading = Reading(await self._reader(), self.entry)
            asked = window_asked(shown, facts.level, self.in_force, self.at, reading)
            metered = _Seen(meter=asked) if isinstance(asked, NoMeter) else await self._meter(asked)
        evidence = evidence_of_rows(
            held.grants,
            verified=self.is_verified,
            sign_in_offered=settings.readers_can_sign_in,
            room_after_registering=room_after_registering(
                shown, self.in_force, self.entry, metered.meter
            ),
        )
        evidence = replace(evidence, variant=self.in_force.variant or "")
        outcome = decide(facts, evidence, metered.meter, self.at)
        meter = metered.meter if isinstance(metered.meter, MeterState) else None
        return Explanation(
            reader_id=self.who.reader.id if self.who.reader is not None else None,
            device=self.who.device, article=shown, at=self.at,
            outcome=outcome,
            level=level_at(shown, self.in_force.rules.levels, self.at) if past.article is not None else None,
            meter=meter,
            recorded=await recorded_until(self.session, self.who.rows, today.id, self.at),
            unknown=(*self._about_time(), *_about(past), *held.unknown, *metered.unknown),
            said=await self._said(shown, outcome, evidence, meter),
        )  # fmt: skip

    async def _said(
        self, article: StoredArticle, outcome: Outcome, evidence: Evidence, meter: MeterState | None
    ) -> Foreseen | None:
        if self.is_past:
            return None
        who = self.who
        opened = Opened(article, outcome, evidence, meter, who.reader, who.device, self.entry)
        return await foreseen(self.session, opened, self.in_force, self.at)

    async def _reader(self) -> MeteredReader:
        """Whose limit it is."""
        reader, former = self.who.reader, False
        if reader is not None and self.is_verified and self.in_force.rules.meters.know_former:
            former = await subscribed_before(self.session, reader.id, self.at)
        return metered_reader(verified=self.is_verified, former=former)

    async def _grants(self, article_id: str) -> _Seen:
        reader, device = self.who.reader, self.who.device
        if reader is None:
            return await self._gifts(device or "", article_id)
        if not self.is_past:
            return _Seen(await live_grants_of(self.session, reader.id, self.at))
        found = await grants_at(self.session, reader.id, self.at)
        if not found.unrecorded or not self.sees_readers:
            return _Seen(found.live)
        told = (
            f"{found.unrecorded} of the reader's grants are taken as they were later: what they said then "
            "wasn't kept."
        )
        return _Seen(found.live, unknown=(told,))

    async def _gifts(self, device: str, article_id: str) -> _Seen:
        """What a browser holds itself."""
        held = await held_by_device_at(self.session, device, article_id, self.at)
        told = []
        if not await was_recorded(self.session, device, self.at):
            told.append(UNKNOWN_BROWSER)
        if await has_a_reader(self.session, device):
            told.append(READERS_BROWSER)
        return _Seen((held,) if held is not None else (), unknown=tuple(told))

    async def _meter(self, empty: MeterState) -> _Seen:
        reader, device, unknown = self.who.reader, self.who.device, list[str]()
        if reader is not None and self.is_verified:
            whose = AccessEntry.reader_id == reader.id
            holder = reader_holder(reader.id)
            meter = readers_meter(reader.id, mailbox_of(reader.verified_key))
        else:
            if reader is not None:
                device = await latest_device(self.session, reader.id, self.at)
                unknown.append(BROWSERS_METER)
            if device is None:
                return _Seen(meter=empty, unknown=(NO_BROWSER,))
            whose = AccessEntry.device_id == device
            holder = meter = known_device_holder(device)
        meter = named_meter(meter, empty.meter)
        if not self.is_past:
            state = await read_window(self.session, meter, empty)
            return _Seen(meter=state, unknown=tuple(unknown))
        whose &= (AccessEntry.holder == holder) & AccessEntry.meter_name.is_not_distinct_from(
            empty.meter
        )
        past = await window_before(self.session, meter, whose, empty, self.at)
        if past.undated:
            told = f"When {past.undated} of the window's articles were read isn't known. {UNDATED}"
            return _Seen(meter=past.state, unknown=(*unknown, told))
        return _Seen(meter=past.state, unknown=tuple(unknown))

    def _about_time(self) -> tuple[str, ...]:
        reader, verified_at = self.who.reader, self.who.verified_at
        told = []
        if self.at > self.now:
            told.append(AHEAD)
        if self.is_past:
            told += [SETTINGS_OF_TODAY, *_about_rules(self.in_force)]
            if reader is not None and reader.created_at > self.at:
                told.append("The reader wasn't known yet.")
            elif verified_at is not None and verified_at > self.at:
                told.append("The reader hadn't confirmed an address yet.")
        return tuple(told)


def _about_rules(then: InForce) -> tuple[str, ...]:
    if then.version == 0:
        return (NO_RULES_YET,)
    return () if "meter_limit" in then.said else (METER_OF_TODAY,)


def _about(past: PastArticle) -> tuple[str, ...]:
    told = {
        NOT_THERE_YET: past.article is None, CUT_AGAIN: past.cut_again, UNREADABLE: past.unreadable
    }  # fmt: skip
    return tuple(sentence for sentence, holds in told.items() if holds)
