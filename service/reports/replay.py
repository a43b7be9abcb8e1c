"""What readers would have met with another limit of the meter: the ledger's rows, decided again: pure.

Each row says what somebody tried, and on what it was decided. The decision is asked again (access/decision.py)
with every limit, and with what that limit would have counted before.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import product
from typing import Literal, NamedTuple, get_args

from service.access.decision import (
    ArticleFacts,
    Evidence,
    HeldGrant,
    Meter,
    Outcome,
    Wall,
    decide,
)
from service.access.reasons import LEVELS, NETWORK_EXHAUSTED
from service.grants.grants import EVERYTHING, Source
from service.metering.window import MeterState, Window
from service.reports.tallies import BEFORE

LIMITS = tuple(range(1, 11))
AS_IT_WAS = 0
"""The place of what happened, among the limits."""
HolderKind = Literal["anonymous", "registered"]
_SOURCES: dict[str, Source] = {each: each for each in get_args(Source)}
_THEN = datetime(2000, 1, 1, tzinfo=UTC)
_WINDOW = Window(_THEN, _THEN)


class Tried(NamedTuple):
    """A row of the ledger: somebody tried to read. `meter` is where it counts, `window` where it was decided by it."""

    meter: str
    step: int
    """Of the period; BEFORE: it only says what was counted already."""
    kind: HolderKind
    holder: str
    article: str
    reason: str
    is_walled: bool
    consumed: bool
    window: datetime | None
    is_own: bool = False
    """Decided by a meter of its own, whose limit stays as it was."""


class Place(NamedTuple):
    """A kind of holder in a step, None in the period, by a limit or AS_IT_WAS."""

    kind: HolderKind
    step: int | None
    limit: int


@dataclass
class Replayed:
    """Distinct holders with a row, by kind and step (their limit is AS_IT_WAS), and those who met a wall."""

    holders: Counter[Place] = field(default_factory=Counter)
    stopped: Counter[Place] = field(default_factory=Counter)


def replay(rows: Iterable[Tried]) -> Replayed:
    """Decide all rows, which are in the order of time, again by each limit."""
    met: Counter[tuple[HolderKind, int | None, int]] = Counter()
    meters: defaultdict[str, list[Tried]] = defaultdict(list)
    for row in rows:
        meters[row.meter].append(row)
    for of_meter in meters.values():
        walls: defaultdict[tuple[str, HolderKind, int | None], int] = defaultdict(int)
        window = _Read(None)
        for row in of_meter:
            if row.window not in {None, window.start} and not row.is_own:
                window = _Read(row.window)
            limits = window.walls(row)
            if row.step != BEFORE:
                walls[row.holder, row.kind, row.step] |= limits
                walls[row.holder, row.kind, None] |= limits
        met.update((kind, step, limits) for (_, kind, step), limits in walls.items())
    found = Replayed()
    for (kind, step, limits), holders in met.items():
        found.holders[Place(kind, step, AS_IT_WAS)] += holders
        for limit in (AS_IT_WAS, *LIMITS):
            if limits >> limit & 1:
                found.stopped[Place(kind, step, limit)] += holders
    return found


class _Read:
    """What a meter had read in one window: as it was, and by each limit.

    Limits are sets of bits, AS_IT_WAS among them. A limit has counted the first of what the largest one counted.
    """

    def __init__(self, start: datetime | None) -> None:
        self.start = start
        self._counted: set[str] = set()
        self._carried: set[str] = set()
        self._by_largest: dict[str, int] = {}

    def walls(self, row: Tried) -> int:
        """The limits at which the row is a wall; counts what they let through."""
        as_it_was = _bit(AS_IT_WAS) if row.is_walled else 0
        if LEVELS.get(row.reason) != "metered":
            return as_it_was | _unmetered(row.reason, is_walled=row.is_walled)
        if row.is_own:
            return _bit(AS_IT_WAS) | _LIMITS if row.is_walled else 0
        if row.window is None:
            # By a token of some minutes: the unlock that it is from has been decided.
            return as_it_was
        if row.consumed:
            self._counted.add(row.article)
        elif row.reason == "meter" and row.article not in self._counted:
            self._carried.add(row.article)
        place = 0 if row.article in self._carried else self._by_largest.get(row.article, _NOWHERE)
        walls, is_counted = _decided(row.reason, place, len(self._by_largest))
        if is_counted:
            self._by_largest[row.article] = len(self._by_largest) + 1
        return as_it_was | walls


def _bit(limit: int) -> int:
    return 1 << limit


_LIMITS = sum(map(_bit, LIMITS))
_NOWHERE = LIMITS[-1] + 1
"""The place of an article that no limit has counted; 0: each has read it."""


@lru_cache(maxsize=1024)
def _decided(reason: str, place: int, counted: int) -> tuple[int, bool]:
    """The limits at which it is a wall, and whether the largest one counts it.

    It was the article in this place that the largest one counted, of as many.
    """
    by_limit = {limit: _outcomes(reason)[place <= limit, counted < limit] for limit in LIMITS}
    walls = sum(_bit(limit) for limit, outcome in by_limit.items() if isinstance(outcome, Wall))
    largest = by_limit[LIMITS[-1]]
    return walls, isinstance(largest, Meter) and largest.consumes


def _unmetered(reason: str, *, is_walled: bool) -> int:
    """The limits at which a row is a wall where no meter decided: all or none."""
    if reason in LEVELS or reason in _SOURCES:
        is_walled = isinstance(_outcomes(reason)[False, False], Wall)
    return _LIMITS if is_walled else 0


@lru_cache(maxsize=64)
def _outcomes(reason: str) -> Mapping[tuple[bool, bool], Outcome]:
    """The decision on an article with what the reason says of it and of the reader.

    By all that it takes from a window: whether the article was read in it, and whether it has room.
    """
    article = ArticleFacts(
        id="this", level=LEVELS.get(reason, "metered"), plans=(), section=None, visible=True
    )
    source = _SOURCES.get(reason)
    evidence = Evidence(
        grants=(HeldGrant(source, EVERYTHING),) if source is not None else (),
        verified=reason == "registered",
        network_closed=reason == NETWORK_EXHAUSTED,
    )
    outcomes = {}
    for has_read, has_room in product((False, True), repeat=2):
        counted = frozenset({article.id} if has_read else {"another"})
        window = MeterState(_WINDOW, len(counted) + has_room, counted)
        outcomes[has_read, has_room] = decide(article, evidence, window, _THEN)
    return outcomes
