"""What happens to one invented subscription, fact by fact, from its purchase on.

Whatever is drawn is drawn in the order of time, so that a course that is followed for longer begins
with the same facts. Attempts to charge are when the local Stripe makes them: it goes on from here.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Literal

from service.demo.history.year import (
    OFFICES_UNTIL,
    PRICE_RISES_FOR_ALL_ON,
    PRICE_RISES_ON,
    VIRAL_DAYS,
    Calendar,
    shares,
)
from service.simulator.periods import after
from service.simulator.world import Rules

Key = Literal["monthly_old", "monthly", "yearly", "monthly_usd", "yearly_usd", "office"]
TRIAL = timedelta(days=14)
_RULES = Rules()
FINALISED_AFTER = timedelta(seconds=_RULES.finalise_after)
TRIED_EVERY = timedelta(seconds=_RULES.dunning_interval)
_CHOICES = shares(monthly=68, yearly=22, monthly_usd=5, yearly_usd=3, office=3)
OFFICE_SEATS = (4, 8)
"""What offices buy; some change from one to the other with a period."""
_FEEDBACK = shares(
    too_expensive=34, unused=27, switched_service=9, low_quality=8, missing_features=6,
    customer_service=5, too_complex=3, other=8,
)  # fmt: skip


@dataclass(frozen=True)
class Started:
    """Bought; with `trial_end` nothing was charged."""

    at: datetime
    trial_end: datetime | None


@dataclass(frozen=True)
class Billed:
    """A period's invoice was made, and tried for the first time at `at`: paid or not."""

    at: datetime
    period: int
    since: datetime
    until: datetime
    key: Key
    seats: int
    paid: bool


@dataclass(frozen=True)
class Paused:
    """Nothing is charged until then."""

    at: datetime
    resumes_at: datetime


@dataclass(frozen=True)
class Resumed:
    at: datetime
    resumes_at: None = None


@dataclass(frozen=True)
class Tried:
    """The latest invoice was tried again: paid or not."""

    at: datetime
    paid: bool


@dataclass(frozen=True)
class CancelAsked:
    """It ends with the period, for what Stripe calls feedback."""

    at: datetime
    ends_at: datetime
    feedback: str


@dataclass(frozen=True)
class Refunded:
    """The latest charge went back and the subscription was ended with it."""

    at: datetime


@dataclass(frozen=True)
class Disputed:
    """The bank took the latest charge back for good."""

    at: datetime


@dataclass(frozen=True)
class Ended:
    at: datetime
    reason: Literal["cancellation_requested", "payment_failed", "payment_disputed"]


Fact = Started | Billed | Paused | Resumed | Tried | CancelAsked | Refunded | Disputed | Ended


@dataclass(frozen=True)
class Course:
    """What is known of it at the purchase."""

    key: Key
    trial: bool
    started_at: datetime
    seats: int = 1

    @property
    def trial_end(self) -> datetime | None:
        return self.started_at + TRIAL if self.trial else None

    @property
    def interval(self) -> str:
        return "year" if self.key.startswith("yearly") else "month"

    def boundary(self, number: int) -> datetime:
        """The start of the paid period of this number, from 0."""
        anchor = int((self.trial_end or self.started_at).timestamp())
        return datetime.fromtimestamp(after(anchor, self.interval, number), UTC)


def is_at_home(key: Key) -> bool:
    """Whether its buyers' cards are of the country where the local Stripe's account is."""
    return key.endswith("_usd")


def choose_key(day: int, rng: Random) -> Key:
    """What somebody buys on the day."""
    chosen: Key = _CHOICES.choose(rng)  # type: ignore[assignment]  # its names are keys
    if chosen == "office" and day >= OFFICES_UNTIL:
        chosen = "monthly"
    return "monthly_old" if chosen == "monthly" and day < PRICE_RISES_ON else chosen


def facts(course: Course, calendar: Calendar, rng: Random) -> Iterator[Fact]:
    """The course without end, in the order of time; who follows it stops where they like."""
    yield Started(course.started_at, course.trial_end)
    day = calendar.day_of(course.started_at)
    is_viral = day in VIRAL_DAYS
    if course.trial and rng.random() < (0.5 if is_viral else 0.3):
        yield from _cancelled(course.started_at, course.boundary(0), rng)
        return
    number, key, seats = 0, course.key, course.seats
    rises_at = calendar.midnight(PRICE_RISES_FOR_ALL_ON)
    while True:
        since, until = course.boundary(number), course.boundary(number + 1)
        rises = key == "monthly_old" and since >= rises_at
        if rises:
            key = "monthly"
        if number and key == "office" and rng.random() < 0.2:
            seats = sum(OFFICE_SEATS) - seats
        at_once = number == 0 and not course.trial
        at = since if at_once else since + FINALISED_AFTER
        fails = not at_once and rng.random() < 0.028
        yield Billed(at, number, since, until, key, seats, not fails)
        if fails and (yield from _dunned(at, rng)):
            return
        # While it is tried again nobody leaves: then the invoice is what ends it.
        settled = at + 5 * TRIED_EVERY if fails else at
        if course.interval == "year" and rng.random() < 0.15:
            yield from _paused(settled, rng)
        elif (yield from _left(settled, until, _hazard(course, number, rises, is_viral), rng)):
            return
        number += 1


def _hazard(course: Course, number: int, rises: bool, is_viral: bool) -> float:
    """How likely it is to be cancelled within a period."""
    if course.interval == "year":
        return 0.24
    usual = 0.068 if number == 0 else 0.038 if number < 4 else 0.022
    return usual * (2 if is_viral else 1) + (0.055 if rises else 0)


def _dunned(first: datetime, rng: Random) -> Generator[Fact, None, bool]:
    """Stripe tries again and again; answers whether all attempts failed."""
    paid_at_try = 2 + int(rng.random() * 4) if rng.random() < 0.66 else None
    for number in range(2, _RULES.dunning_attempts + 1):
        at = first + (number - 1) * TRIED_EVERY
        yield Tried(at, number == paid_at_try)
        if number == paid_at_try:
            return False
    yield Ended(at, "payment_failed")
    return True


def _paused(settled: datetime, rng: Random) -> Iterator[Fact]:
    """A reader is away for some weeks of the year: the newsroom lets the payments rest."""
    at = settled + timedelta(days=rng.randrange(20, 200), seconds=rng.randrange(86_400))
    resumes_at = at + timedelta(days=rng.randrange(21, 60))
    yield Paused(at, resumes_at)
    yield Resumed(resumes_at)


def _left(
    settled: datetime, until: datetime, hazard: float, rng: Random
) -> Generator[Fact, None, bool]:
    """Whether the reader leaves in this period, and how."""
    drawn = rng.random()
    if drawn < 0.016:
        yield Refunded(settled + timedelta(hours=rng.randrange(30, 90)))
        return True
    if drawn < 0.0175:
        yield Disputed(settled + timedelta(days=rng.randrange(9, 17)))
        return True
    if drawn < 0.0175 + hazard:
        yield from _cancelled(settled, until, rng)
        return True
    return False


def _cancelled(since: datetime, until: datetime, rng: Random) -> Iterator[Fact]:
    asked = since + (until - since) * (0.02 + 0.9 * rng.random())
    asked = asked.replace(microsecond=0)
    yield CancelAsked(asked, until, _FEEDBACK.choose(rng))
    yield Ended(until, "cancellation_requested")
