"""What was read on each day, and where a wall was met.

Each read is decided by `decide`, the one place where the product decides, and becomes a row by
`entry_at`, the one way in which rows are made.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

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
from service.demo.history.names import touch
from service.demo.history.year import (
    VIRAL_DAYS,
    VIRAL_SLUG,
    Calendar,
    drawn,
    stable_id,
    visitors,
)
from service.grants.grants import EVERYTHING
from service.identity.touches import Touch
from service.levels import Level, Span
from service.metering.ledger import Entry, entry_at
from service.metering.store import known_device_holder, reader_holder
from service.metering.window import MeterState, window_at

_RETURNING = 0.38
"""Of the visitors without an account, those who were here before."""
_SUBSCRIBED = HeldGrant("subscription", EVERYTHING)


@dataclass(frozen=True)
class Piece:
    """An article as far as reading it goes. `day` is the one on which it was published."""

    id: str
    slug: str
    level: Level
    section: str | None
    day: int


@dataclass(frozen=True)
class _Seat:
    """Who reads, and how many articles their meter opens."""

    holder: str
    reader_id: str | None
    device: str
    limit: int


@dataclass
class Reading:
    """The newspaper's readers, day by day from day 0: who was here before is remembered."""

    calendar: Calendar
    pieces: Sequence[Piece]
    meter_limit: int
    registered_limit: int
    span: Span
    size: int
    _meters: dict[tuple[str, datetime], MeterState] = field(default_factory=dict)
    _lately: list[str] = field(default_factory=list)
    _days: dict[int, tuple[list[Piece], list[float]]] = field(default_factory=dict)

    def strangers(self, day: int) -> Iterator[tuple[Entry, Touch]]:
        """The day's reads and walls of devices without an account, and what led them here."""
        rng = drawn("reading", day)
        came = visitors(day, self.calendar, self.size)
        for number in range(came):
            device = self._device(day, number, rng)
            led_by = touch(day, rng)
            at = self.calendar.at(day, rng)
            for _ in range(1 + (rng.random() < 0.4) + (rng.random() < 0.15)):
                yield self.read_by_device(device, self.piece_of(day, rng), at, led_by), led_by
                at += timedelta(seconds=60 + int(rng.random() * 400))
        self._lately = self._lately[-12 * max(came, 1) :]

    def read_by_device(self, device: str, piece: Piece, at: datetime, led_by: Touch) -> Entry:
        """A read, or a wall where the meter is used up; counted for the device."""
        seat = _Seat(known_device_holder(device), None, device, self.meter_limit)
        return self._read(seat, piece, at, led_by)

    def _read(self, seat: "_Seat", piece: Piece, at: datetime, led_by: Touch) -> Entry:
        window = window_at(at, self.span, self.calendar.zone)
        meter = self._meters.get((seat.holder, window.key)) or MeterState(window, seat.limit)
        if meter.window.end <= at:
            meter = MeterState(window, seat.limit)
        meter = meter._replace(limit=seat.limit)
        is_known = seat.reader_id is not None
        evidence = Evidence(verified=is_known, can_register=not is_known)
        outcome = _decided(piece, evidence, meter, at)
        consumes = isinstance(outcome, Meter) and outcome.consumes
        if consumes:
            counted = meter.counted | {piece.id}
            self._meters[seat.holder, window.key] = meter._replace(counted=counted)
        return entry_at(
            at, self.calendar.zone,
            holder=seat.holder, article_id=piece.id, reader_id=seat.reader_id,
            device_id=seat.device, reason=outcome.reason,
            granted=not isinstance(outcome, Wall), consumed=consumes,
            wall=outcome.kind if isinstance(outcome, Wall) else None,
            window_start=meter.window.start if isinstance(outcome, Meter) else None,
            referrer_host=led_by.referrer_host, campaign=led_by.campaign,
        )  # fmt: skip

    def read_by_subscriber(self, reader_id: str, piece: Piece, at: datetime) -> Entry:
        """A read of somebody to whom everything is open."""
        evidence = Evidence((_SUBSCRIBED,), verified=True)
        outcome = _decided(piece, evidence, NoMeter.NOT_ASKED, at)
        return entry_at(
            at, self.calendar.zone,
            holder=reader_holder(reader_id), article_id=piece.id, reader_id=reader_id,
            device_id=None, reason=outcome.reason, once=True,
        )  # fmt: skip

    def read_by_registered(
        self, reader_id: str, device: str, piece: Piece, at: datetime, led_by: Touch
    ) -> Entry:
        """A read, or a wall, of somebody who has signed in and bought nothing."""
        seat = _Seat(reader_holder(reader_id), reader_id, device, self.registered_limit)
        return self._read(seat, piece, at, led_by)

    def up_to_the_wall(self, device: str, at: datetime, rng: Random, led_by: Touch) -> list[Entry]:
        """Reads of a device until it meets the wall that made its reader buy, just before `at`."""
        day = self.calendar.day_of(at)
        entries: list[Entry] = []
        for back in range(20, 0, -3):
            then = at - timedelta(minutes=back)
            entries.append(self.read_by_device(device, self.piece_of(day, rng), then, led_by))
            if entries[-1].wall == "subscribe":
                break
        return entries

    def holder_of(self, device: str) -> str:
        """Whose meter a device without an account has."""
        return known_device_holder(device)

    def piece_of(self, day: int, rng: Random) -> Piece:
        """What somebody reads on the day: rather what is new, and what everybody reads."""
        if day not in self._days:
            self._days[day] = self._weights(day)
        pieces, upto = self._days[day]
        return pieces[bisect_right(upto, rng.random() * upto[-1])]

    def _weights(self, day: int) -> tuple[list[Piece], list[float]]:
        pieces = [each for each in self.pieces if each.day <= day]
        pieces = pieces or [min(self.pieces, key=lambda each: each.day)]
        upto, total = [], 0.0
        for each in pieces:
            weight = math.exp(-(day - each.day) / 6) + 0.03
            if each.level == "subscribers":
                weight *= 0.6
            if each.slug == VIRAL_SLUG and day in VIRAL_DAYS:
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


def _decided(
    piece: Piece, evidence: Evidence, meter: MeterSeen, at: datetime
) -> Allow | Meter | Wall:
    facts = ArticleFacts(
        id=piece.id, level=piece.level, plans=frozenset(), section=piece.section, visible=True
    )
    outcome = decide(facts, evidence, meter, at)
    if isinstance(outcome, Hidden):
        raise ValueError(f"{piece.slug} is hidden")  # noqa: TRY004 it is no wrong type
    return outcome
