"""How the invented year went, in figures: growth, a price change, a viral article, a failed campaign.

Days are counted from the first one, the year's day 0. Everything is drawn from the seed, and each day
from a source of its own: so a longer history begins with the shorter one.
"""

import hashlib
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from random import Random
from zoneinfo import ZoneInfo

SEED = 1887
DAYS = 365
"""How long the history is at the first start."""
DEFAULT_SIZE = 600
"""Subscribers, about, that the year ends with."""
LARGEST_SIZE = 20_000
"""Of more than this the rows of the bench are made, which no Stripe knows."""
PRICE_RISES_ON = 150
"""New monthly subscribers pay more from this day."""
PRICE_RISES_FOR_ALL_ON = 180
"""The others from their first renewal since then."""
OFFICES_UNTIL = 340
"""From this day no seats are sold any more: the wall asks nobody for their number."""
VIRAL_DAYS = range(238, 244)
VIRAL_SLUG = "the-lighthouse-keepers-letters"
CAMPAIGN_DAYS = range(296, 310)
"""Many came, and few of them bought."""
CAMPAIGN = "autumn-letterbox"

_BOUGHT_PER_SUBSCRIBER = 1.72
"""Purchases in the year for each subscriber whom it ends with: the others left."""
_BUSY = (1.05, 1.0, 0.95, 1.0, 1.1, 0.85, 1.0)
"""Monday to Sunday."""


@dataclass(frozen=True)
class Calendar:
    """The history's days in the publication's zone. `first` is its day 0."""

    first: date
    zone: ZoneInfo

    def midnight(self, day: int) -> datetime:
        """The instant at which the day begins, aware UTC."""
        return _midnight(self.date(day), self.zone)

    def date(self, day: int) -> date:
        return self.first + timedelta(days=day)

    def day_of(self, at: datetime) -> int:
        return (at.astimezone(self.zone).date() - self.first).days

    def at(self, day: int, rng: Random) -> datetime:
        """Some time of the day, more likely in the morning or the evening."""
        hour = rng.choice((7, 7, 8, 8, 9, 10, 11, 12, 13, 15, 17, 18, 19, 20, 20, 21, 21, 22))
        return self.midnight(day) + timedelta(hours=hour, seconds=rng.randrange(3600))


@cache
def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def drawn(*names: object) -> Random:
    """A source of chance for what has this name, the same at each start."""
    return Random(":".join(map(str, (SEED, *names))))  # noqa: S311 invented, not secret


def stable_id(prefix: str, *names: object, length: int = 24) -> str:
    """An id such as `rdr_2f…` of what has this name, the same at each start."""
    named = ":".join(map(str, (SEED, prefix, *names)))
    return f"{prefix}_{hashlib.sha256(named.encode()).hexdigest()[:length]}"


def poisson(mean: float, rng: Random) -> int:
    """A number of independent things that are `mean` on average (Knuth; small means)."""
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def _buying(day: int) -> float:
    """How many buy on a day, in relation: a launch, then growth; a viral article; a price change."""
    usual = 30 * math.exp(-day / 10) + 1 + 0.9 * min(day, DAYS) / DAYS
    if day in VIRAL_DAYS:
        return usual + 9
    if PRICE_RISES_ON - 7 <= day < PRICE_RISES_ON:
        return usual * 1.8
    if PRICE_RISES_ON <= day < PRICE_RISES_ON + 21:
        return usual * 0.6
    return usual


_YEAR = sum(_buying(day) for day in range(DAYS))


def purchases(day: int, calendar: Calendar, size: int) -> int:
    """How many subscriptions are bought on the day, where the year ends with about `size`."""
    busy = _BUSY[calendar.date(day).weekday()]
    mean = size * _BOUGHT_PER_SUBSCRIBER * _buying(day) / _YEAR * busy
    return poisson(mean, drawn("purchases", day))


def visitors(day: int, calendar: Calendar, size: int) -> int:
    """How many read on the day without an account."""
    busy = _BUSY[calendar.date(day).weekday()]
    mean = size * 0.024 * (0.7 + 0.6 * min(day, DAYS) / DAYS) * busy
    if day in VIRAL_DAYS:
        mean *= 7
    if day in CAMPAIGN_DAYS:
        mean *= 1.9
    return poisson(mean, drawn("visitors", day))


@dataclass(frozen=True)
class Shares:
    """Choices with their weights, added up."""

    names: Sequence[str]
    upto: Sequence[float]

    def choose(self, rng: Random) -> str:
        return self.names[bisect_right(self.upto, rng.random() * self.upto[-1])]


def shares(**weights: float) -> Shares:
    """Choices by name with their weights."""
    upto, total = [], 0.0
    for weight in weights.values():
        total += weight
        upto.append(total)
    return Shares(tuple(weights), tuple(upto))
