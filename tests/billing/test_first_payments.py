"""First payments that are never completed, and trials that are refused."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from service.billing.subscriptions import has_subscribed
from service.db.tables import Mail
from tests.billing.desk import Desk, Order, as_it_was, backwards
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


async def mails(desk: Desk) -> list[tuple[str, str]]:
    async with desk.database.reading() as session:
        found = await session.execute(select(Mail.recipient, Mail.kind).order_by(Mail.recipient))
        return [(to, kind) for to, kind in found]


@pytest.mark.parametrize("days", [2, 14])
@pytest.mark.parametrize("order", [as_it_was, backwards])
async def test_one_mail_says_that_a_card_has_had_its_trial(
    desk: Desk, days: int, order: Order
) -> None:
    desk = replace(desk, settings=desk.settings.model_copy(update={"mail_from": "a@example.org"}))
    for name in ("ana", "bo"):
        _, customer = await desk.reader(f"{name}@example.org")
        desk.subscribe(customer, trial_period_days=days)
        desk.travel(minutes=1)
    await desk.hear(order)
    assert await mails(desk) == [("ana@example.org", "welcome"), ("bo@example.org", "trial-used")]
