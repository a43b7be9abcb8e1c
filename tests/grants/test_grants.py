"""Which grants are live and what they cover."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.grants.entitlement import entitlements
from service.grants.grants import GrantableArticle, GrantFacts, covers, live, plan_scope

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=30)
TICK = timedelta(microseconds=1)
GRANT = GrantFacts("grt_1", "subscription", "sub_1", "plan:digital", START, END)
METERED = GrantableArticle("art_1", "metered", (), "harbour")
PREMIUM = GrantableArticle("art_1", "subscribers", ("print", "all-access"), "harbour")
FOR_ALL = GrantableArticle("art_1", "subscribers", (), None)


@pytest.mark.parametrize(
    ("at", "is_live"),
    [(START - TICK, False), (START, True), (END - TICK, True), (END, False)],
)
def test_a_grant_lives_from_its_start_up_to_its_end(at: datetime, is_live: bool) -> None:
    assert GRANT.is_live(at) is is_live
    assert live([GRANT], at) == ((GRANT,) if is_live else ())
    assert GRANT._replace(ends_at=None).is_live(at + timedelta(days=9999))
    assert not GRANT._replace(ends_at=START).is_live(START)


@pytest.mark.parametrize(
    ("scope", "article", "covered"),
    [
        ("everything", PREMIUM, True),
        ("everything:else", METERED, False),
        ("plan:digital", METERED, True),
        ("plan:digital", FOR_ALL, True),
        ("plan:digital", PREMIUM, False),
        ("plan:print", PREMIUM, True),
        # The plans of an article count at level subscribers only.
        ("plan:digital", GrantableArticle("a", "metered", ("print",), None), True),
        ("plan:", METERED, False),
        ("plan", METERED, False),
        ("section:harbour", PREMIUM, True),
        ("section:market", METERED, False),
        ("section:", FOR_ALL, False),
        ("article:art_1", PREMIUM, True),
        ("article:art_2", METERED, False),
        ("article:", METERED, False),
        ("", METERED, False),
        ("Everything", METERED, False),
        ("something:new", METERED, False),
    ],
)
def test_scopes(scope: str, article: GrantableArticle, covered: bool) -> None:
    assert covers(scope, article) is covered


SCOPES = st.sampled_from(["everything", "plan:digital", "plan:print", "section:harbour", "bad"])
MOMENTS = st.integers(-50, 50).map(lambda days: START + timedelta(days=days))
GRANTS = st.lists(
    st.builds(
        GrantFacts,
        id=st.uuids().map(str),
        source=st.sampled_from(["subscription", "comp", "pass"]),
        reference=st.just("r"),
        scope=SCOPES,
        starts_at=MOMENTS,
        ends_at=st.none() | MOMENTS,
        in_grace=st.booleans(),
    ),
    max_size=6,
)


@given(grants=GRANTS, at=MOMENTS)
def test_a_token_names_what_is_live_and_never_promises_more(
    grants: list[GrantFacts], at: datetime
) -> None:
    told = entitlements(grants, at)
    assert told == entitlements(reversed(grants), at)
    assert len(told) == len(live(grants, at))
    for each in told:
        assert each.until is None or each.until > at.timestamp()
        assert each.plan is None or each.scope == plan_scope(each.plan)
    assert sorted(each.source for each in told) == sorted(each.source for each in live(grants, at))


def test_until_is_rounded_down() -> None:
    grant = GRANT._replace(ends_at=END + timedelta(seconds=0.9))
    assert entitlements([grant], START)[0].until == END.timestamp()


def test_of_very_many_grants_a_token_names_the_widest_and_then_the_latest() -> None:
    plan = GRANT._replace(scope=plan_scope("digital"))
    passes = [
        GRANT._replace(id=f"g{n}", scope=f"article:art_{n}", starts_at=START - timedelta(minutes=n))
        for n in range(500)
    ]
    told = entitlements([*passes, plan], START)
    assert told == entitlements([plan, *reversed(passes)], START)
    assert 20 < len(told) < 100
    named = {each.scope for each in told}
    assert named == {plan.scope, *(each.scope for each in passes[: len(told) - 1])}
