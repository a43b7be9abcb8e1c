"""When passes open and close, whatever the order in which we hear of them."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.billing.money import Stop
from service.billing.pass_terms import BoughtPass, paid_at, periods, stop_of_pass
from service.offers.pricing import Price
from service.payments.gateway import StripeCharge, StripeDispute, StripeRefund

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = Price(200, "EUR", "week", kind="pass")
ONE_DAY = Price(200, "EUR", "day", kind="pass")


def bought(name: str, day: float, price: Price = WEEK, stop: Stop | None = None) -> BoughtPass:
    return BoughtPass(name, price, START + day * DAY, stop)


def refunded(day: float) -> Stop:
    return Stop("refund", START + day * DAY, cancels=False)


def disputed(day: float, *, lost: bool = False) -> Stop:
    return Stop("dispute_lost" if lost else "dispute", START + day * DAY, cancels=False)


@pytest.mark.parametrize(
    ("passes", "opened"),
    [
        ([bought("a", 0)], {"a": (0, 7)}),
        # A second one begins when the first ends, a later one when it is paid.
        ([bought("a", 0), bought("b", 2, ONE_DAY)], {"a": (0, 7), "b": (7, 8)}),
        ([bought("a", 0), bought("b", 7)], {"a": (0, 7), "b": (7, 14)}),
        ([bought("a", 0), bought("b", 9)], {"a": (0, 7), "b": (9, 16)}),
        (
            [bought("a", 0), bought("b", 0), bought("c", 0)],
            {"a": (0, 7), "b": (7, 14), "c": (14, 21)},
        ),
        # A refund ends one and lets the next begin; what was never begun stays shut.
        ([bought("a", 0, stop=refunded(3)), bought("b", 2)], {"a": (0, 3), "b": (3, 10)}),
        ([bought("a", 0, stop=refunded(20)), bought("b", 2)], {"a": (0, 7), "b": (7, 14)}),
        (
            [bought("a", 0), bought("b", 1, stop=refunded(2)), bought("c", 3)],
            {"a": (0, 7), "b": (7, 7), "c": (7, 14)},
        ),
        # A dispute may be won: the next one keeps its place, also where it is lost.
        ([bought("a", 0, stop=disputed(3)), bought("b", 2)], {"a": (0, 3), "b": (7, 14)}),
        (
            [bought("a", 0, stop=disputed(3, lost=True)), bought("b", 2)],
            {"a": (0, 3), "b": (7, 14)},
        ),
    ],
)
def test_periods(passes: list[BoughtPass], opened: dict[str, tuple[float, float]]) -> None:
    for order in (passes, passes[::-1]):
        placed = periods(order)
        assert {
            name: ((each.starts_at - START) / DAY, (each.closes_at - START) / DAY)
            for name, each in placed.items()
        } == opened


PASSES = st.lists(
    st.builds(
        bought,
        st.uuids().map(str),
        st.floats(0, 30),
        st.sampled_from([WEEK, ONE_DAY]),
        st.none() | st.floats(0, 40).map(refunded) | st.floats(0, 40).map(disputed),
    ),
    max_size=6,
    unique_by=lambda each: each.id,
)


@given(passes=PASSES, order=st.randoms())
def test_no_two_run_at_once_and_each_has_its_whole_time(
    passes: list[BoughtPass], order: Any
) -> None:
    placed = periods(passes)
    shuffled = list(passes)
    order.shuffle(shuffled)
    assert periods(shuffled) == placed
    spans = sorted((placed[each.id].starts_at, placed[each.id].closes_at) for each in passes)
    for (_, earlier_end), (later_start, _) in itertools.pairwise(spans):
        assert earlier_end <= later_start
    for each in passes:
        period = placed[each.id]
        assert period.starts_at >= each.paid_at
        assert period.ends_at - period.starts_at == (7 * DAY if each.price == WEEK else DAY)
        if each.stop is None:
            assert period.closes_at == period.ends_at


def charge(method: str = "card", day: float = 0) -> StripeCharge:
    return StripeCharge(
        "ch_1", "pi_1", "succeeded", 200, 0, "eur", refunded=False, disputed=False,
        created_at=START + day * DAY, method=method,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("paid", "seen", "opens"),
    [
        (charge(), 2, 0),
        (charge(day=3), 2, 2),
        # Stripe dates no debit's success: nobody loses the days that it took.
        (charge("sepa_debit"), 5, 5),
        (charge(""), 5, 5),
        (None, 5, 5),
    ],
)
def test_a_pass_opens_when_the_money_came(
    paid: StripeCharge | None, seen: float, opens: float
) -> None:
    assert paid_at(paid, START + seen * DAY) == START + opens * DAY


def refund(amount: int, day: float, status: str = "succeeded", **metadata: str) -> StripeRefund:
    return StripeRefund(
        f"re_{day}", "ch_1", "pi_1", amount, "eur", status, metadata, START + day * DAY
    )


def dispute(status: str, day: float) -> StripeDispute:
    return StripeDispute("dp_1", "ch_1", "pi_1", status, START + day * DAY)


KEEP, END = {"paywall_access": "keep"}, {"paywall_access": "end_access"}


@pytest.mark.parametrize(
    ("policy", "refunds", "disputes", "stop"),
    [
        ("end_access", [], [], None),
        ("keep", [refund(200, 1)], [], None),
        ("end_access", [refund(200, 1)], [], refunded(1)),
        ("cancel", [refund(200, 1)], [], refunded(1)),
        ("end_access", [refund(199, 1)], [], None),
        ("end_access", [refund(150, 1), refund(50, 2)], [], refunded(2)),
        ("end_access", [refund(200, 1, "pending")], [], refunded(1)),
        ("end_access", [refund(200, 1, "failed")], [], None),
        ("end_access", [refund(200, 1, **KEEP)], [], None),
        ("keep", [refund(200, 1, **END)], [], refunded(1)),
        ("keep", [], [dispute("warning_needs_response", 1)], None),
        ("keep", [], [dispute("needs_response", 1)], disputed(1)),
        ("keep", [], [dispute("under_review", 1)], disputed(1)),
        ("keep", [], [dispute("won", 1)], None),
        ("keep", [], [dispute("lost", 1)], disputed(1, lost=True)),
        ("end_access", [refund(200, 3)], [dispute("needs_response", 1)], refunded(1)),
        ("end_access", [refund(200, 1)], [dispute("lost", 2)], disputed(2, lost=True)),
    ],
)
def test_what_stops_a_pass(policy: Any, refunds: Any, disputes: Any, stop: Stop | None) -> None:
    assert stop_of_pass(charge(), refunds, disputes, policy) == stop
