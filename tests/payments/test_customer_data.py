"""What Stripe holds on a customer, and its deletion, by the SDK at a local Stripe."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.payments.gateway import GatewayRefused
from tests.conftest import MovingClocks
from tests.stripe_at_hand import StripeAtHand, stripe_at_hand

MORE_THAN_A_PAGE = 101


@pytest.fixture
async def stripe(clocks: MovingClocks) -> AsyncIterator[StripeAtHand]:
    async with stripe_at_hand(clocks) as made:
        yield made


def furnish(v1: Any) -> str:
    """A customer with more than a page of everything that is listed; its id."""
    customer: Any = v1.customers.create(
        {
            "email": "ana@example.org", "name": "Ana Lunn", "phone": "+351 1",
            "address": {"city": "Porto", "line1": "1 Quay"}, "metadata": {"reader": "rdr_1"},
            "preferred_locales": ["pt"],
        }
    )  # fmt: skip
    product = v1.products.create({"name": "Digital"})
    price = v1.prices.create(
        {
            "product": product.id, "unit_amount": 900, "currency": "eur",
            "recurring": {"interval": "month"},
        }
    )  # fmt: skip
    for _ in range(MORE_THAN_A_PAGE):
        v1.subscriptions.create(
            {"customer": customer.id, "items": [{"price": price.id}], "trial_period_days": 30}
        )
    identifier: str = customer.id
    return identifier


async def test_all_of_it_and_then_nothing(stripe: StripeAtHand) -> None:
    customer_id = furnish(stripe.dashboard)
    gateway = stripe.gateway
    held = await gateway.customer_record(customer_id)
    assert held is not None
    assert (held.email, held.name, held.phone) == ("ana@example.org", "Ana Lunn", "+351 1")
    assert (held.address or {})["city"] == "Porto"
    assert (held.metadata, held.languages) == ({"reader": "rdr_1"}, ("pt",))
    subscriptions = await gateway.subscriptions_of(customer_id)
    invoices = await gateway.invoices_of(customer_id)
    assert len({each.id for each in subscriptions}) == MORE_THAN_A_PAGE
    assert len({each.id for each in invoices}) == MORE_THAN_A_PAGE
    assert {each.status for each in subscriptions} == {"trialing"}
    assert all(each.number for each in invoices)
    for _ in range(2):  # safe to repeat
        await gateway.delete_customer(customer_id)
    assert await gateway.customer_record(customer_id) is None
    assert (await gateway.retrieve_customer(customer_id)).deleted
    ended = [await gateway.retrieve_subscription(each.id) for each in subscriptions[:3]]
    assert {(each.status, each.ended_at is not None) for each in ended} == {("canceled", True)}
    events = [each["type"] for each in stripe.listed("event")]
    assert events.count("customer.deleted") == 1
    assert events.count("customer.subscription.deleted") == MORE_THAN_A_PAGE


async def test_a_customer_that_there_never_was(stripe: StripeAtHand) -> None:
    await stripe.gateway.delete_customer("cus_none")
    assert await stripe.gateway.customer_record("cus_none") is None
    with pytest.raises(GatewayRefused):
        await stripe.gateway.retrieve_customer("cus_none")
