"""billing.md's table from a subscription's status to access."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.billing.lifecycle import (
    GrantState,
    Terms,
    grant_of,
    open_amount,
    past_due_since,
    payment_problem,
    scheduled_end,
)
from service.billing.money import Money
from service.billing.statuses import LIVE_STATUSES
from service.payments.gateway import StripeInvoice
from service.payments.stripe_objects import subscription_of
from tests.billing.stripe_values import (
    DAY,
    HOUR,
    MONTH_END,
    STARTED,
    bill,
    invoice,
    item,
    subscription,
)

TERMS = Terms(renewal_slack=48 * HOUR, grace=14 * DAY)
SOON, LATER = STARTED + 10 * DAY, MONTH_END + 30 * DAY
SLACK_END = MONTH_END + 48 * HOUR
FINALISED = MONTH_END + HOUR
STATUSES = (
    "trialing", "active", "past_due", "unpaid", "paused", "incomplete", "incomplete_expired",
    "canceled", "a_status_of_the_future",
)  # fmt: skip


@pytest.mark.parametrize(
    ("status", "fields", "ends_at", "in_grace", "reason"),
    [
        ("trialing", {"trial_end": MONTH_END}, SLACK_END, False, "period"),
        ("active", {}, SLACK_END, False, "period"),
        # Both forms of a scheduled cancellation: to that instant, without slack.
        ("active", {"cancel_at": MONTH_END}, MONTH_END, False, "scheduled_end"),
        ("active", {"cancel_at_period_end": True}, MONTH_END, False, "scheduled_end"),
        (
            "active",
            {"cancel_at_period_end": True, "cancel_at": MONTH_END},
            MONTH_END,
            False,
            "scheduled_end",
        ),
        ("active", {"cancel_at": SOON}, SOON, False, "scheduled_end"),
        ("trialing", {"cancel_at": MONTH_END}, MONTH_END, False, "scheduled_end"),
        # An end in a later period: this one is renewed, so its slack counts.
        ("active", {"cancel_at": LATER}, SLACK_END, False, "period"),
        ("past_due", {}, FINALISED + 14 * DAY, True, "grace"),
        ("past_due", {"cancel_at": FINALISED + DAY}, FINALISED + DAY, True, "grace"),
        ("past_due", {"cancel_at": LATER}, FINALISED + 14 * DAY, True, "grace"),
        ("unpaid", {}, None, False, "unpaid"),
        ("paused", {"trial_end": SOON}, SOON, False, "paused"),
        # Paused by somebody, without a trial or long after it: Stripe doesn't date that.
        ("paused", {}, None, False, "paused"),
        ("paused", {"trial_end": STARTED - 90 * DAY}, None, False, "paused"),
        ("incomplete", {}, STARTED, False, "never_paid"),
        ("incomplete_expired", {"ended_at": SOON}, STARTED, False, "never_paid"),
        ("canceled", {"ended_at": SOON}, SOON, False, "ended"),
        ("canceled", {"ended_at": None}, None, False, "ended"),
        ("a_status_of_the_future", {}, None, False, "unknown"),
    ],
)
def test_the_status_table(
    status: str, fields: dict[str, Any], ends_at: datetime | None, in_grace: bool, reason: str
) -> None:
    invoices = [invoice(FINALISED + 30 * DAY), invoice(None), invoice(FINALISED)]
    state = grant_of(subscription(status, **fields), invoices, TERMS)
    assert state == GrantState(STARTED, ends_at, in_grace, reason)  # type: ignore[arg-type]


def test_a_pause_in_the_first_period_after_a_trial_takes_nothing_back() -> None:
    rests = subscription("paused", trial_end=STARTED, started_at=STARTED - 14 * DAY)
    trial = bill("trial", STARTED - 14 * DAY, amount_paid=0, billing_reason="subscription_create")
    assert grant_of(rests, [trial], TERMS).ends_at == STARTED
    state = grant_of(rests, [bill("first", STARTED), trial], TERMS)
    assert state.end(before=SLACK_END, seen_at=SOON) == SOON


def test_collection_that_is_paused_changes_no_access() -> None:
    document: dict[str, Any] = {
        "id": "sub_1", "customer": "cus_1", "status": "active", "start_date": 1,
        "items": {"data": [{
            "price": {"id": "price_1", "currency": "eur"},
            "current_period_start": 1, "current_period_end": 100,
        }]},
    }  # fmt: skip
    paused = {**document, "pause_collection": {"behavior": "void", "resumes_at": None}}
    read = subscription_of(paused)
    assert read.pauses_collection
    assert grant_of(read, [], TERMS) == grant_of(subscription_of(document), [], TERMS)


def test_grace_without_an_open_invoice_counts_from_the_unpaid_period() -> None:
    assert past_due_since(subscription("past_due"), []) == STARTED
    assert past_due_since(subscription("past_due"), [invoice(None)]) == STARTED
    assert past_due_since(subscription("active"), [invoice(FINALISED)]) is None


OLD = bill("old", STARTED - 60 * DAY, status="open", amount_paid=0)
OVERDUE = bill("overdue", MONTH_END, status="open", amount_paid=0)
PAID = bill("paid", STARTED)


@pytest.mark.parametrize(
    ("invoices", "since"),
    [
        # An old one stayed open, and a later one was paid: the subscription went on.
        ((OVERDUE, PAID, OLD), MONTH_END),
        ((OVERDUE, bill("change", STARTED + DAY, billing_reason="subscription_update"), OLD), MONTH_END),
        # So it did where the newsroom gave one up.
        ((OVERDUE, bill("lost", STARTED, status="uncollectible"), OLD), MONTH_END),
        # Two in a row: still the same debt. What was a mistake or isn't asked for yet breaks no row.
        ((OVERDUE, OLD), OLD.finalized_at),
        ((OVERDUE, bill("void", STARTED, status="void"), OLD), OLD.finalized_at),
        ((bill("draft", LATER, status="draft"), OVERDUE, PAID), MONTH_END),
        # An invoice made by hand is no period's.
        ((OVERDUE, replace(OLD, billing_reason="manual")), MONTH_END),
        ((OVERDUE, replace(PAID, billing_reason="manual"), OLD), OLD.finalized_at),
    ],
)  # fmt: skip
def test_grace_counts_from_the_debt_that_is_open_now(
    invoices: tuple[StripeInvoice, ...], since: datetime
) -> None:
    overdue = subscription("past_due", items=(item(MONTH_END, LATER),))
    assert past_due_since(overdue, invoices) == since
    assert grant_of(overdue, invoices, TERMS).ends_at == since + 14 * DAY


def test_the_open_amount_is_that_of_the_debt_that_is_open_now() -> None:
    old = replace(OLD, amount_due=700, hosted_url="https://old")
    money = Money((replace(OVERDUE, hosted_url="https://pay"), PAID, old))
    overdue = subscription("past_due")
    assert open_amount(overdue, money) == 900
    assert payment_problem(overdue, money) == ("card", "https://pay")


def test_the_period_is_that_of_the_items() -> None:
    two = subscription(items=(item(), item(SOON, LATER)), cancel_at_period_end=True)
    assert scheduled_end(two) == LATER


NOW = st.datetimes(datetime(2026, 3, 1, 12), datetime(2027, 3, 1)).map(  # noqa: DTZ001 made aware
    lambda moment: moment.replace(tzinfo=STARTED.tzinfo)
)
MAYBE = st.none() | NOW


@given(
    status=st.sampled_from(STATUSES), cancel_at=MAYBE, ended_at=MAYBE, at_period_end=st.booleans()
)
def test_no_access_outlives_its_terms(
    status: str, cancel_at: datetime | None, ended_at: datetime | None, at_period_end: bool
) -> None:
    given_ = subscription(
        status, cancel_at=cancel_at, cancel_at_period_end=at_period_end, ended_at=ended_at
    )
    state = grant_of(given_, [invoice(FINALISED)], TERMS)
    if status in {"trialing", "active", "past_due"}:
        longest = TERMS.grace + HOUR if status == "past_due" else TERMS.renewal_slack
        assert state.ends_at is not None
        assert state.ends_at <= min(MONTH_END + longest, scheduled_end(given_) or LATER)
    assert state.in_grace == (status == "past_due")
    assert state.in_grace is False or status in LIVE_STATUSES


@given(first=NOW, later=NOW, before=MAYBE, status=st.sampled_from(["unpaid", "canceled"]))
def test_an_undated_end_is_when_it_was_first_seen(
    first: datetime, later: datetime, before: datetime | None, status: str
) -> None:
    first, later = sorted((first, later))
    state = grant_of(subscription(status), [], TERMS)
    seen = state.end(before=before, seen_at=first)
    assert seen <= first
    assert state.end(before=seen, seen_at=later) == seen
    if before is not None:
        assert seen <= before


def test_an_end_that_is_past_is_not_moved_by_a_later_cancellation() -> None:
    """Grace was over on day 14; that Stripe gave up on day 20 gives nobody access in between."""
    grace_end = MONTH_END + 14 * DAY
    ended = grant_of(subscription("canceled", ended_at=MONTH_END + 20 * DAY), [], TERMS)
    seen = ended.end(before=grace_end, seen_at=MONTH_END + 20 * DAY + timedelta(minutes=1))
    assert seen == grace_end
    at_once = ended.end(before=None, seen_at=LATER)
    assert at_once == MONTH_END + 20 * DAY
