"""What moves MRR: each kind with its cause and its instant, and sums that always agree."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.billing.money import Money
from service.billing.movements import Cause, Kind, Movement, movements
from service.billing.state import StoredState
from service.payments.gateway import StripeDiscount
from tests.billing.stripe_values import DAY, HOUR, MONTH_END, STARTED, bill, charge
from tests.billing.test_transitions import stored

SEEN = STARTED + 10 * DAY
LATER = MONTH_END + 10 * DAY
ACTIVE = stored(synced_at=SEEN)
NEW = movements(None, ACTIVE, Money(), chain=(), others=())
YEARLY = stored(
    synced_at=LATER, amount=12000, recurring_amount=12000, net_amount=12000, interval="year",
    offer_id="off_2",
)  # fmt: skip
CHEAPER = replace(ACTIVE, amount=600, recurring_amount=600, net_amount=600, offer_id="off_3")
PAUSED = replace(ACTIVE, pauses_collection=True)
UNPAID = replace(ACTIVE, status="unpaid")
TRIED = Money(
    (bill("2", MONTH_END, status="open", paid_at=None),),
    (charge("2", MONTH_END + 3 * DAY, status="failed"), charge("2", MONTH_END, status="failed")),
)
FOREVER = StripeDiscount(
    "di_1", "STAFF", Decimal(100), None, None, "forever", MONTH_END + DAY, None
)
SPRING = replace(
    FOREVER, id="di_2", coupon_id="SPRING", percent_off=Decimal(50), duration="repeating",
    ends_at=MONTH_END + 2 * DAY,
)  # fmt: skip
FREE = replace(ACTIVE, recurring_amount=0, net_amount=0, discounts=(FOREVER,))
HALF = replace(ACTIVE, net_amount=450, discounts=(SPRING,))


def seen_at(state: StoredState, at: datetime = LATER) -> StoredState:
    return replace(state, synced_at=at)


def others(at: datetime, ends: datetime | None = None) -> tuple[Movement, ...]:
    """Another subscription of the same reader's, from `at` on."""
    (began,) = movements(
        None, replace(ACTIVE, id="sub_2", started_at=at), Money(), chain=(), others=()
    )
    if ends is None:
        return (began,)
    return began, replace(began, at=ends, kind="churn_voluntary", before=began.after, after=None)


BEGINNINGS: dict[
    str, tuple[StoredState | None, StoredState, Money, Sequence[Movement], Kind, Cause, datetime]
] = {
    "a first subscription": (None, ACTIVE, Money(), (), "new", "started", STARTED),
    "heard of when it is overdue": (
        None, replace(ACTIVE, status="past_due"), Money(), (), "new", "started", STARTED,
    ),
    "its first payment took a day": (
        stored("incomplete"), ACTIVE, Money((bill("1", paid_at=STARTED + DAY),)), (), "new",
        "started", STARTED,
    ),
    "after a trial": (
        stored("trialing", trial_end=STARTED + 7 * DAY), replace(ACTIVE, trial_end=STARTED + 7 * DAY),
        Money((bill("2", STARTED + 7 * DAY), bill("1", amount_due=0))), (), "new", "trial_ended",
        STARTED + 7 * DAY,
    ),
    "after a trial and a pause for want of a card": (
        stored("paused", trial_end=STARTED + 7 * DAY), replace(ACTIVE, trial_end=STARTED + 7 * DAY),
        Money((bill("2", STARTED + 9 * DAY), bill("1", amount_due=0))), (), "new", "trial_ended",
        STARTED + 9 * DAY,
    ),
    "beside another one": (
        None, ACTIVE, Money(), others(STARTED - DAY), "expansion", "started", STARTED,
    ),
    "after another one": (
        None, ACTIVE, Money(), others(STARTED - DAY, STARTED - HOUR), "reactivation", "started",
        STARTED,
    ),
    "before another one that was heard of first": (
        None, ACTIVE, Money(), others(STARTED + DAY), "new", "started", STARTED,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "money", "beside", "kind", "cause", "at"),
    BEGINNINGS.values(),
    ids=BEGINNINGS,
)
def test_beginnings(
    before: StoredState | None, after: StoredState, money: Money, beside: Sequence[Movement],
    kind: Kind, cause: Cause, at: datetime,
) -> None:  # fmt: skip
    (found,) = movements(before, after, money, chain=(), others=beside)
    assert (found.kind, found.cause, found.at) == (kind, cause, at)
    assert (found.before, found.after) == (None, after.revenue)


CHANGES: dict[str, tuple[StoredState, Money, Sequence[Movement], Kind, Cause, datetime]] = {
    "cancelled": (
        stored("canceled", ended_at=MONTH_END), Money(), (), "churn_voluntary", "voluntary",
        MONTH_END,
    ),
    "its payments failed": (
        stored("canceled", ended_at=MONTH_END, cancel_reason="payment_failed"), Money(), (),
        "churn_involuntary", "payment_failed", MONTH_END,
    ),
    "retries exhausted": (
        UNPAID, TRIED, (), "churn_involuntary", "payment_failed", MONTH_END + 3 * DAY,
    ),
    "a lost dispute": (
        stored("canceled", ended_at=MONTH_END, access_stop="dispute_lost"), Money(), (),
        "churn_voluntary", "dispute_lost", MONTH_END,
    ),
    "one of two ends": (
        stored("canceled", ended_at=MONTH_END), Money(), others(STARTED + DAY), "contraction",
        "voluntary", MONTH_END,
    ),
    "one ends before the other begins": (
        stored("canceled", ended_at=MONTH_END), Money(), others(MONTH_END + DAY),
        "churn_voluntary", "voluntary", MONTH_END,
    ),
    "bought twice": (
        replace(ACTIVE, access_stop="duplicate", access_stopped_at=STARTED + DAY), Money(),
        others(STARTED + DAY), "contraction", "duplicate", STARTED + DAY,
    ),
    "collection paused, which Stripe doesn't date": (
        PAUSED, Money(), (), "pause", "collection_paused", LATER,
    ),
    "a trial given in between": (
        replace(ACTIVE, status="trialing", trial_end=LATER + DAY), Money(), (), "pause",
        "trial_extended", LATER,
    ),
    "a cheaper plan with its invoice": (
        CHEAPER, Money((bill("2", SEEN + DAY, billing_reason="subscription_update"),)), (),
        "contraction", "switched", SEEN + DAY,
    ),
    "a cheaper plan from the renewal on": (
        CHEAPER, Money((bill("2", MONTH_END),)), (), "contraction", "switched", MONTH_END,
    ),
    "a dearer plan without an invoice": (
        replace(CHEAPER, amount=1500, recurring_amount=1500, net_amount=1500), Money(), (),
        "expansion", "switched", LATER,
    ),
    "from a month to a year at a better price a month": (
        replace(YEARLY, recurring_amount=9600), Money(), (), "contraction", "switched", LATER,
    ),
    "another plan at the same price": (
        replace(ACTIVE, plan="other", offer_id="off_4"), Money(), (), "expansion", "switched", LATER,
    ),
    "free for ever": (FREE, Money(), (), "contraction", "discount", MONTH_END + DAY),
    "half price for a while": (
        replace(HALF, discounts=(replace(SPRING, starts_at=SEEN + DAY),)), Money(), (),
        "contraction", "discount", SEEN + DAY,
    ),
    "nothing of ours any more": (
        replace(ACTIVE, outside="price"), Money(), (), "churn_voluntary",
        "not_sold", LATER,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("after", "money", "beside", "kind", "cause", "at"), CHANGES.values(), ids=CHANGES
)
def test_changes_of_what_runs(
    after: StoredState, money: Money, beside: Sequence[Movement], kind: Kind, cause: Cause,
    at: datetime,
) -> None:  # fmt: skip
    (found,) = movements(ACTIVE, seen_at(after), money, chain=NEW, others=beside)
    assert (found.kind, found.cause, found.at) == (kind, cause, at)
    assert (found.before, found.after) == (ACTIVE.revenue, after.revenue)


RETURNS: dict[str, tuple[StoredState, Money, Kind, Cause, datetime]] = {
    "collected again": (PAUSED, Money(), "resume", "collection_resumed", LATER),
    "paid at last": (
        UNPAID, Money((bill("2", MONTH_END, paid_at=MONTH_END + 5 * DAY),), TRIED.charges),
        "reactivation", "paid", MONTH_END + 5 * DAY,
    ),
    "free for ever no more": (FREE, Money(), "expansion", "discount", LATER),
    "the cheap months are over": (HALF, Money(), "expansion", "discount", MONTH_END + 2 * DAY),
    "no duplicate after all": (
        replace(ACTIVE, access_stop="duplicate", access_stopped_at=SEEN), Money(), "reactivation",
        "kept", LATER,
    ),
    "back to a plan of ours": (
        replace(ACTIVE, outside="price"), Money(), "reactivation", "switched", LATER,
    ),
    "the second trial is over": (
        replace(ACTIVE, status="trialing"), Money(), "resume", "trial_ended", STARTED + 20 * DAY,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("between", "money", "kind", "cause", "at"), RETURNS.values(), ids=RETURNS)
def test_returns(
    between: StoredState, money: Money, kind: Kind, cause: Cause, at: datetime
) -> None:
    between = seen_at(between, SEEN + DAY)
    chain = NEW + movements(ACTIVE, between, money, chain=NEW, others=())
    after = seen_at(ACTIVE)
    if between.status == "trialing":
        after = replace(after, trial_end=at)
    (found,) = movements(between, after, money, chain=chain, others=())
    assert (found.kind, found.cause, found.at) == (kind, cause, at)
    assert (found.before, found.after) == (chain[-1].after, after.revenue)


NOTHING_MOVES = {
    "seen again": ACTIVE,
    "renewed": replace(ACTIVE, current_period_end=LATER),
    "overdue": replace(ACTIVE, status="past_due"),
    "scheduled to end": replace(ACTIVE, cancel_at=MONTH_END),
    "disputed": replace(ACTIVE, access_stop="dispute", access_stopped_at=SEEN),
}


@pytest.mark.parametrize("after", NOTHING_MOVES.values(), ids=NOTHING_MOVES)
def test_nothing_moves(after: StoredState) -> None:
    assert movements(ACTIVE, seen_at(after), Money(), chain=NEW, others=()) == ()


@pytest.mark.parametrize(
    "status", ["trialing", "incomplete", "incomplete_expired", "paused", "canceled"]
)
def test_what_never_paid_brings_nothing(status: str) -> None:
    assert movements(None, stored(status, ended_at=SEEN), Money(), chain=(), others=()) == ()


def test_another_currency_is_two_movements() -> None:
    after = seen_at(replace(ACTIVE, currency="CHF", offer_id="off_5"))
    out, into = movements(ACTIVE, after, Money(), chain=NEW, others=())
    assert (out.kind, out.before, out.after) == ("contraction", ACTIVE.revenue, None)
    assert (into.kind, into.before, into.after) == ("expansion", None, after.revenue)


def test_an_erasure_is_said_to_be_one() -> None:
    after = stored("canceled", ended_at=LATER)
    (found,) = movements(ACTIVE, after, Money(), chain=NEW, others=(), is_erased=True)
    assert (found.kind, found.cause, found.at) == ("churn_voluntary", "erased", LATER)


STATES = (
    ACTIVE, CHEAPER, YEARLY, PAUSED, UNPAID, FREE, HALF, stored("past_due"), stored("trialing"),
    replace(ACTIVE, access_stop="duplicate", access_stopped_at=SEEN), stored("canceled"),
)  # fmt: skip


@given(st.lists(st.sampled_from(STATES), min_size=1, max_size=8))
def test_movements_add_up_to_what_it_brings(states: list[StoredState]) -> None:
    """Whatever is seen of it, and however often."""
    chain: tuple[Movement, ...] = ()
    before: StoredState | None = None
    for day, state in enumerate(states):
        after = seen_at(state, SEEN + day * DAY)
        for _ in range(2):
            chain += movements(before, after, Money(), chain=chain, others=())
            before = after
    assert all(left.after == right.before for left, right in pairwise(chain))
    assert all(left.at <= right.at for left, right in pairwise(chain))
    total = sum(
        ((each.after.mrr if each.after else 0) - (each.before.mrr if each.before else 0))
        for each in chain
    )
    now = states[-1].revenue
    assert Fraction(total) == (now.mrr if now is not None else 0)
