"""Which portal a reader finds at Stripe."""

from typing import Any

import pytest
from sqlalchemy import select

from service.billing.seats import invite, take_seat
from service.checkout.portal import open_portal
from service.db.session import Database
from service.db.tables import Mail
from service.grants.store import live_grants_of
from service.offers.mirror import mirror_offer
from service.offers.portal import mirror_portal
from service.offers.pricing import checked_price
from service.offers.store import create_offer
from service.settings import Settings
from service.simulator.portal.sessions import change_number
from service.simulator.protocol.errors import StripeError
from tests.billing.desk import Desk, Order, as_it_was, backwards, desk_on
from tests.conftest import MovingClocks
from tests.databases import on_sqlite

pytestmark = on_sqlite


async def sell_seats(desk: Desk) -> str:
    """The price of an offer by the seat."""
    price = checked_price(amount=500, currency="EUR", interval="month", trial_days=0, most_seats=10)
    async with desk.database.transaction() as session:
        offer = await create_offer(
            session, name="Team", plan="digital", price=price, now=desk.clocks.business()
        )
    return (await mirror_offer(desk.database, desk.gateway, offer)).price_id


async def test_an_owner_of_seats_finds_no_plain_offer_to_switch_to(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    """Stripe lets those switch too whose own price isn't listed, and keeps the quantity."""
    async with desk_on(database, settings, clocks) as desk:
        team = await sell_seats(desk)
        owner, customer = await desk.reader()
        subscription = desk.subscribe(customer, items=[{"price": team, "quantity": 5}])
        other, others_customer = await desk.reader("ben@example.org")
        desk.subscribe(others_customer)
        await desk.hear()
        assert (await desk.row(subscription)).seats == 5

        async def switching(reader: str) -> dict[str, Any]:
            await open_portal(desk.context, desk.gateway, reader_id=reader, return_to="/account")
            world = desk.at_stripe.simulator.world
            opened = world.store.find("billing_portal.session", [])[0]
            found = world.fetch("billing_portal.configuration", opened["configuration"])
            assert found["features"]["subscription_cancel"]["enabled"]
            assert not found["is_default"]
            return dict(found["features"]["subscription_update"])

        assert not (await switching(owner))["enabled"], "before anything was mirrored, too"
        await mirror_portal(desk.database, desk.at_stripe.gateway, settings.publication)
        number = await switching(owner)
        assert number["default_allowed_updates"] == ["quantity"]
        assert [price for product in number["products"] for price in product["prices"]] == [team]
        plain = await switching(other)
        assert plain["enabled"]
        listed = [price for product in plain["products"] for price in product["prices"]]
        assert listed == [desk.price, desk.other_price]


@pytest.mark.parametrize("order", [as_it_was, backwards])
async def test_an_owner_changes_the_number_of_seats_at_stripe(
    database: Database, settings: Settings, clocks: MovingClocks, order: Order
) -> None:
    mailing = settings.model_copy(update={"mail_from": "Gazette <hello@gazette.example.org>"})
    async with desk_on(database, mailing, clocks) as desk:
        team = await sell_seats(desk)
        owner, customer = await desk.reader()
        friend, _ = await desk.reader("bea@example.org")
        subscription = desk.subscribe(customer, items=[{"price": team, "quantity": 2}])
        await mirror_portal(desk.database, desk.at_stripe.gateway, settings.publication)
        await desk.hear()
        async with desk.database.transaction() as session:
            seat = await invite(session, desk.context, owner, email=None)
            await take_seat(session, desk.context, seat.id, reader_id=friend)
        await open_portal(desk.context, desk.gateway, reader_id=owner, return_to="/account")
        world = desk.at_stripe.simulator.world
        opened = world.store.find("billing_portal.session", [])[0]

        def change(number: str) -> None:
            with world.transaction(about=opened):
                change_number(world, opened, subscription, number)

        async def paid() -> int:
            async with desk.database.reading() as session:
                grants = await live_grants_of(session, friend, desk.clocks.business())
            assert ("seat" in {each.source for each in grants}) == (
                (await desk.row(subscription)).seats > 1
            )
            return sum(each["amount_paid"] for each in desk.at_stripe.listed("invoice"))

        before = await paid()
        desk.travel(days=14)
        change("4")
        await desk.hear(order)
        assert ((await desk.row(subscription)).seats, (await desk.row(subscription)).amount) == (
            4,
            2000,
        )
        rest = await paid() - before
        assert 0 < rest < 1000, "two more seats, for the rest of the month, at once"
        desk.travel(days=1)
        for number in ("3", "1"):
            change(number)
        await desk.hear(order)
        assert ((await desk.row(subscription)).seats, (await desk.row(subscription)).amount) == (
            1,
            500,
        )
        assert await paid() - before == rest, "nothing is paid back by card"
        credit = world.fetch("customer", customer)["balance"]
        assert -1000 < credit < 0, "it counts against the next invoices"
        async with desk.database.reading() as session:
            told = await session.scalars(
                select(Mail.recipient).where(Mail.kind.like("seat%")).order_by(Mail.recipient)
            )
        assert [*told] == ["ana@example.org", "bea@example.org"], "each of them once"
        for number in ("0", "11", "-1", "1.5", "", "9" * 40):
            with pytest.raises(StripeError):
                change(number)
        assert (await desk.row(subscription)).seats == 1
