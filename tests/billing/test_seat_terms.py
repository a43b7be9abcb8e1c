"""Which of the readers who joined are seated."""

from datetime import timedelta

import pytest

from service.billing.seat_terms import JoinedSeat, others_of, seated
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
