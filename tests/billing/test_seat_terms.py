"""Who may take a seat, and which of the readers who joined are seated."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, get_args

import pytest

from service.billing.seat_terms import (
    REFUSAL_WORDS,
    JoinedSeat,
    NumberOfSeats,
    SeatFacts,
    TakingReason,
    may_take,
    number_of_seats,
    others_of,
    seated,
    seats_at,
)
from service.payments.gateway import StripeInvoiceLine
from tests.billing.stripe_values import DAY, MONTH_END, STARTED, bill, item
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


NOW = STARTED + 10 * DAY


def line(quantity: int, at: int = 0, **fields: Any) -> StripeInvoiceLine:
    """Of the price of `item`, from the day `at` of the period; a part of it from the first day on."""
    made = StripeInvoiceLine(
        "price_1", 900 * quantity, quantity, STARTED + at * DAY, MONTH_END, is_proration=at > 0
    )
    return replace(made, **fields)


PERIOD, BACK = line(5), line(5, 8, amount=-3000)
FEWER_AT_THE_END = NumberOfSeats(5, 2, MONTH_END)


@pytest.mark.parametrize(
    ("billed", "status", "pending", "expected"),
    [
        pytest.param([PERIOD], "paid", [], FEWER_AT_THE_END, id="five are paid, and two are left"),
        pytest.param([PERIOD], "draft", [], FEWER_AT_THE_END, id="the renewal is a draft for an hour"),
        pytest.param([PERIOD], "open", [], FEWER_AT_THE_END, id="its payment is tried again"),
        pytest.param([PERIOD], "void", [], NumberOfSeats(2), id="nobody has to pay for five"),
        pytest.param([PERIOD, BACK, line(2, 8)], "paid", [], NumberOfSeats(2), id="money went back"),
        pytest.param([PERIOD], "paid", [BACK, line(2, 8)], NumberOfSeats(2), id="it will go back"),
        pytest.param(
            [PERIOD, BACK, line(3, 8)], "paid", [], NumberOfSeats(3, 2, MONTH_END),
            id="for two of five money went back, and one more goes with the period",
        ),
        pytest.param(
            [line(3), line(3, 4, amount=-2000), line(5, 4)], "paid", [], FEWER_AT_THE_END,
            id="two more were bought meanwhile",
        ),
        pytest.param(
            [PERIOD, line(5, 8, amount=-3000), line(3, 8), line(3, 8, amount=-2000), line(2, 8)],
            "paid", [], NumberOfSeats(2), id="of two changes at once the last one counts",
        ),
        pytest.param([line(5, amount=0)], "paid", [], FEWER_AT_THE_END, id="a trial"),
        pytest.param(
            [line(5, amount=0)], "paid", [line(5, 8, amount=0), line(2, 8, amount=0)], FEWER_AT_THE_END,
            id="a trial, of which there is nothing to give back",
        ),
        pytest.param(
            [line(5, amount=0), line(3, 8, is_proration=False)], "paid", [], NumberOfSeats(3, 2, MONTH_END),
            id="a trial that was ended before",
        ),
        pytest.param([line(5, price_id="price_2")], "paid", [], NumberOfSeats(2), id="another price"),
        pytest.param([line(5, ends_at=STARTED)], "paid", [], NumberOfSeats(2), id="a period before"),
        pytest.param([line(1)], "paid", [], NumberOfSeats(2), id="more than is paid"),
        pytest.param([], "paid", [], NumberOfSeats(2), id="nothing was billed"),
    ],
)  # fmt: skip
def test_a_seat_follows_its_money(
    billed: list[StripeInvoiceLine],
    status: str,
    pending: list[StripeInvoiceLine],
    expected: NumberOfSeats,
) -> None:
    invoices = [bill(status=status, lines=tuple(billed))]
    two = replace(item(), quantity=2)
    assert number_of_seats(two, invoices, pending, NOW) == expected


def test_of_several_invoices_the_order_they_were_made_in_counts() -> None:
    two = replace(item(), quantity=2)
    made = [
        bill("1", lines=(PERIOD,)),
        bill("2", STARTED + 4 * DAY, lines=(line(3, 4),)),
        bill("3", STARTED + 4 * DAY, lines=(line(4, 4),)),
    ]
    assert number_of_seats(two, made[::-1], [], NOW) == NumberOfSeats(4, 2, MONTH_END)


@dataclass(frozen=True)
class Row:
    seats: int = 5
    next_seats: int | None = 2
    next_seats_at: datetime | None = MONTH_END


@pytest.mark.parametrize(
    ("row", "now", "expected"),
    [
        (Row(), NOW, FEWER_AT_THE_END),
        (Row(), MONTH_END, NumberOfSeats(2)),
        (Row(next_seats=None, next_seats_at=None), NOW, NumberOfSeats(5)),
    ],
)
def test_what_is_stored_counts_by_the_instant(
    row: Row, now: datetime, expected: NumberOfSeats
) -> None:
    assert seats_at(row, now) == expected
