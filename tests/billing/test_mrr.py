"""What subscriptions bring, as the local Stripe has them: discounts, pauses, a switch, an erasure."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from service.account.erase import erase_reader
from service.account.merge import merge
from service.billing.reconcile import reconcile
from service.db.session import Database
from service.db.tables import MovementRow, Reader, Subscription
from service.identity.readers import create_reader
from service.reports.figures import Summary, exact_mrr, mrr_movements, summary
from service.reports.metrics import total
from tests.billing.desk import Desk
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.reports import rows

MONTH = timedelta(days=32)
Row = tuple[str, str, int, int, int]


async def moved(desk: Desk) -> list[Row]:
    """Kind, cause and amounts of all movements; they add up to MRR."""
    async with desk.database.reading() as session:
        assert {
            currency: amount
            for currency, amount in total((await mrr_movements(session)).values()).items()
            if amount
        } == await exact_mrr(session)
        found = await session.scalars(
            select(MovementRow).order_by(MovementRow.at, MovementRow.number)
        )
        return [
            (each.kind, each.cause, each.from_recurring, each.to_recurring, each.to_net)
            for each in found
        ]


async def figures(desk: Desk) -> Summary:
    async with desk.database.reading() as session:
        return await summary(session)


async def test_a_life_with_discounts_a_pause_and_an_erasure(desk: Desk) -> None:
    reader, customer = await desk.reader()
    coupons = desk.stripe.coupons
    coupons.create({"id": "HELLO", "amount_off": 200, "currency": "eur", "duration": "once"})
    coupons.create({"id": "STAFF", "percent_off": 25, "duration": "forever"})
    subscription = desk.subscribe(customer, discounts=[{"coupon": "HELLO"}])

    async def change(**fields: Any) -> None:
        desk.travel(hours=1)
        desk.stripe.subscriptions.update(subscription, fields)
        await desk.hear()

    await desk.hear()
    expected: list[Row] = [("new", "started", 0, 900, 700)]
    assert await moved(desk) == expected
    assert (await figures(desk)).mrr_after_discounts == {"EUR": 700}
    row = await desk.row(subscription)
    assert [(each["coupon"], each["ends_at"]) for each in row.discounts] == [
        ("HELLO", row.current_period_end.isoformat())
    ]

    desk.travel(days=MONTH.days)
    await desk.hear()
    expected.append(("expansion", "discount", 900, 900, 900))
    assert await moved(desk) == expected

    await change(discounts=[{"coupon": "STAFF"}])
    expected.append(("contraction", "discount", 900, 675, 675))
    assert (await figures(desk)).mrr == {"EUR": 675}

    await change(pause_collection={"behavior": "void"})
    expected.append(("pause", "collection_paused", 675, 0, 0))
    assert await figures(desk) == Summary(0, 1, 0, {}, {}, {})

    await change(pause_collection="")
    expected.append(("resume", "collection_resumed", 0, 675, 675))

    item = desk.stripe.subscriptions.retrieve(subscription)["items"].data[0].id
    await change(items=[{"id": item, "price": desk.other_price}])
    expected.append(("expansion", "switched", 675, 1125, 1125))
    assert await moved(desk) == expected

    await erase_reader(desk.context, desk.gateway, reader_id=reader, cancel_subscription=True)
    await desk.hear()
    expected.append(("churn_voluntary", "voluntary", 1125, 0, 0))
    assert await moved(desk) == expected
    assert await figures(desk) == Summary(0, 0, 0, {}, {}, {})
    async with desk.database.reading() as session:
        assert (await session.get_one(Reader, reader)).pseudonym is None


@on_sqlite
async def test_a_discount_that_was_not_known_is_a_difference(desk: Desk) -> None:
    """As it is after the release that began to store them."""
    _, customer = await desk.reader()
    desk.stripe.coupons.create({"id": "STAFF", "percent_off": 25, "duration": "forever"})
    subscription = desk.subscribe(customer, discounts=[{"coupon": "STAFF"}])
    await desk.hear()
    async with desk.database.transaction() as session:
        full = {"recurring_amount": 900, "net_amount": 900, "discounts": []}
        await session.execute(update(Subscription).values(**full))
        carried = {"to_recurring": 900, "to_net": 900, "cause": "carried_over", "discounts": []}
        await session.execute(update(MovementRow).values(**carried))
    report = await reconcile(desk.context, desk.gateway, started_by="test", fix=True)
    assert {(each.difference.what, each.mended) for each in report.findings} == {
        ("discounts", True), ("price with discounts", True),
    }  # fmt: skip
    assert await moved(desk) == [
        ("new", "carried_over", 0, 900, 900),
        ("contraction", "discount", 900, 675, 675),
    ]
    assert (await desk.row(subscription)).discounts[0]["coupon"] == "STAFF"


@on_sqlite
async def test_an_end_without_a_movement_is_a_difference(desk: Desk) -> None:
    """As where the release before this one still ran beside it."""
    _, customer = await desk.reader()
    subscription = desk.subscribe(customer)
    await desk.hear()
    desk.travel(hours=1)
    desk.stripe.subscriptions.cancel(subscription)
    async with desk.database.transaction() as session:
        ended = {"status": "canceled", "ended_at": desk.clocks.business()}
        await session.execute(update(Subscription).values(**ended))
    await reconcile(desk.context, desk.gateway, started_by="test", fix=True)
    assert await moved(desk) == [
        ("new", "started", 0, 900, 900),
        ("churn_voluntary", "voluntary", 900, 0, 0),
    ]


async def test_readers_who_turn_out_to_be_one_are_one_customer(
    database: Database, clocks: MovingClocks
) -> None:
    offer = rows.offer()
    async with database.transaction() as session:
        account, other, third = [
            await create_reader(session, email=None, clocks=clocks) for _ in range(3)
        ]
        session.add(offer)
        await session.flush()
        for number, reader in enumerate((account, other)):
            reader.pseudonym = f"ctm_{number}"
            bought = rows.subscription(reader, offer, status="canceled")
            session.add(bought)
            session.add(rows.movement(bought, 1, rows.NOW, customer=reader.pseudonym))
        await merge(session, other, account, clocks)
        await merge(session, account, third, clocks)
    async with database.reading() as session:
        customers = set(await session.scalars(select(MovementRow.customer)))
        assert customers == {"ctm_0"} == {(await session.get_one(Reader, third.id)).pseudonym}
