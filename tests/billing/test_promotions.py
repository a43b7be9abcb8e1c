"""Which promotion code a subscription was given is stored with it, in its movements and as a use."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from service.db.tables import MovementRow, PromotionUse
from service.finance.books import book
from service.payments.books import Booking
from service.reports.promotion_rollup import look_up_promotions
from tests.billing.desk import Desk
from tests.databases import on_sqlite


def spring(desk: Desk, **terms: Any) -> tuple[str, dict[str, str]]:
    """A coupon with two promotion codes: their ids by their letters."""
    coupon = desk.stripe.coupons.create({"id": "SPRING", "percent_off": 50, **terms})
    codes = {
        letters: desk.stripe.promotion_codes.create(
            {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": letters}
        ).id
        for letters in ("RADIO", "MAIL")
    }
    return coupon.id, codes


async def uses(desk: Desk) -> dict[str, PromotionUse]:
    """By the subscription's id."""
    async with desk.database.reading() as session:
        found = await session.scalars(select(PromotionUse))
        return {each.subscription_id or "": each for each in found}


@on_sqlite
async def test_each_code_of_a_coupon_is_known(desk: Desk) -> None:
    coupon, codes = spring(desk, duration="forever")
    given: dict[str | None, dict[str, Any]] = {
        "RADIO": {"discounts": [{"promotion_code": codes["RADIO"]}]},
        "MAIL": {"discounts": [{"promotion_code": codes["MAIL"]}]},
        None: {"discounts": [{"coupon": coupon}]},
    }
    bought = {}
    for number, (code, terms) in enumerate(given.items()):
        _, customer = await desk.reader(f"reader{number}@example.org")
        bought[desk.subscribe(customer, **terms)] = code
    await desk.hear()
    found = await uses(desk)
    assert {name: use.code for name, use in found.items()} == bought
    assert {use.promotion_code for use in found.values()} == {*codes.values(), None}
    for name, code in bought.items():
        row = await desk.row(name)
        assert (found[name].coupon, found[name].at) == ("SPRING", row.started_at)
        assert [each["code"] for each in row.discounts] == [code]
        async with desk.database.reading() as session:
            (moved,) = await session.scalars(
                select(MovementRow).where(MovementRow.subscription_id == name)
            )
        assert [each["promotion_code"] for each in moved.discounts] == [found[name].promotion_code]


@on_sqlite
async def test_a_code_that_was_spent_before_anybody_heard_of_it_is_known(desk: Desk) -> None:
    _, codes = spring(desk, duration="once")
    _, customer = await desk.reader()
    bought = desk.subscribe(customer, discounts=[{"promotion_code": codes["RADIO"]}])
    desk.travel(days=70)
    await desk.hear()
    assert (await desk.row(bought)).discounts == []
    assert (await uses(desk))[bought].code == "RADIO"


async def test_the_code_of_an_earlier_row_is_filled_in(desk: Desk) -> None:
    _, codes = spring(desk, duration="forever")
    _, customer = await desk.reader()
    bought = desk.subscribe(customer, discounts=[{"promotion_code": codes["RADIO"]}])
    await desk.hear()
    (use,) = (await uses(desk)).values()
    async with desk.database.transaction() as session:
        await session.execute(
            update(PromotionUse).values(
                promotion_code=None, code=None, at=use.at + timedelta(days=9)
            )
        )
    desk.stripe.subscriptions.update(bought, {"cancel_at_period_end": True})
    await desk.hear()
    (filled,) = (await uses(desk)).values()
    assert (filled.code, filled.promotion_code, filled.at) == ("RADIO", use.promotion_code, use.at)


async def test_what_a_use_brought_is_looked_up_again_when_it_changes(desk: Desk) -> None:
    """Its invoice is kept once more, then it ends."""
    _, codes = spring(desk, duration="forever")
    _, customer = await desk.reader()
    bought = desk.subscribe(customer, discounts=[{"promotion_code": codes["RADIO"]}])
    (invoice,) = desk.stripe.invoices.list({"subscription": bought}).data

    async def brought() -> tuple[bool | None, bool | None, int | None]:
        (use,) = (await uses(desk)).values()
        return use.is_new, use.is_live, use.paid

    await desk.hear()
    assert await brought() == (None, None, None)
    await look_up_promotions(desk.context)
    assert await brought() == (True, True, invoice.amount_paid)
    assert await book(desk.context, desk.gateway, Booking("invoice", invoice.id))
    assert await brought() == (None, None, None)
    await look_up_promotions(desk.context)
    assert await brought() == (True, True, invoice.amount_paid)
    desk.stripe.subscriptions.cancel(bought)
    await desk.hear()
    assert await brought() == (None, None, None)
    await look_up_promotions(desk.context)
    assert await brought() == (True, False, invoice.amount_paid)
