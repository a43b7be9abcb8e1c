"""Which events concern us, and what each asks us to fetch."""

import pytest

from service.billing.events import HANDLED, Refetch, booking_of, concerns_us, refetch_of
from service.payments.books import Booking
from service.payments.stripe_objects import event_of
from tests.billing.stripe_values import event


@pytest.mark.parametrize(
    ("kind", "object_id", "subscription_id", "refetch"),
    [
        ("checkout.session.completed", "cs_1", "sub_1", Refetch("checkout", "cs_1")),
        ("checkout.session.expired", "cs_1", None, Refetch("checkout", "cs_1")),
        ("customer.subscription.deleted", "sub_1", "sub_1", Refetch("subscription", "sub_1")),
        ("invoice.paid", "in_1", "sub_1", Refetch("subscription", "sub_1")),
        ("invoice.paid", "in_1", None, Refetch("money", "in_1")),
        ("invoice.finalized", "in_1", "sub_1", Refetch("money", "in_1")),
        ("customer.deleted", "cus_1", None, Refetch("customer", "cus_1")),
        ("invoice.upcoming", "", "sub_1", Refetch("subscription", "sub_1")),
        ("invoice.payment_action_required", "in_1", "sub_1", Refetch("subscription", "sub_1")),
        ("charge.refunded", "ch_1", None, Refetch("charge", "ch_1")),
        ("refund.updated", "re_1", None, Refetch("refund", "re_1")),
        ("charge.dispute.closed", "dp_1", None, Refetch("dispute", "dp_1")),
        ("charge.succeeded", "ch_1", None, Refetch("money", "ch_1")),
        ("charge.captured", "ch_1", None, None),
        ("payout.paid", "po_1", None, Refetch("money", "po_1")),
        ("invoice.upcoming", "", None, None),
        ("customer.created", "cus_1", None, None),
        ("something.new", "x_1", "sub_1", None),
    ],
)
def test_what_an_event_asks_to_fetch(
    kind: str, object_id: str, subscription_id: str | None, refetch: Refetch | None
) -> None:
    assert refetch_of(kind, object_id, subscription_id) == refetch
    told = event(kind=kind, object_id=object_id, subscription_id=subscription_id)
    assert concerns_us(told) is (refetch is not None)


def test_exactly_these_types_are_handled() -> None:
    """Stripe is asked for them by `paywall stripe setup`, so a change here needs that run again."""
    families = {
        "checkout.session": "completed expired async_payment_succeeded async_payment_failed",
        "customer.subscription": "created updated deleted paused resumed trial_will_end",
        "invoice": "finalized paid payment_failed payment_action_required upcoming voided "
        "marked_uncollectible",
        "charge": "succeeded pending failed updated refunded dispute.created dispute.updated "
        "dispute.funds_withdrawn dispute.funds_reinstated dispute.closed",
        "payout": "created updated paid failed canceled reconciliation_completed",
        "refund": "created updated failed",
        "customer": "updated deleted",
    }
    listed = {f"{family}.{each}" for family, many in families.items() for each in many.split()}
    assert set(HANDLED) == listed


@pytest.mark.parametrize(
    ("kind", "object_id", "booking"),
    [
        ("invoice.paid", "in_1", Booking("invoice", "in_1")),
        ("invoice.upcoming", "", None),
        ("charge.succeeded", "ch_1", Booking("charge", "ch_1")),
        ("charge.dispute.closed", "du_1", Booking("dispute", "du_1")),
        ("refund.created", "re_1", Booking("refund", "re_1")),
        ("payout.paid", "po_1", Booking("payout", "po_1")),
        ("charge.captured", "ch_1", None),
        ("customer.updated", "cus_1", None),
        ("checkout.session.completed", "cs_1", None),
    ],
)
def test_what_of_money_an_event_asks_to_keep(
    kind: str, object_id: str, booking: Booking | None
) -> None:
    assert booking_of(kind, object_id) == booking


def test_every_handled_type_has_something_to_fetch() -> None:
    for kind in HANDLED:
        assert refetch_of(kind, "object_1", "sub_1") is not None, kind


@pytest.mark.parametrize(
    ("subject", "customer_id", "subscription_id"),
    [
        ({"object": "subscription", "id": "sub_1", "customer": "cus_1"}, "cus_1", "sub_1"),
        ({"object": "customer", "id": "cus_1"}, "cus_1", None),
        ({"object": "customer", "id": "cus_1", "deleted": True}, "cus_1", None),
        (
            {
                "object": "invoice", "id": "in_1", "customer": {"id": "cus_1"},
                "parent": {"subscription_details": {"subscription": {"id": "sub_1"}}},
            },
            "cus_1",
            "sub_1",
        ),
        ({"object": "invoice", "id": "in_1", "customer": "cus_1", "parent": None}, "cus_1", None),
        ({"object": "checkout.session", "id": "cs_1", "customer": None}, None, None),
        ({"object": "balance", "available": []}, None, None),
    ],
)  # fmt: skip
def test_the_envelope_names_its_subject(
    subject: dict[str, object], customer_id: str | None, subscription_id: str | None
) -> None:
    told = event_of(
        {"id": "evt_1", "type": "x", "created": 1, "data": {"object": subject}, "unknown": [1]}
    )
    assert (told.customer_id, told.subscription_id) == (customer_id, subscription_id)
    assert told.object_id == subject.get("id", "")
