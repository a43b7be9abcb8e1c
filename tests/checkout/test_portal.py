"""Which portal a reader finds at Stripe."""

from typing import Any

from service.checkout.portal import open_portal
from service.db.session import Database
from service.offers.mirror import mirror_offer
from service.offers.portal import mirror_portal
from service.offers.pricing import checked_price
from service.offers.store import create_offer
from service.settings import Settings
from tests.billing.desk import Desk, desk_on
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
        assert not (await switching(owner))["enabled"]
        plain = await switching(other)
        assert plain["enabled"]
        listed = [price for product in plain["products"] for price in product["prices"]]
        assert listed == [desk.price, desk.other_price]
