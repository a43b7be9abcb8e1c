"""Events of a subscription: once each, dated by Stripe, whatever was seen in between."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from service.billing.money import Money
from service.billing.state import StoredState
from service.billing.transitions import transitions
from service.payments.gateway import StripeInvoice, StripeInvoiceLine
from tests.billing.stripe_values import DAY, MONTH_END, STARTED, bill, charge, dispute, refund

NOW = MONTH_END + 20 * DAY
NEXT_END = MONTH_END + 30 * DAY


def stored(status: str = "active", **fields: Any) -> StoredState:
    values: dict[str, Any] = {
        "id": "sub_1", "version": 1, "status": status, "plan": "digital", "offer_id": "off_1",
        "amount": 900, "currency": "EUR", "interval": "month", "interval_count": 1,
        "started_at": STARTED, "current_period_end": MONTH_END, "trial_end": None,
        "cancel_at": None, "ended_at": None, "pauses_collection": False, "cancel_reason": "",
        "access_stop": "", "access_stopped_at": None, "discounts": (), "synced_at": STARTED,
    }  # fmt: skip
    given = {**values, **fields}
    costs = {"recurring_amount": given["amount"], "net_amount": given["amount"]}
    return StoredState(**{**costs, **given})


SEEN = stored()
CREATED = bill("0", billing_reason="subscription_create")
RENEWED = bill("1", MONTH_END)
FAILED = bill("1", MONTH_END, status="open", paid_at=None, amount_paid=0, attempt_count=2)
DECLINED = (
    charge("1", MONTH_END + 3 * DAY, id="ch_1b", status="failed"),
    charge("1", MONTH_END, id="ch_1a", status="failed"),
)
ASKED = STARTED + 5 * DAY


def told(
    before: StoredState | None, after: StoredState, money: Money, now: datetime = NOW
) -> dict[str, datetime]:
    """Type and id of each happening but the start, with its date."""
    found = transitions(before, after, money, now)
    assert [each.at for each in found] == sorted(each.at for each in found)
    assert len({each.once for each in found}) == len(found)
    return {
        each.once.removeprefix("subscription."): each.at
        for each in found
        if each.type != "subscription.started"
    }


def of_line(amount: int) -> tuple[StripeInvoiceLine, ...]:
    return (StripeInvoiceLine("price_1", amount, 1, STARTED, MONTH_END, is_proration=False),)


TRIAL = replace(CREATED, amount_paid=0, lines=of_line(0))
FIRST_PAID = replace(RENEWED, lines=of_line(900))
THEN = bill("2", NEXT_END, lines=of_line(900))


@pytest.mark.parametrize(
    ("invoices", "trial_end", "types"),
    [
        ((THEN, FIRST_PAID, TRIAL), MONTH_END, ["trial_paid", "renewed"]),
        # The first one was given up: the next one is the first that was paid.
        ((THEN, replace(FIRST_PAID, status="void"), TRIAL), MONTH_END, ["trial_paid"]),
        # It bills its price, and a coupon takes all of it off.
        ((THEN, replace(FIRST_PAID, amount_paid=0), TRIAL), MONTH_END, ["trial_paid", "renewed"]),
        # A switch ended the trial and was paid.
        ((THEN, replace(FIRST_PAID, billing_reason="subscription_update"), TRIAL), MONTH_END, ["renewed"]),
        # Free time that was given in the middle of what is paid.
        ((FIRST_PAID, replace(CREATED, lines=of_line(900))), MONTH_END, ["renewed"]),
        ((FIRST_PAID, TRIAL), None, ["renewed"]),
    ],
)  # fmt: skip
def test_the_first_payment_after_a_trial_is_no_renewal(
    invoices: tuple[StripeInvoice, ...], trial_end: datetime | None, types: list[str]
) -> None:
    found = transitions(None, stored(trial_end=trial_end), Money(invoices), NEXT_END)
    kinds = [each.type.removeprefix("subscription.") for each in found]
    invoiced = [each for each in kinds if each in {"renewed", "trial_paid"}]
    assert invoiced == types


def test_a_bill_that_is_paid_late_changes_nothing_that_was_told_of_later_ones() -> None:
    """Only the payment that came first ends a trial, whichever bill it was for."""
    owed = replace(FIRST_PAID, status="open", paid_at=None, amount_paid=0)
    late = replace(owed, status="paid", paid_at=NEXT_END + 5 * DAY, amount_paid=900)
    first, then = (
        {
            each.once.removeprefix("subscription.renewed:"): each.type
            for each in transitions(
                None, stored(trial_end=MONTH_END), Money((THEN, invoice, TRIAL)), NEXT_END
            )
            if each.once.startswith("subscription.renewed:")
        }
        for invoice in (owed, late)
    )
    assert first == {"in_2": "subscription.trial_paid"}
    assert then == {**first, "in_1": "subscription.renewed"}


@pytest.mark.parametrize(
    ("after", "money", "expected"),
    [
        (stored(), Money((CREATED,)), {}),
        (stored("incomplete"), Money((replace(CREATED, status="open", attempt_count=1),)), {}),
        # A bank debit that fails when the subscription has begun on it.
        (stored("past_due"), Money((replace(CREATED, status="open", attempt_count=1),)),
         {"payment_failed:in_0:1": STARTED}),
        (stored(), Money((replace(CREATED, status="open", attempt_count=1),)), {}),
        (stored(), Money((RENEWED, CREATED)), {"renewed:in_1": MONTH_END}),
        (stored("past_due"), Money((FAILED,), DECLINED),
         {"payment_failed:in_1:1": MONTH_END, "payment_failed:in_1:2": MONTH_END + 3 * DAY}),
        # A bank that asks for its customer declines nothing: the invoice alone dates that.
        (stored("past_due"), Money((replace(FAILED, attempt_count=1),)),
         {"payment_failed:in_1:1": MONTH_END}),
        (stored(), Money((replace(RENEWED, attempt_count=3, paid_at=NOW),), DECLINED),
         {"payment_failed:in_1:1": MONTH_END, "payment_failed:in_1:2": MONTH_END + 3 * DAY,
          "renewed:in_1": NOW, "recovered:in_1": NOW}),
        # Paid by hand with another card: Stripe doesn't count that as an attempt.
        (stored(), Money((replace(RENEWED, paid_at=NOW),), DECLINED[1:]),
         {"payment_failed:in_1:1": MONTH_END, "renewed:in_1": NOW, "recovered:in_1": NOW}),
        (stored("trialing", trial_end=NOW + 2 * DAY), Money(),
         {f"trial_will_end:sub_1:{int((NOW + 2 * DAY).timestamp())}": NOW - DAY}),
        (stored("trialing", trial_end=NOW + 4 * DAY), Money(), {}),
        (stored(cancel_at=MONTH_END, cancel_asked_at=ASKED), Money(),
         {f"cancel_scheduled:sub_1:{int(ASKED.timestamp())}": ASKED}),
        (stored("canceled", ended_at=MONTH_END, cancel_at=MONTH_END, cancel_asked_at=ASKED,
                  cancel_reason="cancellation_requested"), Money(),
         {f"cancel_scheduled:sub_1:{int(ASKED.timestamp())}": ASKED, "ended:sub_1": MONTH_END}),
        (stored("canceled", ended_at=ASKED, cancel_asked_at=ASKED), Money(),
         {"ended:sub_1": ASKED}),
        (stored(), Money((RENEWED,), (charge("1"),), (refund("1", NOW, amount=100),)),
         {"renewed:in_1": MONTH_END, "payment.refunded:re_1": NOW}),
        (stored(), Money(refunds=(refund("1", NOW, status="failed"),)), {}),
        (stored(), Money(disputes=(dispute("needs_response", ASKED),)), {"disputed:dp_1": ASKED}),
        (stored(), Money(disputes=(dispute("won", ASKED),)),
         {"disputed:dp_1": ASKED, "dispute_closed:dp_1": NOW}),
        (stored(), Money(disputes=(dispute("warning_needs_response"),)), {}),
        (stored(), Money(disputes=(dispute("warning_closed"),)), {}),
    ],
)  # fmt: skip
def test_what_stripe_dates_is_told_alike_however_late_it_is_seen(
    after: StoredState, money: Money, expected: dict[str, datetime]
) -> None:
    assert told(None, after, money) == expected
    assert told(after, replace(after, version=2), money) == expected
    starts = [
        each.at
        for each in transitions(None, after, money, NOW)
        if each.type == "subscription.started"
    ]
    assert starts == ([] if after.status == "incomplete" else [STARTED])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (replace(SEEN, cancel_at=MONTH_END), SEEN, ["resumed:sub_1:2"]),
        (stored("paused"), SEEN, ["resumed:sub_1:2"]),
        (SEEN, replace(SEEN, cancel_at=MONTH_END), ["cancel_scheduled:sub_1:2"]),
        (stored("trialing"), stored("paused", version=2), ["paused:sub_1:2"]),
        (SEEN, replace(SEEN, pauses_collection=True), ["collection_paused:sub_1:2"]),
        (replace(SEEN, pauses_collection=True), SEEN, ["collection_resumed:sub_1:2"]),
        (SEEN, replace(SEEN, offer_id="off_2", plan="all", amount=1900), ["switched:sub_1:2"]),
        (SEEN, replace(SEEN, interval="year"), ["switched:sub_1:2"]),
        (stored("past_due"), SEEN, ["recovered:sub_1:2"]),
        (stored("unpaid"), SEEN, ["recovered:sub_1:2"]),
        (stored("trialing"), SEEN, []),
        (SEEN, replace(SEEN, current_period_end=NEXT_END), []),
        (stored("incomplete"), SEEN, []),
        (replace(SEEN, cancel_at=MONTH_END), stored("canceled", ended_at=MONTH_END),
         ["ended:sub_1"]),
        (SEEN, SEEN, []),
    ],
)  # fmt: skip
def test_what_two_states_tell(before: StoredState, after: StoredState, expected: list[str]) -> None:
    assert list(told(before, replace(after, version=2), Money())) == expected


@pytest.mark.parametrize(
    ("cancel_reason", "access_stop", "reason"),
    [
        ("cancellation_requested", "", "voluntary"),
        ("", "", "voluntary"),
        ("payment_failed", "", "payment_failed"),
        ("payment_disputed", "", "dispute_lost"),
        ("cancellation_requested", "dispute", "voluntary"),
        ("cancellation_requested", "dispute_lost", "dispute_lost"),
        ("cancellation_requested", "refund", "refund"),
        ("cancellation_requested", "trial_used", "trial_used"),
        ("cancellation_requested", "duplicate", "duplicate"),
    ],
)
def test_why_it_ended(cancel_reason: str, access_stop: str, reason: str) -> None:
    over = stored("canceled", ended_at=NOW, cancel_reason=cancel_reason, access_stop=access_stop)
    (ended,) = (
        each for each in transitions(SEEN, over, Money(), NOW) if each.type == "subscription.ended"
    )
    assert (ended.at, ended.details["reason"]) == (NOW, reason)


def test_a_recovery_is_told_once_by_both_that_show_it() -> None:
    money = Money((replace(RENEWED, attempt_count=2, paid_at=NOW),), DECLINED[1:])
    seen = told(stored("past_due"), replace(SEEN, version=2), money)
    assert seen == told(None, SEEN, money)


def test_a_switch_names_what_was_charged_for_it() -> None:
    change = bill("7", NOW, billing_reason="subscription_update", amount_paid=450)
    after = replace(SEEN, version=2, offer_id="off_2")
    (switched,) = (
        each
        for each in transitions(SEEN, after, Money((change,)), NOW)
        if each.type == "subscription.switched"
    )
    assert (switched.details["invoice"], switched.details["amount_paid"]) == ("in_7", 450)
