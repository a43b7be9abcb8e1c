"""What takes access away although the status would give it, by billing.md's policies."""

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import permutations
from typing import Any

import pytest

from service.billing.duplicates import Duplicate, duplicate_of, kept_of
from service.billing.lifecycle import Terms, grant_of, payment_problem
from service.billing.money import Money, RefundPolicy, Stop, stop_of, stop_since_import
from service.payments.gateway import StripeInvoiceLine
from tests.billing.stripe_values import (
    DAY,
    HOUR,
    MONTH_END,
    STARTED,
    bill,
    charge,
    dispute,
    refund,
    subscription,
)

FIRST, SECOND, THIRD = STARTED, STARTED + DAY, STARTED + 2 * DAY
TERMS = Terms(renewal_slack=48 * HOUR, grace=14 * DAY)

CHANGE = bill("2", SECOND, billing_reason="subscription_update")
WHOLE = StripeInvoiceLine("price_2", 9000, 1, SECOND, MONTH_END, is_proration=False)


def paid(*refunds: Any, **also: Any) -> Money:
    """One paid invoice with its charge."""
    return Money(invoices=(bill(),), charges=(charge(),), refunds=refunds, **also)


@pytest.mark.parametrize("policy", ["keep", "end_access", "cancel"])
@pytest.mark.parametrize("chosen", [None, "keep", "end_access", "cancel", "something else"])
def test_a_full_refund_follows_what_was_chosen_with_it_else_the_setting(
    policy: RefundPolicy, chosen: str | None
) -> None:
    metadata = {"paywall_access": chosen} if chosen else {}
    stop = stop_of(paid(refund(at=SECOND, metadata=metadata)), policy, trial_used_at=None)
    followed = chosen if chosen in {"keep", "end_access", "cancel"} else policy
    expected = {
        "keep": None,
        "end_access": Stop("refund", SECOND, cancels=False),
        "cancel": Stop("refund", SECOND, cancels=True),
    }
    assert stop == expected[followed]


@pytest.mark.parametrize(
    ("money", "stopped_at"),
    [
        (paid(), None),
        (paid(refund(amount=899)), None),
        (paid(refund("b", SECOND, charge_id="ch_1", amount=500),
              refund("a", FIRST, charge_id="ch_1", amount=400)), SECOND),
        (paid(refund(status="pending")), FIRST),
        (paid(refund(status="failed")), None),
        (paid(refund(status="canceled")), None),
        (paid(refund(status="requires_action")), None),
        # What was refunded is no longer the latest that was paid.
        (Money((bill("2", THIRD), bill("1")), (charge("2", THIRD), charge("1")),
               (refund("1", SECOND),)), None),
        (Money((bill("2", THIRD), bill("1")), (charge("2", THIRD), charge("1")),
               (refund("2", THIRD),)), THIRD),
        # A later invoice that isn't paid changes nothing, nor does one that took nothing: Stripe's
        # credit after a switch to a cheaper price is made of the money that was given back.
        (Money((bill("2", THIRD, status="open"), bill("1")), (charge("1"),),
               (refund("1", SECOND),)), SECOND),
        (Money((bill("2", THIRD, amount_paid=0, payments=()), bill("1")), (charge("1"),),
               (refund("1", SECOND),)), SECOND),
        # Money from outside of Stripe has no charge and is money all the same.
        (Money((bill("2", THIRD, payments=()), bill("1")), (charge("1"),),
               (refund("1", SECOND),)), None),
        # A change within the period is paid beside it: both have to go back.
        (Money((CHANGE, bill("1")), (charge("2", SECOND), charge("1")), (refund("2", THIRD),)), None),
        (Money((CHANGE, bill("1")), (charge("2", SECOND), charge("1")), (refund("1", THIRD),)), None),
        (Money((CHANGE, bill("1")), (charge("2", SECOND), charge("1")),
               (refund("1", THIRD), refund("2", SECOND))), THIRD),
        (Money((replace(CHANGE, payments=()), bill("1")), (charge("1"),), (refund("1", THIRD),)), None),
        (Money((CHANGE, bill("1", billing_reason="subscription_create")),
               (charge("2", SECOND), charge("1")), (refund("2", THIRD),)), None),
        # A switch to another interval begins a period of its own.
        (Money((replace(CHANGE, lines=(WHOLE,)), bill("1")), (charge("2", SECOND), charge("1")),
               (refund("2", THIRD),)), THIRD),
        # Declined tries of the same payment took nothing.
        (Money((bill(),), (charge(), charge("1", id="ch_0", status="failed")),
               (refund(),)), FIRST),
        (Money(), None),
    ],
)  # fmt: skip
def test_which_refund_completes_giving_back_what_was_paid_for_the_period(
    money: Money, stopped_at: datetime | None
) -> None:
    stop = stop_of(money, "end_access", trial_used_at=None)
    assert (stop.at if stop is not None else None) == stopped_at


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["needs_response"], Stop("dispute", FIRST, cancels=False)),
        (["under_review"], Stop("dispute", FIRST, cancels=False)),
        (["won"], None),
        (["lost"], Stop("dispute_lost", FIRST, cancels=True)),
        (["won", "needs_response"], Stop("dispute", SECOND, cancels=False)),
        (["needs_response", "lost"], Stop("dispute_lost", SECOND, cancels=True)),
        (["warning_needs_response"], None),
        (["warning_under_review"], None),
        (["warning_closed"], None),
        (["a_status_of_the_future"], None),
        ([], None),
    ],
)
def test_disputes(statuses: list[str], expected: Stop | None) -> None:
    disputes = tuple(
        dispute(status, at) for status, at in zip(statuses, (FIRST, SECOND), strict=False)
    )
    assert stop_of(paid(disputes=disputes), "keep", trial_used_at=None) == expected


@pytest.mark.parametrize(
    ("money", "trial_used_at", "kind"),
    [
        (paid(refund(), disputes=(dispute("lost"),)), FIRST, "dispute_lost"),
        (paid(refund(), disputes=(dispute("needs_response"),)), FIRST, "trial_used"),
        (paid(refund(), disputes=(dispute("needs_response"),)), None, "refund"),
        (paid(refund(metadata={"reason": "duplicate"})), None, "duplicate"),
        (paid(disputes=(dispute("needs_response"),)), None, "dispute"),
    ],
)
def test_the_gravest_reason_is_told(
    money: Money, trial_used_at: datetime | None, kind: str
) -> None:
    stop = stop_of(money, "cancel", trial_used_at=trial_used_at)
    assert stop is not None
    assert stop.kind == kind


@pytest.mark.parametrize("status", ["trialing", "active", "past_due"])
def test_a_stop_ends_access_at_its_time_and_never_lengthens_it(status: str) -> None:
    usual = grant_of(subscription(status), [], TERMS)
    stopped = grant_of(subscription(status), [], TERMS, Stop("dispute", SECOND, cancels=False))
    assert (stopped.ends_at, stopped.in_grace, stopped.reason) == (SECOND, False, "dispute")
    assert (stopped.access_stop, stopped.access_stopped_at) == ("dispute", SECOND)
    late = grant_of(
        subscription(status), [], TERMS, Stop("refund", MONTH_END + 90 * DAY, cancels=False)
    )
    assert (late.ends_at, late.reason) == (usual.ends_at, usual.reason)
    early = grant_of(subscription(status), [], TERMS, Stop("refund", STARTED - DAY, cancels=True))
    assert early.ends_at == early.starts_at


def test_a_stop_gives_back_nothing_that_had_ended_before() -> None:
    stopped = grant_of(subscription("unpaid"), [], TERMS, Stop("dispute", THIRD, cancels=False))
    assert stopped.end(before=SECOND, seen_at=MONTH_END) == SECOND


def test_what_an_open_invoice_waits_for() -> None:
    owed = bill(status="open", hosted_url="https://pay", amount_paid=0)
    asks = Money((owed,), needs_action=True)
    assert payment_problem(subscription("past_due"), Money((owed,))) == ("card", "https://pay")
    assert payment_problem(subscription("unpaid"), asks) == ("authentication", "https://pay")
    assert payment_problem(subscription("active"), asks) == ("", None)
    assert payment_problem(subscription("past_due"), Money((bill(),))) == ("", None)


@dataclass
class Row:
    id: str
    status: str
    started_at: datetime
    access_stop: str = ""
    cancel_at: datetime | None = None
    joined_at: datetime | None = None
    imported_at: datetime | None = None


@pytest.mark.parametrize(
    ("live", "kept"),
    [
        # The earlier of two good ones, and by the id in the same second.
        ([Row("b", "active", FIRST), Row("a", "active", SECOND)], "b"),
        ([Row("b", "active", FIRST), Row("a", "active", FIRST)], "a"),
        # What is paid yields to no trial and to nothing that ends, no matter who began those with the
        # reader's address.
        ([Row("a", "trialing", FIRST), Row("b", "active", SECOND)], "b"),
        ([Row("a", "trialing", FIRST), Row("b", "past_due", SECOND)], "a"),
        ([Row("a", "active", FIRST, cancel_at=THIRD), Row("b", "active", SECOND)], "b"),
        ([Row("a", "active", FIRST, cancel_at=THIRD), Row("b", "trialing", SECOND)], "b"),
        # The better status wins over the earlier start.
        ([Row("a", "past_due", FIRST), Row("b", "active", SECOND)], "b"),
        ([Row("a", "unpaid", FIRST), Row("b", "past_due", SECOND)], "b"),
        ([Row("a", "paused", FIRST), Row("b", "unpaid", SECOND)], "a"),
        # What doesn't open anything isn't kept instead of what does.
        ([Row("a", "active", FIRST, "dispute"), Row("b", "active", SECOND)], "b"),
        ([Row("a", "active", FIRST, "refund"), Row("b", "past_due", SECOND)], "b"),
        # Who is noted as duplicate competes anew: the one it yielded to may be over.
        ([Row("a", "active", FIRST, "duplicate"), Row("b", "active", SECOND)], "a"),
        # What joined the account yields to the reader's own, where that opens articles and goes on.
        ([Row("a", "active", FIRST, joined_at=THIRD), Row("b", "past_due", SECOND)], "b"),
        ([Row("a", "unpaid", FIRST), Row("b", "active", SECOND, joined_at=THIRD)], "b"),
        (
            [
                Row("a", "active", FIRST, cancel_at=THIRD),
                Row("b", "active", SECOND, joined_at=THIRD),
            ],
            "b",
        ),
        # What goes for another reason makes nobody a duplicate.
        ([Row("a", "trialing", FIRST, "trial_used"), Row("b", "active", SECOND)], "b"),
        ([Row("a", "active", FIRST, "dispute_lost"), Row("b", "unpaid", SECOND)], "b"),
        ([Row("a", "active", FIRST, "dispute_lost")], None),
        ([], None),
    ],
)
def test_which_of_a_readers_subscriptions_is_kept(live: list[Row], kept: str | None) -> None:
    for order in permutations(live):
        found = kept_of(order)
        assert (found.id if found is not None else None) == kept


@pytest.mark.parametrize(
    "own",
    [
        Row("own", "unpaid", FIRST),
        Row("own", "active", FIRST, cancel_at=THIRD),
        Row("own", "active", FIRST, "dispute"),
        Row("own", "active", FIRST),
        Row("own", "past_due", THIRD),
    ],
)
def test_what_joined_never_ends_the_readers_own_and_is_refunded_where_it_goes(own: Row) -> None:
    joined = Row("joined", "active", SECOND, joined_at=THIRD)
    assert duplicate_of(own, [own, joined]) is None
    goes = duplicate_of(joined, [own, joined])
    assert goes is None or goes.is_refunded
    opens_and_goes_on = own.status != "unpaid" and own.cancel_at is None and not own.access_stop
    assert (goes is not None) is opens_and_goes_on


def test_duplicates_know_what_they_yield_to_and_whether_they_are_refunded() -> None:
    old, new = Row("old", "past_due", FIRST), Row("new", "active", SECOND)
    assert duplicate_of(old, [old, new]) == Duplicate("new", SECOND, is_refunded=False)
    assert duplicate_of(new, [old, new]) is None
    old.status = "active"
    assert duplicate_of(new, [old, new]) == Duplicate("old", SECOND, is_refunded=True)
    assert duplicate_of(old, [old, new]) is None
    going = Row("going", "trialing", FIRST, "trial_used")
    assert duplicate_of(going, [going, new]) is None


def test_what_was_imported_never_goes_and_counts_against_what_is_bought_here() -> None:
    old = Row("old", "active", FIRST, imported_at=SECOND)
    other = Row("other", "active", SECOND, imported_at=SECOND)
    new = Row("new", "active", THIRD)
    live = [old, other, new]
    assert duplicate_of(old, live) is duplicate_of(other, live) is None
    assert duplicate_of(new, live) == Duplicate("old", THIRD, is_refunded=True)


@pytest.mark.parametrize(
    ("stop", "paid_at", "expected"),
    [
        (None, None, None),
        (
            Stop("dispute_lost", FIRST, cancels=True),
            None,
            Stop("dispute_lost", FIRST, cancels=False),
        ),
        (Stop("dispute_lost", FIRST, cancels=True), SECOND, None),
        (Stop("refund", SECOND, cancels=True), FIRST, Stop("refund", SECOND, cancels=False)),
        (Stop("trial_used", FIRST, cancels=True), None, None),
        # After the import it is as with any other.
        (
            Stop("refund", THIRD + HOUR, cancels=True),
            FIRST,
            Stop("refund", THIRD + HOUR, cancels=True),
        ),
    ],
)
def test_what_stops_a_subscription_that_was_imported(
    stop: Stop | None, paid_at: datetime | None, expected: Stop | None
) -> None:
    money = Money((bill("1", paid_at, paid_at=paid_at),) if paid_at is not None else ())
    assert stop_since_import(stop, THIRD, money) == expected
