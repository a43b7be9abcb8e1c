"""What Stripe bills otherwise than we sell it: told, in no figure, and at Stripe's amounts."""

from dataclasses import replace
from typing import Any

import pytest

from service.billing.adopt import adopt_price, adoptable_price
from service.billing.compare import OUTSIDE
from service.billing.outside import Outside, outside_of
from service.billing.outside_counts import count_outside
from service.billing.reconcile import reconcile
from service.billing.subscriptions import holding_subscriptions
from service.identity.audit import change_by
from service.offers.pricing import InvalidPrice
from service.offers.store import live_offers
from service.payments.stripe_objects import subscription_of
from service.reports.figures import summary
from service.reports.subscriber_list import SubscriberFilter, list_subscribers
from tests.billing.desk import Desk
from tests.billing.stripe_values import item, subscription
from tests.databases import on_sqlite

TIERS = replace(item(), price=replace(item().price, amount=0, has_amount=False))
QUARTERS = replace(item(), price=replace(item().price, interval="quarter"))


@pytest.mark.parametrize(
    ("fetched", "is_sold", "expected"),
    [
        (subscription(), True, ""),
        (subscription(), False, "price"),
        (subscription("past_due"), False, "price"),
        (subscription("canceled"), False, ""),
        (subscription("incomplete"), False, ""),
        (subscription("resting"), True, "status"),
        (subscription(items=(TIERS,)), True, "amount"),
        (subscription(items=(QUARTERS,)), True, "amount"),
        (subscription(has_unread_discounts=True), True, "discount"),
    ],
)
def test_what_is_outside(fetched: Any, is_sold: bool, expected: Outside) -> None:
    assert outside_of(fetched, fetched.items[0], is_sold=is_sold) == expected


@pytest.mark.parametrize(
    ("discounts", "unread"),
    [
        (["di_1"], False),
        ([{"id": "di_1", "start": 1, "source": {"coupon": {"id": "A", "duration": "forever", "percent_off": 5}}}], False),
        ([{"id": "di_1", "start": 1, "source": {"coupon": {"id": "A", "duration": "at_night", "percent_off": 5}}}], True),
        ([{"id": "di_1", "start": 1, "source": {"coupon": {"id": "A", "duration": "once"}}}], True),
        ([{"id": "di_1", "start": 1, "source": {"coupon": "gone"}}], True),
    ],
)  # fmt: skip
def test_a_discount_that_nobody_can_read_is_noticed(discounts: list[Any], unread: bool) -> None:
    document: dict[str, Any] = {
        "id": "sub_1", "customer": "cus_1", "status": "active", "start_date": 1,
        "items": {"data": []}, "discounts": discounts,
    }  # fmt: skip
    assert subscription_of(document).has_unread_discounts is unread


def special_price(desk: Desk, product: str) -> str:
    made = desk.stripe.prices.create(
        {
            "product": product, "unit_amount": 400, "currency": "eur",
            "recurring": {"interval": "month"},
        }
    )  # fmt: skip
    return str(made.id)


async def move(desk: Desk, bought: str, price: str) -> None:
    desk.travel(hours=1)
    first = desk.stripe.subscriptions.retrieve(bought)["items"].data[0].id
    desk.stripe.subscriptions.update(
        bought, {"items": [{"id": first, "price": price}], "proration_behavior": "none"}
    )
    await desk.hear()


@on_sqlite
async def test_a_special_price_of_our_product_gives_its_plan_at_stripes_amount(desk: Desk) -> None:
    _, customer = await desk.reader()
    bought = desk.subscribe(customer)
    await desk.hear()
    await move(desk, bought, special_price(desk, "pw_plan_digital"))
    row = await desk.row(bought)
    assert (row.plan, row.amount, row.next_amount, row.outside) == ("digital", 400, 400, "")
    assert row.next_charge_at == row.current_period_end
    assert await desk.is_open(bought)
    async with desk.database.reading() as session:
        assert (await summary(session)).mrr == {"EUR": 400}


@on_sqlite
async def test_nothing_of_ours_is_told_everywhere_and_in_no_figure(desk: Desk) -> None:
    reader, customer = await desk.reader()
    bought = desk.subscribe(customer)
    await desk.hear()
    mug = desk.stripe.products.create({"name": "Mugs"}).id
    await move(desk, bought, special_price(desk, mug))
    row = await desk.row(bought)
    assert (row.status, row.outside, row.next_amount) == ("active", "price", 400)
    assert not await desk.is_open(bought)
    async with desk.database.reading() as session:
        found = await summary(session)
        assert (found.mrr, found.active_subscribers, found.outside) == ({}, 0, 1)
        assert (await count_outside(session))["price"] == 1
        assert await holding_subscriptions(session, reader) == []  # the reader may buy
        chosen = SubscriberFilter(standing="outside")
        listed = await list_subscribers(session, chosen, cursor=None, limit=9)
        assert [each.standing for each in listed.items] == ["outside"]
    for fix in (False, True):
        report = await reconcile(desk.context, desk.gateway, started_by="test", fix=fix)
        assert [each.what for each in report.remaining] == [OUTSIDE]
    await move(desk, bought, desk.price)
    row = await desk.row(bought)
    assert (row.outside, row.next_amount) == ("", 900)
    assert await desk.is_open(bought)


@on_sqlite
async def test_a_price_that_is_adopted_gives_its_plan(desk: Desk) -> None:
    _, customer = await desk.reader()
    bought = desk.subscribe(customer)
    await desk.hear()
    mug = desk.stripe.products.create({"name": "Mugs"}).id
    special = special_price(desk, mug)
    await move(desk, bought, special)
    price = await adoptable_price(desk.gateway, special)
    for plan, why in (("", "name the plan"), ("all-access", "")):
        async with change_by(desk.context, "Olga") as change:
            if why:
                with pytest.raises(InvalidPrice, match=why):
                    await adopt_price(change, price, name="Staff", plan=plan)
            else:
                offer = await adopt_price(change, price, name="Staff", plan=plan)
    await desk.hear()
    row = await desk.row(bought)
    assert (row.outside, row.plan, row.offer_id, row.amount) == ("", "all-access", offer.id, 400)
    assert await desk.is_open(bought)
    async with desk.database.reading() as session:
        assert offer.id not in {each.id for each in await live_offers(session)}
    assert ("Olga", "offer.adopt", offer.id) in await desk.audited()
    with pytest.raises(InvalidPrice, match="there is no"):
        await adoptable_price(desk.gateway, "price_nowhere")
    one_off = desk.stripe.prices.create({"product": mug, "unit_amount": 400, "currency": "eur"})
    with pytest.raises(InvalidPrice, match="recurring"):
        await adoptable_price(desk.gateway, one_off.id)


@on_sqlite
async def test_the_next_charge_is_what_stripe_previews(desk: Desk) -> None:
    _, customer = await desk.reader()
    desk.stripe.coupons.create({"id": "HALF", "percent_off": 50, "duration": "forever"})
    desk.stripe.coupons.create(
        {"id": "ONCE", "amount_off": 200, "currency": "eur", "duration": "once"}
    )
    bought = desk.subscribe(customer)
    changes: tuple[tuple[dict[str, Any], int | None], ...] = (
        ({"discounts": [{"coupon": "HALF"}]}, 450),
        ({"discounts": [{"coupon": "ONCE"}]}, 700),
        ({"discounts": ""}, 900),
        ({"pause_collection": {"behavior": "void"}}, None),
        ({"pause_collection": ""}, 900),
        ({"cancel_at_period_end": True}, None),
    )
    for changed, expected in changes:
        desk.travel(minutes=5)
        desk.stripe.subscriptions.update(bought, changed)
        await desk.hear()
        assert (await desk.row(bought)).next_amount == expected, changed


@on_sqlite
async def test_an_offer_whose_price_is_archived_is_withdrawn(desk: Desk) -> None:
    desk.stripe.prices.update(desk.price, {"active": False})
    for fix, mended, left in ((False, [False], 2), (True, [True], 1), (True, [], 1)):
        report = await reconcile(desk.context, desk.gateway, started_by="test", fix=fix)
        assert [each.mended for each in report.findings] == mended
        async with desk.database.reading() as session:
            assert len(await live_offers(session)) == left
