"""First payments that are never completed."""

from service.billing.subscriptions import has_subscribed
from tests.billing.desk import Desk
from tests.databases import on_sqlite

pytestmark = on_sqlite


async def test_a_payment_that_is_never_made_uses_up_no_trial(desk: Desk) -> None:
    reader, customer = await desk.reader()

    async def is_former_subscriber() -> bool:
        async with desk.database.reading() as session:
            return await has_subscribed(session, reader)

    begun = desk.subscribe(customer, payment_behavior="default_incomplete")
    await desk.hear()
    assert (desk.status(begun), await is_former_subscriber()) == ("incomplete", False)
    desk.travel(days=2)
    await desk.hear()
    assert (desk.status(begun), await is_former_subscriber()) == ("incomplete_expired", False)
    desk.subscribe(customer)
    await desk.hear()
    assert await is_former_subscriber()
