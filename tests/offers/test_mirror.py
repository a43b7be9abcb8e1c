"""Offers at Stripe: one product a plan, one price an offer, found again by its lookup key."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
from sqlalchemy import update

from service.db.session import Database
from service.db.tables import Offer
from service.offers.mirror import lookup_key, mirror_offers
from service.offers.pricing import InvalidPrice, Price, checked_price
from service.offers.routes import router
from service.offers.store import archive_offer, create_offer, live_offers, offer_by_price
from service.running import Running, RunningApp
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.stripe_at_hand import StripeAtHand, stripe_at_hand

MONTHLY = checked_price(amount=900, currency="eur", interval="month")


@pytest.fixture
async def stripe(clocks: MovingClocks) -> AsyncIterator[StripeAtHand]:
    async with stripe_at_hand(clocks) as at_hand:
        yield at_hand


async def offered(
    database: Database, clocks: MovingClocks, name: str = "Monthly", price: Price = MONTHLY
) -> Offer:
    plan = "" if price.covers == "article" else "all-access"
    async with database.transaction() as session:
        return await create_offer(session, name=name, plan=plan, price=price, now=clocks.business())


async def price_ids(database: Database) -> list[str | None]:
    async with database.reading() as session:
        return [offer.stripe_price_id for offer in await live_offers(session)]


async def test_a_price_is_made_once_and_found_again(
    database: Database, clocks: MovingClocks, stripe: StripeAtHand
) -> None:
    first = await offered(database, clocks)
    await offered(database, clocks, "Three", checked_price(
        amount=2500, currency="usd", interval="month", interval_count=3, trial_days=14,
    ))  # fmt: skip
    assert await mirror_offers(database, stripe.gateway) == 2
    assert await mirror_offers(database, stripe.gateway) == 0
    known = await price_ids(database)
    assert len(stripe.listed("price")) == 2
    assert [product["name"] for product in stripe.listed("product")] == ["All access"]
    (price,) = (each for each in stripe.listed("price") if each["lookup_key"] == lookup_key(first))
    assert (price["unit_amount"], price["currency"]) == (900, "eur")
    assert price["recurring"]["interval_count"] == 1

    # A database brought back from before the mirroring finds its prices again.
    async with database.transaction() as session:
        await session.execute(update(Offer).values(stripe_price_id=None))
    assert await mirror_offers(database, stripe.gateway) == 2
    assert await price_ids(database) == known
    async with database.reading() as session:
        found = await offer_by_price(session, known[0] or "")
        assert found is not None
        assert found.id == first.id
        assert await offer_by_price(session, "price_of_another_shop") is None


@on_sqlite
async def test_a_pass_is_paid_once_and_an_intro_has_its_coupon(
    database: Database, clocks: MovingClocks, stripe: StripeAtHand
) -> None:
    day = checked_price(amount=200, currency="eur", interval="day", kind="pass")
    article = checked_price(
        amount=90, currency="eur", interval="week", kind="pass", covers="article"
    )
    quarter = checked_price(
        amount=900, currency="eur", interval="month", intro_amount=100, intro_periods=3
    )
    first = checked_price(
        amount=90, currency="eur", interval="week", intro_amount=50, intro_periods=1
    )
    await offered(database, clocks, "Day", day)
    await offered(database, clocks, "Article", article)
    await offered(database, clocks, "Intro", quarter)
    await offered(database, clocks, "First", first)
    await asyncio.gather(*(mirror_offers(database, stripe.gateway) for _ in range(3)))
    assert await mirror_offers(database, stripe.gateway) == 0
    prices = {
        each["unit_amount"]: each for each in stripe.listed("price") if each["type"] == "one_time"
    }
    assert set(prices) == {200, 90}
    assert {each["name"] for each in stripe.listed("product")} == {"All access", "One article"}
    coupons = {each["name"]: each for each in stripe.listed("coupon")}
    told = {
        name: (each["amount_off"], each["currency"], each["duration"], each["duration_in_months"])
        for name, each in coupons.items()
    }
    assert told == {"Intro": (800, "eur", "repeating", 3), "First": (40, "eur", "once", None)}
    async with database.reading() as session:
        kept = {offer.name: offer.stripe_coupon_id for offer in await live_offers(session)}
    assert kept == {
        "Day": None, "Article": None, "Intro": coupons["Intro"]["id"],
        "First": coupons["First"]["id"],
    }  # fmt: skip


async def test_mirroring_at_the_same_time_makes_one_price(
    database: Database, clocks: MovingClocks, stripe: StripeAtHand
) -> None:
    await offered(database, clocks)
    await asyncio.gather(*(mirror_offers(database, stripe.gateway) for _ in range(8)))
    assert len(stripe.listed("price")) == 1
    assert len(stripe.listed("product")) == 1
    assert await price_ids(database) == [stripe.listed("price")[0]["id"]]


@on_sqlite
async def test_an_archived_offer_is_sold_no_longer_and_keeps_its_price(
    database: Database, clocks: MovingClocks, stripe: StripeAtHand
) -> None:
    offer = await offered(database, clocks)
    await mirror_offers(database, stripe.gateway)
    (price_id,) = await price_ids(database)
    async with database.transaction() as session:
        first = await archive_offer(session, offer.id, clocks.business())
        again = await archive_offer(session, offer.id, clocks.travel(clocks.wall() - clocks.wall()))
        assert await archive_offer(session, "off_none", clocks.business()) is None
    assert first is again
    async with database.reading() as session:
        assert await live_offers(session) == []
        assert await offer_by_price(session, price_id or "") is not None


@on_sqlite
@pytest.mark.parametrize(
    ("name", "plan", "field"),
    [
        ("", "digital", "name"),
        ("  ", "digital", "name"),
        ("x" * 81, "digital", "name"),
        ("Monthly", "Digital", "plan"),
        ("Monthly", "", "plan"),
        ("Monthly", "a--b", "plan"),
        ("Monthly", "digital\n", "plan"),
        ("Monthly", "x" * 41, "plan"),
    ],
)
async def test_offers_that_make_no_sense(
    database: Database, clocks: MovingClocks, name: str, plan: str, field: str
) -> None:
    async with database.transaction() as session:
        with pytest.raises(InvalidPrice) as refused:
            await create_offer(session, name=name, plan=plan, price=MONTHLY, now=clocks.business())
    assert refused.value.field == field
    article = checked_price(
        amount=90, currency="eur", interval="week", kind="pass", covers="article"
    )
    async with database.transaction() as session:
        with pytest.raises(InvalidPrice, match="belongs to no plan"):
            await create_offer(
                session, name="One", plan="digital", price=article, now=clocks.business()
            )


async def test_the_list_is_public_and_in_the_catalogues_order(
    database: Database, clocks: MovingClocks
) -> None:
    for name in ("Yearly", "Monthly"):
        await offered(database, clocks, name)
    app = RunningApp(Running(database))
    app.include_router(router)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as browser:
        answer = await browser.get("/v1/offers")
    assert [item["name"] for item in answer.json()["items"]] == ["Yearly", "Monthly"]
    assert answer.headers["Cache-Control"] == "public, max-age=60, must-revalidate"
    assert answer.json()["items"][0]["price_text"] == "€9.00 a month"
    assert "stripe" not in answer.text
