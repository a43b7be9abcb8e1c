"""What of Stripe's objects comes in as it is, and what doesn't."""

from typing import Any

import pytest

from service.payments.stripe_objects import checkout_session_of, customer_of, subscription_of


@pytest.mark.parametrize(
    ("email", "kept"),
    [
        ("ana@example.org", "ana@example.org"),
        ("änne@exämple.org", "änne@exämple.org"),
        (None, None),
        ("ana\0@example.org", None),
        ("ana\r\n@example.org", None),
        ("ana\ud800@example.org", None),
        (["ana@example.org"], None),
    ],
)
def test_an_address_that_no_database_keeps_is_left_out(email: Any, kept: str | None) -> None:
    session = {
        "id": "cs_1", "payment_status": "paid", "mode": "payment", "expires_at": 1, "customer_details": {"email": email}
    }  # fmt: skip
    assert checkout_session_of(session).email == kept
    assert customer_of({"id": "cus_1", "email": email}).email == kept


@pytest.mark.parametrize(
    ("method", "fingerprint"),
    [
        ({"id": "pm_1", "type": "card", "card": {"fingerprint": "c"}}, "c"),
        ({"id": "pm_1", "type": "sepa_debit", "sepa_debit": {"fingerprint": "s"}}, "s"),
        ({"id": "pm_1", "type": "us_bank_account", "us_bank_account": {"fingerprint": "u"}}, "u"),
        ({"id": "pm_1", "type": "card", "card": {"fingerprint": None}}, None),
        ({"id": "pm_1", "type": "link", "link": {"email": "ana@example.org"}}, None),
        ({"id": "pm_1", "type": "paypal", "paypal": None}, None),
        ("pm_1", None),
        (None, None),
    ],
)
def test_who_has_had_a_trial_is_known_by_card_and_by_bank_account(
    method: Any, fingerprint: str | None
) -> None:
    subscription = {
        "id": "sub_1", "customer": "cus_1", "status": "trialing", "items": {"data": []},
        "start_date": 1, "default_payment_method": method,
    }  # fmt: skip
    assert subscription_of(subscription).card_fingerprint == fingerprint
