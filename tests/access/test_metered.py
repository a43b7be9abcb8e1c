"""The decision by every limit that the rules can choose, over both ways in which evidence is made."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.decision import (
    Allow,
    ArticleFacts,
    Evidence,
    Hidden,
    Meter,
    MeterSeen,
    NoMeter,
    Outcome,
    Wall,
    decide,
)
from service.access.metered import Reading, room_after_registering, window_asked
from service.levels import Span
from service.metering.window import MeterState
from service.rules.in_force import InForce
from service.rules.meters import MeteredReader
from service.settings import Settings
from tests.access.test_decision import (
    ARTICLES,
    MOMENTS,
    NOW,
    Who,
    article,
    held,
    meter,
    of_rows,
    of_token,
    readers,
)
from tests.rules.test_meters import ENTRIES, METERS, TABLE

BY_DEFAULT = InForce.by_default(Settings(mail_from="Gazette <hello@gazette.example.org>"))
IN_FORCE = replace(BY_DEFAULT, rules=replace(BY_DEFAULT.rules, meters=METERS))


class Metered(NamedTuple):
    """What of an article its meter depends on."""

    section: str | None = None
    tags: tuple[str, ...] = ()


COLUMNS = [Metered("News"), Metered("Magazine"), Metered(tags=("Data",)), Metered("Service")]


def limits() -> dict[tuple[str, str, Metered], int | None]:
    """The figures of the table of limits; None: nothing is metered."""
    found: dict[tuple[str, str, Metered], int | None] = {}
    for line in TABLE.strip().split("\n"):
        who, *cells = (cell.strip() for cell in line.split("|"))
        reader, entry = who.split()
        for metered, cell in zip(COLUMNS, cells, strict=True):
            found[reader, entry, metered] = None if cell == "open" else int(cell.split()[0])
    return found


LIMITS = limits()


def cases() -> Sequence[object]:
    """Each limit with nothing read, one left, none left, more than that read, and this article among them."""
    made: list[object] = []
    for (reader, entry, metered), limit in LIMITS.items():
        about = f"{reader} {entry}, {metered.section or metered.tags[0]}"
        if limit is None:
            made.append(pytest.param(reader, entry, metered, 0, "free", id=f"{about}: not metered"))
            continue
        more = (LIMITS["registered", entry, metered] or 0) > 0
        wall = "register" if reader == "anonymous" and more else "subscribe"
        for used in sorted({0, max(limit - 1, 0), limit, limit + 1}):
            said = "counts" if used < limit else wall
            name = f"{about}: {used} of {limit} read"
            made.append(pytest.param(reader, entry, metered, used, said, id=name))
        name = f"{about}: read again"
        made.append(pytest.param(reader, entry, metered, -limit, "re-read", id=name))
    return made


EXPECTED: dict[str, Outcome] = {
    "free": Allow("free"),
    "counts": Meter(consumes=True),
    "re-read": Meter(consumes=False),
    "subscribe": Wall("meter_exhausted"),
    "register": Wall("meter_exhausted", "register"),
}


@pytest.mark.parametrize(("reader", "entry", "metered", "used", "said"), cases())
def test_each_limit_opens_as_many(
    reader: MeteredReader, entry: str, metered: Metered, used: int, said: str
) -> None:
    """`used` below zero: this article among as many."""
    came_by = ENTRIES[entry]
    asked = window_asked(metered, "metered", IN_FORCE, NOW, Reading(reader, came_by))
    seen: MeterSeen = asked
    if isinstance(asked, MeterState):
        others = frozenset(f"other {number}" for number in range(abs(used)))
        seen = asked._replace(counted=others | ({"x"} if said == "re-read" else set()))
    who = Who(verified=reader != "anonymous", sign_in_offered=True)
    room = room_after_registering(metered, IN_FORCE, came_by, seen)
    for read in (of_rows, of_token):
        evidence = replace(read(who), room_after_registering=room)
        outcome = decide(article("metered"), evidence, seen, NOW)
        assert outcome == EXPECTED[said], read.__name__
        if isinstance(asked, MeterState):
            assert str(asked.by) in outcome.trail[-1].saw


def readable(outcome: Outcome) -> int:
    """The more, the better for the reader: nothing, a wall, one of the free articles, open."""
    if isinstance(outcome, Hidden):
        return 0
    if isinstance(outcome, Wall):
        return 1
    return 2 if isinstance(outcome, Meter) and outcome.consumes else 3


SEEN = st.sampled_from(
    [*NoMeter, *(meter(*read, limit=limit) for read in ("", "x", "a", "ab") for limit in range(3))]
)


@given(who=readers(MOMENTS), more=held(MOMENTS), facts=ARTICLES, seen=SEEN)
def test_a_grant_never_makes_less_readable(
    who: Who, more: tuple[object, ...], facts: ArticleFacts, seen: MeterSeen
) -> None:
    richer = replace(who, grants=(*who.grants, *more))  # type: ignore[arg-type]  # held() makes grants
    before, after = (decide(facts, of_rows(each), seen, NOW) for each in (who, richer))
    assert readable(after) >= readable(before)


@given(
    st.lists(st.sampled_from("abcdefgh"), max_size=20), st.randoms(use_true_random=False),
    st.sampled_from([*LIMITS]),
    st.sampled_from([Span("day"), Span("week"), Span("month"), Span("rolling", 3)]),
)  # fmt: skip
def test_the_order_of_reads_in_a_window_opens_as_many(
    reads: list[str], chance: object, place: tuple[MeteredReader, str, Metered], span: Span
) -> None:
    reader, entry, metered = place
    asked = window_asked(metered, "metered", IN_FORCE, NOW, Reading(reader, ENTRIES[entry]))
    if not isinstance(asked, MeterState):
        return
    window = asked._replace(window=asked.window._replace(span=span))

    def opened(order: list[str]) -> int:
        state = window
        for each in order:
            facts = replace(article("metered"), id=each)
            outcome = decide(facts, Evidence(), state, NOW)
            if isinstance(outcome, Meter) and outcome.consumes:
                state = state._replace(counted=state.counted | {each})
        return state.used

    turned = sorted(reads)
    chance.shuffle(turned)  # type: ignore[attr-defined]  # hypothesis says less than random.Random
    assert opened(reads) == opened(turned) == min(asked.limit, len(set(reads)))
