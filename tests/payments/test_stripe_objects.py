"""What of Stripe's objects comes in as it is, and what doesn't."""

from typing import Any

import pytest

from service.payments.stripe_objects import checkout_session_of, customer_of


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
