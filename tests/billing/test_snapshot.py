"""What is fetched of a subscription, where Stripe changes between two of the calls."""

from typing import Any, cast

import pytest

from service.billing.snapshot import take_snapshot
from service.db.session import Database
from service.payments.gateway import Gateway
from tests.billing.stripe_values import bill, subscription
from tests.databases import on_sqlite


class FailedInBetween:
    """A gateway whose renewal has failed and waits for the bank; `status` was fetched before."""

    def __init__(self, status: str) -> None:
        self.status = status

    async def retrieve_subscription(self, _: str) -> Any:
        return subscription(self.status)

    async def invoices_of_subscription(self, _: str) -> Any:
        return (bill(status="open", amount_paid=0, paid_at=None),)

    async def charges_of(self, _: str) -> tuple[()]:
        return ()

    async def next_amount_of(self, _: str) -> int:
        return 900

    async def pending_prorations_of(self, *_: str) -> tuple[()]:
        return ()

    async def needs_action(self, payment_intent_id: str) -> bool:
        return payment_intent_id == "pi_1"


@on_sqlite
@pytest.mark.parametrize("status", ["active", "past_due", "unpaid"])
async def test_a_failed_payment_says_what_it_waits_for(database: Database, status: str) -> None:
    gateway = cast("Gateway", FailedInBetween(status))
    assert (await take_snapshot(database, gateway, "sub_1")).money.needs_action
