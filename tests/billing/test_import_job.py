"""The import as a job: what it would do, what it did, and why it was given up."""

import json

from sqlalchemy import select

from service.billing.import_job import KIND, Importer, ask_import, import_jobs
from service.db.tables import Job, Offer, Subscription
from tests.billing.desk import Desk
from tests.billing.test_import_subscribers import World, count
from tests.databases import on_sqlite

pytestmark = on_sqlite


async def ask(desk: Desk, *, dry_run: bool, **prices: str) -> str | None:
    async with desk.database.transaction() as session:
        return await ask_import(
            session, started_by="opr_1", dry_run=dry_run, prices=prices, now=desk.clocks.wall()
        )


async def last(desk: Desk) -> Job:
    async with desk.database.reading() as session:
        return (await import_jobs(session, most=1))[0]


async def test_a_trial_changes_nothing_and_an_import_does_what_it_showed(desk: Desk) -> None:
    world = World(desk)
    world.add("ana")
    world.add("shared", email="ana@example.org")
    world.add_foreign("mug")
    importer = Importer(desk.context, desk.gateway)
    assert await ask(desk, dry_run=True) is not None
    assert await ask(desk, dry_run=False) is None, "one at a time"
    assert await importer.round() == 1
    tried = await last(desk)
    found = tried.payload["found"]
    assert (tried.status, found["subscriptions"], found["customers"]) == ("done", 2, 2)
    ((price,), (note,)) = found["prices"], found["notes"]
    assert (price["price"], price["subscriptions"]) == (world.named["mug price"], 1)
    assert (note["words"], note["count"]) == ("Several customers with one address", 1)
    assert "@" not in json.dumps(tried.payload), "no address outlives its reader here"
    assert await count(desk, Subscription) == 0
    desk.travel(minutes=1)
    async with desk.database.reading() as session:
        offer = await session.scalar(select(Offer).where(Offer.stripe_price_id == desk.price))
    assert offer is not None
    assert await ask(desk, dry_run=False, **{world.named["mug price"]: offer.id})
    assert await importer.round() == 1
    done = await last(desk)
    assert done.result == "3 subscriptions of 3 customers"
    assert done.payload["found"]["mrr"].keys() == {"EUR"}
    assert await count(desk, Subscription) == 3


async def test_a_price_that_cant_be_mapped_gives_the_run_up(desk: Desk) -> None:
    assert await ask(desk, dry_run=True, price_unknown="off_1")
    assert await Importer(desk.context, desk.gateway).round() == 0
    given_up = await last(desk)
    assert (given_up.kind, given_up.status) == (KIND, "failed")
    assert "there is no 'price_unknown' on this account" in given_up.result


async def test_a_price_that_no_offer_can_have_is_found_with_the_reason(desk: Desk) -> None:
    world = World(desk)
    world.add_foreign("mug")
    product = desk.stripe.products.create({"name": "Free"}).id
    fields = {"unit_amount": 0, "currency": "eur", "recurring": {"interval": "month"}}
    free = desk.stripe.prices.create({**fields, "product": product}).id
    for name in ("one", "two"):
        world.add(name, items=[{"price": free}])
    importer = Importer(desk.context, desk.gateway)
    assert await ask(desk, dry_run=True) is not None
    assert await importer.round() == 1
    mug, nothing = (await last(desk)).payload["found"]["prices"]
    assert (mug["price"], mug["fault"]) == (world.named["mug price"], "")
    assert (nothing["price"], nothing["subscriptions"]) == (free, 2)
    assert "0 isn't between 1" in nothing["fault"]
    desk.travel(minutes=1)
    async with desk.database.reading() as session:
        offer = await session.scalar(select(Offer).where(Offer.stripe_price_id == desk.price))
    assert offer is not None
    assert await ask(desk, dry_run=True, **{free: offer.id})
    assert await importer.round() == 0
    assert "“Don’t import them”" in (await last(desk)).result
