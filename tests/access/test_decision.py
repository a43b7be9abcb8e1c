"""Every rule of access, in its order; the first match wins.

The table runs over both ways in which evidence is made: from rows, and from the token made of them. An
outcome's repr has its trail, so a case that fails prints which rules saw what.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.case import consumes
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
from service.access.evidence import evidence_of_claims, evidence_of_rows
from service.access.reasons import REASONS
from service.grants.entitlement import entitlements, reading_scope
from service.grants.grants import GrantFacts, Source, covers
from service.levels import Level
from service.metering.window import MeterState, Window
from service.tokens.claims import Claims, access_claims, unlock_claims

NOW = datetime(2026, 1, 20, 9, 0, tzinfo=UTC)
TICK, DAY = timedelta(microseconds=1), timedelta(days=1)
JANUARY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))


def grant(source: Source, scope: str, ends_at: datetime | None = None, **also: bool) -> GrantFacts:
    return GrantFacts("grt_1", source, "ref", scope, NOW - DAY, ends_at, **also)


def article(level: Level, *plans: str, visible: bool = True) -> ArticleFacts:
    return ArticleFacts(id="x", level=level, plans=plans, section="harbour", visible=visible)


def meter(*counted: str, limit: int = 3, carried: tuple[str, ...] = ()) -> MeterState:
    return MeterState(JANUARY, limit, frozenset(counted), frozenset(carried))


@dataclass(frozen=True)
class Who:
    """A reader, as our rows know them."""

    grants: tuple[GrantFacts, ...] = ()
    verified: bool = False
    sign_in_offered: bool = False
    room: int = 0
    network_closed: bool = False
    staff: bool = False


DIGITAL, COMP = grant("subscription", "plan:digital"), grant("comp", "everything")
THIS, OTHER = grant("pass", "article:x"), grant("pass", "article:y")
READERS = {
    "anyone": Who(),
    "may register": Who(sign_in_offered=True, room=5),
    "may register, no room": Who(sign_in_offered=True),
    "verified": Who(verified=True, sign_in_offered=True, room=5),
    "network closed": Who(network_closed=True),
    "network closed, may register": Who(network_closed=True, sign_in_offered=True, room=5),
    "subscriber": Who((DIGITAL,)),
    "verified subscriber": Who((DIGITAL,), verified=True, sign_in_offered=True),
    "subscriber in grace": Who((DIGITAL._replace(in_grace=True, ends_at=NOW + DAY),)),
    "subscriber, network closed": Who((DIGITAL,), network_closed=True),
    "subscriber to the last second": Who((DIGITAL._replace(ends_at=NOW + timedelta(seconds=1)),)),
    "subscription ended": Who((DIGITAL._replace(ends_at=NOW),)),
    "subscription not begun": Who((DIGITAL._replace(starts_at=NOW + TICK),)),
    "comp": Who((COMP,)),
    "comp and subscription": Who((COMP, DIGITAL)),
    "subscription and comp": Who((DIGITAL, COMP)),
    "ended subscription and comp": Who((DIGITAL._replace(ends_at=NOW), COMP)),
    "pass for this article": Who((THIS,)),
    "pass for another": Who((OTHER,)),
    "pass and comp": Who((THIS, COMP)),
    "verified comp": Who((COMP,), verified=True),
    "its section": Who((grant("subscription", "section:harbour"),)),
    "another section": Who((grant("subscription", "section:market"),)),
    "unknown scope": Who((grant("subscription", "later:thing"),)),
    **{f"{source} alone": Who((grant(source, "everything"),)) for source in get_args(Source)},
}
COLUMNS: dict[str, tuple[ArticleFacts, MeterSeen]] = {
    "free": (article("free"), NoMeter.NOT_ASKED),
    "registered": (article("registered"), NoMeter.NOT_ASKED),
    "subscribers": (article("subscribers"), meter("x")),
    "plan print": (article("subscribers", "print"), NoMeter.NOT_ASKED),
    "room": (article("metered"), meter("a", "b")),
    "read": (article("metered"), meter("x", "b", "c", "d")),
    "carried": (article("metered"), meter("a", "b", "c", carried=("x",))),
    "full": (article("metered"), meter("a", "b", "c")),
    "not asked": (article("metered"), NoMeter.NOT_ASKED),
    "no meter": (article("metered"), NoMeter.NOTHING_METERED),
}
# `+`: registering would open it.
TABLE = """
reader                        | free | registered       | subscribers      | plan print       | room               | read    | carried | full             | not asked       | no meter
anyone                        | free | registered_only  | subscribers_only | subscribers_only | counts             | re-read | re-read | meter_exhausted  | meter_not_asked | free
may register                  | free | registered_only+ | subscribers_only | subscribers_only | counts             | re-read | re-read | meter_exhausted+ | meter_not_asked | free
may register, no room         | free | registered_only+ | subscribers_only | subscribers_only | counts             | re-read | re-read | meter_exhausted  | meter_not_asked | free
verified                      | free | registered       | subscribers_only | subscribers_only | counts             | re-read | re-read | meter_exhausted  | meter_not_asked | free
network closed                | free | registered_only  | subscribers_only | subscribers_only | network_exhausted  | re-read | re-read | meter_exhausted  | meter_not_asked | free
network closed, may register  | free | registered_only+ | subscribers_only | subscribers_only | network_exhausted+ | re-read | re-read | meter_exhausted+ | meter_not_asked | free
subscriber                    | free | subscription     | subscription     | subscribers_only | subscription       | subscription | subscription | subscription | subscription | free
verified subscriber           | free | subscription     | subscription     | subscribers_only | subscription       | subscription | subscription | subscription | subscription | free
subscriber in grace           | free | subscription     | subscription     | subscribers_only | subscription       | subscription | subscription | subscription | subscription | free
subscriber, network closed    | free | subscription     | subscription     | subscribers_only | subscription       | subscription | subscription | subscription | subscription | free
subscriber to the last second | free | subscription     | subscription     | subscribers_only | subscription       | subscription | subscription | subscription | subscription | free
subscription ended            | free | registered_only  | subscribers_only | subscribers_only | counts             | re-read | re-read | meter_exhausted  | meter_not_asked | free
subscription not begun        | free | registered_only  | subscribers_only | subscribers_only | counts             | re-read | re-read | meter_exhausted  | meter_not_asked | free
comp                          | free | comp             | comp             | comp             | comp               | comp    | comp    | comp             | comp            | free
comp and subscription         | free | subscription     | subscription     | comp             | subscription       | subscription | subscription | subscription | subscription | free
subscription and comp         | free | subscription     | subscription     | comp             | subscription       | subscription | subscription | subscription | subscription | free
ended subscription and comp   | free | comp             | comp             | comp             | comp               | comp    | comp    | comp             | comp            | free
pass for this article         | free | pass             | pass             | pass             | pass               | pass    | pass    | pass             | pass            | free
pass for another              | free | registered_only  | subscribers_only | subscribers_only | counts             | re-read | re-read | meter_exhausted  | meter_not_asked | free
pass and comp                 | free | comp             | comp             | comp             | comp               | comp    | comp    | comp             | comp            | free
verified comp                 | free | comp             | comp             | comp             | comp               | comp    | comp    | comp             | comp            | free
its section                   | free | subscription     | subscription     | subscription     | subscription       | subscription | subscription | subscription | subscription | free
another section               | free | registered_only  | subscribers_only | subscribers_only | counts             | re-read | re-read | meter_exhausted  | meter_not_asked | free
unknown scope                 | free | registered_only  | subscribers_only | subscribers_only | counts             | re-read | re-read | meter_exhausted  | meter_not_asked | free
"""
EVERYTHING_BY = "{0} alone | free" + " | {0}" * 8 + " | free\n"
TABLE += "".join(EVERYTHING_BY.format(source) for source in get_args(Source))
OUTCOMES: dict[str, Outcome] = {
    "counts": Meter(consumes=True),
    "re-read": Meter(consumes=False),
    "free": Allow("free"),
    "registered": Allow("registered"),
    **{source: Allow(source) for source in get_args(Source)},
    "registered_only": Wall("registered_only"),
    "registered_only+": Wall("registered_only", "register"),
    "subscribers_only": Wall("subscribers_only"),
    "meter_exhausted": Wall("meter_exhausted"),
    "meter_exhausted+": Wall("meter_exhausted", "register"),
    "network_exhausted": Wall("network_exhausted"),
    "network_exhausted+": Wall("network_exhausted", "register"),
    "meter_not_asked": Wall("meter_not_asked"),
}


def cases() -> list[object]:
    heading, *rows = (
        [cell.strip() for cell in line.split("|")] for line in TABLE.split("\n")[1:-1]
    )
    return [
        pytest.param(READERS[row[0]], *COLUMNS[column], OUTCOMES[cell], id=f"{row[0]}: {column}")
        for row in rows
        for column, cell in zip(heading[1:], row[1:], strict=True)
    ]


def of_rows(who: Who) -> Evidence:
    return evidence_of_rows(
        who.grants, verified=who.verified, sign_in_offered=who.sign_in_offered, staff=who.staff
    )


def of_token(who: Who, *, reverse: bool = False) -> Evidence:
    """As `of_rows`, by way of the access token that the rows would give at NOW."""
    held = entitlements(who.grants, NOW)
    claims = access_claims(
        issuer="https://paper.example", audience="gazette", reader_id="rdr_1", session_id="ses_1",
        client_id="browser", scope=reading_scope(verified=who.verified),
        entitlements=held[::-1] if reverse else held, token_id="t", now=NOW,
        life=timedelta(minutes=10),
    )  # fmt: skip
    return of_claims(claims, sign_in_offered=who.sign_in_offered)


def of_claims(claims: Claims, *, sign_in_offered: bool = False) -> Evidence:
    return evidence_of_claims(claims, "x", sign_in_offered=sign_in_offered)


@pytest.mark.parametrize(("who", "facts", "seen", "expected"), cases())
def test_the_rules(who: Who, facts: ArticleFacts, seen: MeterSeen, expected: Outcome) -> None:
    for read in (of_rows, of_token):
        # Neither is a matter of what a reader holds.
        evidence = replace(
            read(who), room_after_registering=who.room, network_closed=who.network_closed
        )
        assert decide(facts, evidence, seen, NOW) == expected, read.__name__


def test_the_table_is_whole() -> None:
    heading, *rows = TABLE.split("\n")[1:-1]
    assert [row.split("|")[0].strip() for row in rows] == list(READERS)
    assert [cell.strip() for cell in heading.split("|")[1:]] == list(COLUMNS)


@pytest.mark.parametrize("read", [of_rows, of_token])
@pytest.mark.parametrize("level", get_args(Level))
def test_what_is_not_visible_is_hidden_from_everybody(
    read: Callable[[Who], Evidence], level: Level
) -> None:
    for who in READERS.values():
        assert decide(article(level, visible=False), read(who), meter("x"), NOW) == Hidden()


@pytest.mark.parametrize("who", READERS.values(), ids=READERS)
def test_the_staff_reads_everything_and_counts_nothing(who: Who) -> None:
    evidence = of_rows(replace(who, staff=True))
    for facts, seen in COLUMNS.values():
        is_free = facts.level == "free" or seen is NoMeter.NOTHING_METERED
        assert decide(facts, evidence, seen, NOW) == Allow("free" if is_free else "staff")
        hidden = replace(facts, visible=False)
        assert decide(hidden, evidence, seen, NOW) == Allow("staff"), "nothing of it is recorded"


@pytest.mark.parametrize(
    ("limit", "counted", "expected"),
    [
        (2, ("a", "b", "c"), Wall("meter_exhausted")),  # a limit that was lowered
        (0, ("x",), Meter(consumes=False)),  # what was read stays open
        (0, (), Wall("meter_exhausted")),
        (1, (), Meter(consumes=True)),
    ],
)
def test_limits(limit: int, counted: tuple[str, ...], expected: Outcome) -> None:
    assert decide(article("metered"), Evidence(), meter(*counted, limit=limit), NOW) == expected


UNLOCKED = """
signed for   | free | metered         | registered      | subscribers      | no meter
free         | free | meter_not_asked | registered_only | subscribers_only | free
meter        | free | re-read         | registered_only | subscribers_only | free
registered   | free | meter_not_asked | registered      | subscribers_only | free
staff        | free | meter_not_asked | registered_only | subscribers_only | free
unheard-of   | free | meter_not_asked | registered_only | subscribers_only | free
"""
UNLOCKED += "".join(
    f"{each} | free | {each} | {each} | {each} | free\n" for each in get_args(Source)
)


def unlocked_cases() -> list[object]:
    heading, *rows = (
        [cell.strip() for cell in line.split("|")] for line in UNLOCKED.split("\n")[1:-1]
    )
    seen: dict[str, tuple[ArticleFacts, MeterSeen]] = {
        "no meter": (article("metered"), NoMeter.NOTHING_METERED)
    }
    for level in get_args(Level):
        seen[level] = (article(level, "print"), NoMeter.NOT_ASKED)
    return [
        pytest.param(row[0], *seen[column], OUTCOMES[cell], id=f"{row[0]}: {column}")
        for row in rows
        for column, cell in zip(heading[1:], row[1:], strict=True)
    ]


@pytest.mark.parametrize(("reason", "facts", "seen", "expected"), unlocked_cases())
def test_an_unlock_token_is_evidence_and_no_more(
    reason: str, facts: ArticleFacts, seen: MeterSeen, expected: Outcome
) -> None:
    claims = unlock_claims(
        issuer="https://paper.example", audience="gazette", holder_id="dev_1", article="ferry",
        reason=reason, session_id=None, token_id="t", now=NOW, life=timedelta(minutes=10),
    )  # fmt: skip
    assert decide(facts, of_claims(claims), seen, NOW) == expected


SECONDS = st.integers(-100_000, 100_000).map(lambda seconds: NOW + timedelta(seconds=seconds))
MOMENTS = st.tuples(SECONDS, st.sampled_from([0, 1, 999_999])).map(
    lambda made: made[0] + timedelta(microseconds=made[1])
)
SCOPES = st.sampled_from(
    ["everything", "plan:digital", "plan:print", "section:harbour", "article:x", "article:y", "?"]
)


def held(ends: st.SearchStrategy[datetime]) -> st.SearchStrategy[tuple[GrantFacts, ...]]:
    one = st.builds(
        GrantFacts, id=st.uuids().map(str), source=st.sampled_from(get_args(Source)),
        reference=st.just("r"), scope=SCOPES, starts_at=MOMENTS, ends_at=st.none() | ends,
        in_grace=st.booleans(),
    )  # fmt: skip
    return st.lists(one, max_size=5).map(tuple)


ARTICLES = st.builds(
    ArticleFacts, id=st.just("x"), level=st.sampled_from(get_args(Level)),
    plans=st.sampled_from([(), ("print",), ("print", "digital")]),
    section=st.sampled_from([None, "harbour"]), visible=st.booleans(),
)  # fmt: skip


NO_STAFF = st.just(False)


def readers(
    ends: st.SearchStrategy[datetime], staff: st.SearchStrategy[bool] = NO_STAFF
) -> st.SearchStrategy[Who]:
    return st.builds(
        Who, grants=held(ends), verified=st.booleans(), sign_in_offered=st.booleans(), staff=staff
    )


@given(who=readers(SECONDS), facts=ARTICLES, seen=st.sampled_from(NoMeter))
def test_rows_and_the_token_made_of_them_say_the_same(
    who: Who, facts: ArticleFacts, seen: NoMeter
) -> None:
    by_rows = decide(facts, of_rows(who), seen, NOW)
    assert by_rows == decide(facts, of_token(who), seen, NOW)
    assert by_rows == decide(facts, of_token(who, reverse=True), seen, NOW)


@given(who=readers(MOMENTS), facts=ARTICLES)
def test_a_token_opens_nothing_that_the_rows_dont(who: Who, facts: ArticleFacts) -> None:
    # A token's times are whole seconds: it may end a fraction of one earlier, never later.
    if isinstance(decide(facts, of_token(who), NoMeter.NOT_ASKED, NOW), Allow):
        assert isinstance(decide(facts, of_rows(who), NoMeter.NOT_ASKED, NOW), Allow)


@given(who=readers(MOMENTS), facts=ARTICLES)
def test_grants_open_in_any_order(who: Who, facts: ArticleFacts) -> None:
    turned = replace(who, grants=who.grants[::-1])
    for seen in (NoMeter.NOT_ASKED, meter("a")):
        there = decide(facts, of_rows(who), seen, NOW)
        assert there == decide(facts, of_rows(turned), seen, NOW)


@given(
    who=readers(MOMENTS, st.booleans()), facts=ARTICLES,
    seen=st.sampled_from([*NoMeter, meter("x"), meter()]),
)  # fmt: skip
def test_the_trail_ends_with_the_rule_that_decided(
    who: Who, facts: ArticleFacts, seen: MeterSeen
) -> None:
    outcome = decide(facts, of_rows(who), seen, NOW)
    assert [step.decided for step in outcome.trail] == [False] * (len(outcome.trail) - 1) + [True]
    # What a failing case prints.
    assert all(step.saw in repr(outcome) for step in outcome.trail)
    if not isinstance(outcome, Hidden):
        assert REASONS[outcome.reason].granted is not isinstance(outcome, Wall)


@given(
    who=readers(MOMENTS, st.booleans()), facts=ARTICLES,
    seen=st.sampled_from([*NoMeter, meter("x"), meter(), meter("a", "b", "c"), meter(limit=0)]),
    closed=st.booleans(), read=st.sampled_from([of_rows, of_token]),
)  # fmt: skip
def test_only_room_in_the_meter_is_consumed_and_never_at_a_wall(
    who: Who, facts: ArticleFacts, seen: MeterSeen, closed: bool, read: Callable[[Who], Evidence]
) -> None:
    outcome = decide(facts, replace(read(who), network_closed=closed), seen, NOW)
    if isinstance(outcome, Hidden) or not consumes(outcome):
        return
    assert not isinstance(outcome, Wall)
    assert (facts.level, closed) == ("metered", False)
    assert isinstance(seen, MeterState)
    assert seen.remaining > 0
    assert not seen.has_read(facts.id)
    assert not any(covers(each.scope, facts) and each.is_live(NOW) for each in who.grants)


def test_of_several_grants_the_longest_is_named() -> None:
    ends = (NOW + DAY, None, NOW + 2 * DAY)
    who = Who(tuple(DIGITAL._replace(ends_at=end) for end in ends))
    assert decide(article("metered"), of_rows(who), meter(), NOW).trail[-1].saw == (
        "subscription plan:digital"
    )
    who = Who(who.grants[::2])
    assert (
        "until 2026-01-22" in decide(article("metered"), of_rows(who), meter(), NOW).trail[-1].saw
    )


def test_a_token_of_an_older_release_names_no_source() -> None:
    for source, expected in (("", "subscription"), ("loan", "subscription"), ("pass", "pass")):
        named = [replace(each, source=source) for each in entitlements((DIGITAL,), NOW)]
        claims = access_claims(
            issuer="https://paper.example", audience="gazette", reader_id="rdr_1",
            session_id="ses_1", client_id="browser", scope=reading_scope(verified=False),
            entitlements=tuple(named), token_id="t", now=NOW, life=timedelta(minutes=10),
        )  # fmt: skip
        outcome = decide(article("metered"), of_claims(claims), NoMeter.NOT_ASKED, NOW)
        assert outcome == OUTCOMES[expected]
