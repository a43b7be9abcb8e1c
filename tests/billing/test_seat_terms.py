"""Who may take a seat, and which of the readers who joined are seated."""

from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest

from service.billing.seat_terms import (
    REFUSAL_WORDS,
    JoinedSeat,
    SeatFacts,
    TakingReason,
    may_take,
    others_of,
    seated,
)
from tests.conftest import START

JOINED = [
    JoinedSeat(name, START + timedelta(hours=at)) for name, at in (("c", 3), ("a", 1), ("b", 2))
]


@pytest.mark.parametrize(
    ("seats", "expected"),
    [(0, ""), (1, ""), (2, "a"), (3, "ab"), (4, "abc"), (9, "abc")],
)
def test_the_owner_has_one_and_who_joined_first_the_others(seats: int, expected: str) -> None:
    assert seated(JOINED, seats) == frozenset(expected)
    assert others_of(seats) == max(0, seats - 1)


def test_of_those_who_joined_at_once_the_order_is_the_same_each_time() -> None:
    at_once = [JoinedSeat(name, START) for name in "cab"]
    assert seated(at_once, 2) == seated(at_once[::-1], 2) == {"a"}


FREE = SeatFacts(
    is_removed=False, holder=None, owner="ana", is_running=True, seats=3, joined=["cleo"]
)
TAKING: list[tuple[SeatFacts, str | None, TakingReason]] = [
    (FREE, "bea", "may_take"),
    (FREE, None, "may_take"),
    (FREE, "ana", "is_owner"),
    (FREE, "cleo", "has_another"),
    (replace(FREE, joined=["cleo", "dora"]), "bea", "is_full"),
    (replace(FREE, seats=1, joined=[]), "bea", "is_full"),
    (replace(FREE, holder="bea", joined=["bea", "cleo", "dora"]), "bea", "has_it"),
    (replace(FREE, holder="bea"), "dora", "is_taken"),
    (replace(FREE, holder="bea"), None, "is_taken"),
    (replace(FREE, holder="bea", is_removed=True), "bea", "removed"),
    (replace(FREE, holder="bea", is_running=False), "bea", "is_over"),
]


@pytest.mark.parametrize(("seat", "reader", "expected"), TAKING)
def test_who_may_take_a_seat(seat: SeatFacts, reader: str | None, expected: TakingReason) -> None:
    assert may_take(seat, reader) == expected


def test_each_refusal_says_why() -> None:
    assert set(REFUSAL_WORDS) == set(get_args(TakingReason)) - {"may_take", "has_it"}
