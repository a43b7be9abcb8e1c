"""What one reader's movements add to the figures by source, by day: as movement_sums.py, with what led to each purchase.

A reader whose subscriptions are all alike is counted once, by all that is known (`ALIKE`): any grain is a sum of
these. The few others are counted for each grain by itself, as there.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.orm import InstrumentedAttribute

from service.db.tables import MovementRow
from service.reports.led import SOURCES
from service.reports.movement_sums import (
    DIMENSIONS,
    GRAINS,
    Values,
    by_grain,
    edges_of,
    held_at,
    months_of,
    sides_of,
    stays_of,
)

NAMES = (*DIMENSIONS, *SOURCES)
ALIKE = "*"
SOURCE_GRAINS = tuple((*grain, source) for source in SOURCES for grain in GRAINS)
"""One source is told apart at a time, with any of the other dimensions."""


class SourceMoney(NamedTuple):
    """Where an amount belongs."""

    day: date
    kind: str
    plan: str
    interval: str
    every: int
    currency: str
    source: str
    last_source: str
    campaign: str


class SourceEdge(NamedTuple):
    """Where a reader who became active or ceased to be it belongs."""

    grain: str
    day: date
    plan: str
    interval: str
    currency: str
    source: str
    last_source: str
    campaign: str
    way: str
    cause: str = ""
    tenure: str = ""


class SourceOverlap(NamedTuple):
    """Readers of a month's cohort who have a paid subscription from another month on."""

    cohort: date
    month: date
    plan: str
    interval: str
    currency: str
    source: str
    last_source: str
    campaign: str


@dataclass
class SourceSums:
    """As `Sums`; usage rights have no source."""

    recurring: Counter[SourceMoney] = field(default_factory=Counter)
    net: Counter[SourceMoney] = field(default_factory=Counter)
    readers: Counter[SourceEdge] = field(default_factory=Counter)
    cohorts: Counter[SourceOverlap] = field(default_factory=Counter)


def source_change_of(
    rows: Iterable[MovementRow], led: Mapping[str, Values], zone: ZoneInfo
) -> SourceSums:
    """What these readers add, less what they added when their rows were rolled up (`sourced_as`, `led_…`).

    All rows of each reader must be given; `led` has what led to each subscription.
    """
    now: defaultdict[str, list[tuple[MovementRow, Values]]] = defaultdict(list)
    before: defaultdict[str, list[tuple[MovementRow, Values]]] = defaultdict(list)
    for row in rows:
        now[row.customer].append((row, led[row.subscription_id]))
        if row.sourced_as is not None:
            before[row.sourced_as].append((row, led_as(row)))
    change = SourceSums()
    for theirs in now.values():
        _add(change, theirs, zone, 1)
    for theirs in before.values():
        _add(change, theirs, zone, -1)
    return change


LED: Mapping[str, InstrumentedAttribute[str | None]] = {
    "source": MovementRow.led_source, "last_source": MovementRow.led_last_source,
    "campaign": MovementRow.led_campaign,
}  # fmt: skip
"""What led to the purchase as it was added up."""


def led_as(row: MovementRow) -> Values:
    """What led to it when it was rolled up."""
    return row.led_source or "", row.led_last_source or "", row.led_campaign or ""


def _add(
    to: SourceSums, rows: Iterable[tuple[MovementRow, Values]], zone: ZoneInfo, sign: int
) -> None:
    sides = []
    for row, led in rows:
        day = row.at.astimezone(zone).date()
        for side in sides_of(row, led):
            about = (day, row.kind, side.plan, side.interval, side.every, row.currency)
            key = SourceMoney(*about, *led)
            to.recurring[key] += sign * side.gain * side.recurring
            to.net[key] += sign * side.gain * side.net
            sides.append(side)
    sides.sort(key=attrgetter("at"))
    whole = list(stays_of(sides))
    if len({each.values for each in sides}) == 1:
        for day, *rest in edges_of(whole, zone):
            to.readers[SourceEdge(ALIKE, day, *sides[0].values, *rest)] += sign
    else:
        for grain in SOURCE_GRAINS:
            for values, stays in by_grain(sides, grain, NAMES):
                for day, *rest in edges_of(stays, zone):
                    to.readers[SourceEdge(",".join(grain), day, *values, *rest)] += sign
    if whole:
        begun = held_at(whole[0].since, sides)
        for (cohort, month), number in months_of(whole, zone).items():
            to.cohorts[SourceOverlap(cohort, month, *begun)] += sign * number
