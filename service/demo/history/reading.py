"""What was read on each day, and where a wall was met.

Each read is decided, and each wall made, by what does both for real readers (access/), and becomes a row by
`entry_at`, the one way in which rows are made.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Literal, get_args

from service.access.case import Case, consumes
from service.access.decision import (
    Allow,
    ArticleFacts,
    Evidence,
    HeldGrant,
    Hidden,
    Meter,
    MeterSeen,
    NoMeter,
    Wall,
    decide,
)
from service.access.evidence import article_facts, evidence_of_rows
from service.access.metered import Reading as MeteredReading
from service.access.metered import metered_reader, room_after_registering, window_asked
from service.access.notices import Beside
from service.access.occasion import Arrival, audience_of_reader
from service.access.views import variant_met
from service.access.wall import Met, wall_for
from service.content.article import ListedArticle
from service.content.level import without_schedule
from service.db.context import Context
from service.demo.history.names import touch
from service.demo.history.tried import Tried
from service.demo.history.year import (
    VIRAL_DAYS,
    VIRAL_SLUG,
    Calendar,
    drawn,
    stable_id,
    visitors,
)
from service.grants.grants import EVERYTHING
from service.identity.entry import entry_of
from service.identity.touches import Touch
from service.metering.ledger import Entry, entry_at
from service.metering.store import known_device_holder, named_meter, reader_holder
from service.metering.window import MeterState
from service.offers.on_sale import Assortment
from service.rules.in_force import InForce
from service.rules.prompts import Occasion

_RETURNING = 0.38
"""Of the visitors without an account, those who were here before."""
Source = Literal["subscription", "comp", "gift", "seat", "pass"]
_GRANTED: Mapping[Source, Evidence] = {
    source: Evidence((HeldGrant(source, EVERYTHING),), verified=True) for source in get_args(Source)
}


@dataclass(frozen=True)
class Piece:
    """An article, and the day on which it was published."""

    article: ListedArticle
    published_at: datetime
    day: int


@dataclass(frozen=True)
class _Seat:
    """Who reads."""

    holder: str
    reader_id: str | None
    device: str


@dataclass
class Reading:
    """The newspaper's readers, day by day from day 0: who was here before is remembered.

    `assortment` is what walls show.
    """

    context: Context
    calendar: Calendar
    pieces: Sequence[Piece]
    in_force: InForce
    tried: Tried
    assortment: Assortment
    size: int
    _meters: dict[tuple[str, datetime], MeterState] = field(default_factory=dict)
    _lately: list[str] = field(default_factory=list)
    _days: dict[int, tuple[list[Piece], list[float]]] = field(default_factory=dict)
    _closed: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        levels = self.in_force.rules.levels
        self._closed = frozenset(
            each.article.id
            for each in self.pieces
            if without_schedule(each.article, levels) == "subscribers"
        )

    def strangers(self, day: int) -> Iterator[tuple[Entry, Touch]]:
        """The day's reads and walls of devices without an account, and what led them here."""
        rng = drawn("reading", day)
        came = visitors(day, self.calendar, self.size)
        for number in range(came):
            device = self._device(day, number, rng)
            led_by = touch(day, rng)
            at = self.calendar.at(day, rng)
            for _ in range(1 + (rng.random() < 0.4) + (rng.random() < 0.15)):
                piece = self.piece_of(day, at, rng)
                yield self.read_by_device(device, piece, at, led_by), led_by
                at += timedelta(seconds=60 + int(rng.random() * 400))
        self._lately = self._lately[-12 * max(came, 1) :]

    def read_by_device(self, device: str, piece: Piece, at: datetime, led_by: Touch) -> Entry:
        """A read, or a wall where the meter is used up; counted for the device."""
        return self._read(_Seat(known_device_holder(device), None, device), piece, at, led_by)

    def read_by_registered(
        self, reader_id: str, device: str, piece: Piece, at: datetime, led_by: Touch
    ) -> Entry:
        """A read, or a wall, of somebody who has signed in and bought nothing."""
        return self._read(_Seat(reader_holder(reader_id), reader_id, device), piece, at, led_by)

    def read_by_grant(
        self, source: Source, reader_id: str, device: str, piece: Piece, at: datetime
    ) -> Entry:
        """A read of somebody to whom everything is open."""
        outcome = _decided(self._facts(piece, at), _GRANTED[source], NoMeter.NOT_ASKED, at)
        return entry_at(
            at, self.calendar.zone,
            holder=reader_holder(reader_id), article_id=piece.article.id, reader_id=reader_id,
            device_id=device, reason=outcome.reason, once=True,
        )  # fmt: skip

    def _facts(self, piece: Piece, at: datetime) -> ArticleFacts:
        return article_facts(piece.article, self.in_force.rules.levels, at)

    def _read(self, seat: _Seat, piece: Piece, at: datetime, led_by: Touch) -> Entry:
        article, verified, facts = piece.article, seat.reader_id is not None, self._facts(piece, at)
        reading = MeteredReading(metered_reader(verified=verified, former=False), entry_of(led_by))
        view = self.tried.view(seat.device, at)
        seen = window_asked(article, facts.level, view, at, reading)
        window = self._known(seat, seen) if isinstance(seen, MeterState) else None
        room = room_after_registering(article, view, reading.entry, window or seen)
        evidence = evidence_of_rows(
            (), verified=verified, sign_in_offered=view.settings.readers_can_sign_in,
            room_after_registering=room,
        )  # fmt: skip
        outcome = _decided(facts, evidence, window or seen, at)
        row = entry_at(
            at, self.calendar.zone,
            holder=seat.holder, article_id=article.id, reader_id=seat.reader_id,
            device_id=seat.device, reason=outcome.reason, consumed=consumes(outcome),
            window_start=window.window.start if window is not None else None,
            referrer_host=led_by.referrer_host, campaign=led_by.campaign,
            meter_name=window.meter if window is not None else None,
        )  # fmt: skip
        case = Case(facts, evidence, window or seen, at, lambda _: room, outcome)
        arrival = Arrival(article.section, article.language, reading.entry)
        row = row._replace(variant=variant_met(case, arrival, view, None, None))
        if row.consumed and window is not None:
            window = window._replace(counted=window.counted | {article.id})
            self._meters[_meter(seat, window), window.window.key] = window
        if isinstance(outcome, Meter):
            return self._with_prompt(row, window, arrival, view, verified=verified)
        if not isinstance(outcome, Wall):
            return row
        shown = window and window.without_reads(self.calendar.zone)
        wall = wall_for(
            Met(outcome, facts, shown, room, verified),
            arrival, self.assortment, (), self.context, view,
        )  # fmt: skip
        return row._replace(
            granted=False, wall=wall.kind, prompt=wall.prompt, audience=wall.audience,
            variant=variant_met(case, arrival, view, wall, None),
        )  # fmt: skip

    def _with_prompt(
        self,
        row: Entry,
        window: MeterState | None,
        arrival: Arrival,
        view: InForce,
        *,
        verified: bool,
    ) -> Entry:
        """With what was said beside an article that the meter opened; `window` as it was then."""
        met = Occasion("anonymous", None, arrival.section, arrival.language, arrival.entry, 0)
        said = [each for each in view.rules.prompts if each.fits_some(met, row.at)]
        if not said:
            return row
        audience = audience_of_reader(verified, (), arrival.sources)
        fitting = [each for each in said if audience in each.readers]
        notice = Beside.of(audience, fitting, self.assortment, known=False).shown(window)
        return row._replace(audience=audience, prompt=notice.prompt if notice is not None else None)

    def _known(self, seat: _Seat, asked: MeterState) -> MeterState:
        """With what the holder has read in this window."""
        known = self._meters.get((_meter(seat, asked), asked.window.key))
        if known is None or known.window.end <= asked.window.start:
            return asked
        return known._replace(limit=asked.limit, by=asked.by)

    def up_to_the_wall(self, device: str, at: datetime, rng: Random, led_by: Touch) -> list[Entry]:
        """Reads of a device until it meets the wall that made its reader buy, just before `at`."""
        day = self.calendar.day_of(at)
        entries: list[Entry] = []
        for back in range(20, 0, -3):
            then = at - timedelta(minutes=back)
            piece = self.piece_of(day, then, rng)
            entries.append(self.read_by_device(device, piece, then, led_by))
            if entries[-1].wall == "subscribe":
                break
        return entries

    def holder_of(self, device: str) -> str:
        """Whose meter a device without an account has."""
        return known_device_holder(device)

    def piece_of(self, day: int, at: datetime, rng: Random) -> Piece:
        """What somebody reads at this time of the day: rather what is new, and what everybody reads."""
        if day not in self._days:
            self._days[day] = self._weights(day)
        pieces, upto = self._days[day]
        while True:
            piece = pieces[bisect_right(upto, rng.random() * upto[-1])]
            if piece.published_at <= at:
                return piece

    def _weights(self, day: int) -> tuple[list[Piece], list[float]]:
        pieces = [each for each in self.pieces if each.day <= day]
        upto, total = [], 0.0
        for each in pieces:
            weight = math.exp(-(day - each.day) / 6) + 0.03
            if each.article.id in self._closed:
                weight *= 0.6
            if each.article.slug == VIRAL_SLUG and day in VIRAL_DAYS:
                weight += 12 * math.exp(-(day - VIRAL_DAYS.start) / 3)
            total += weight
            upto.append(total)
        return pieces, upto

    def _device(self, day: int, number: int, rng: Random) -> str:
        if self._lately and rng.random() < _RETURNING:
            return rng.choice(self._lately)
        device = stable_id("dev", day, number)
        self._lately.append(device)
        return device


def _meter(seat: _Seat, window: MeterState) -> str:
    return named_meter(seat.holder, window.meter)


def _decided(
    facts: ArticleFacts, evidence: Evidence, meter: MeterSeen, at: datetime
) -> Allow | Meter | Wall:
    outcome = decide(facts, evidence, meter, at)
    if isinstance(outcome, Hidden):
        raise ValueError(f"{facts.id} is hidden")  # noqa: TRY004 it is no wrong type
    return outcome
