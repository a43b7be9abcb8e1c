"""When gift subscriptions open: a table of what they are, and histories of several beside a subscription."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from service.billing.gift_periods import GiftFacts, GiftSubscriptionState, Redeemed, placed
from tests.conftest import START as NOW

DAY = timedelta(days=1)
PAID = GiftFacts(paid_at=NOW - 9 * DAY)
RUNS = replace(PAID, redeemed_at=NOW - DAY, starts_at=NOW - DAY, ends_at=NOW + 29 * DAY)
STATES: list[tuple[GiftFacts, GiftSubscriptionState]] = [
    (GiftFacts(), "unpaid"),
    (PAID, "unredeemed"),
    (RUNS, "running"),
    (replace(RUNS, starts_at=NOW + DAY), "waiting"),
    (replace(RUNS, ends_at=NOW), "over"),
    (replace(PAID, revoked_at=NOW), "revoked"),
    (replace(RUNS, revoked_at=NOW), "revoked"),
    (replace(PAID, stopped_at=NOW), "refunded"),
    (replace(RUNS, stopped_at=NOW, revoked_at=NOW), "refunded"),
    # The bank hasn't decided yet: nothing was given back.
    (replace(PAID, stopped_at=NOW, access_stop="dispute"), "disputed"),
    (replace(RUNS, stopped_at=NOW, access_stop="dispute"), "disputed"),
    (replace(RUNS, stopped_at=NOW, access_stop="dispute_lost"), "refunded"),
    (replace(RUNS, stopped_at=NOW, access_stop="refund"), "refunded"),
]


@pytest.mark.parametrize(("facts", "expected"), STATES)
def test_what_a_gift_is(facts: GiftFacts, expected: GiftSubscriptionState) -> None:
    assert facts.state(NOW) == expected


def gift(starts: float, ends: float, name: str = "a", plan: str = "digital") -> Redeemed:
    return Redeemed(name, plan, NOW + starts * DAY, NOW + ends * DAY)


PLACES: list[tuple[list[Redeemed], float | None, list[tuple[float, float]]]] = [
    # It runs by itself, and what is over stays as it was.
    ([gift(-1, 29)], None, [(-1, 29)]),
    ([gift(-31, -1)], None, [(-31, -1)]),
    # A subscription begins: the rest lies behind it, and moves with each renewal.
    ([gift(-1, 29)], 14, [(14, 43)]),
    ([gift(14, 43)], 45, [(45, 74)]),
    # It ended before its time: the rest goes on at once. At its end nothing has to be done.
    ([gift(14, 43)], None, [(0, 29)]),
    ([gift(0, 29)], None, [(0, 29)]),
    # Several: one after the other, in the order in which they were redeemed.
    ([gift(-1, 29), gift(0, 30, "b")], None, [(-1, 29), (29, 59)]),
    ([gift(-1, 29), gift(29, 59, "b")], 10, [(10, 39), (39, 69)]),
    ([gift(-40, -10), gift(5, 35, "b")], None, [(-40, -10), (0, 30)]),
    # Another plan isn't what the subscription gives: it runs beside it.
    ([gift(-1, 29, "a", "all"), gift(-1, 29, "b")], 14, [(-1, 29), (14, 43)]),
    ([gift(14, 43, "a", "all"), gift(-1, 29, "b")], 14, [(0, 29), (14, 43)]),
]


@pytest.mark.parametrize(("gifts", "subscribed", "expected"), PLACES)
def test_where_the_rest_of_it_lies(
    gifts: list[Redeemed], subscribed: float | None, expected: list[tuple[float, float]]
) -> None:
    until = NOW + subscribed * DAY if subscribed is not None else None
    found = placed(gifts, {"digital": until}, NOW)
    assert [found[each.id] for each in gifts] == [
        gift(starts, ends, each.id, each.plan)
        for each, (starts, ends) in zip(gifts, expected, strict=True)
    ]


def test_no_day_is_lost_however_often_it_is_arranged() -> None:
    held = gift(0, 30)
    at: datetime = NOW
    for until in (NOW + 20 * DAY, NOW + 50 * DAY, None, NOW + 90 * DAY):
        held = placed([held], {"digital": until}, at)["a"]
        assert held.ends_at - max(held.starts_at, at) == 30 * DAY
