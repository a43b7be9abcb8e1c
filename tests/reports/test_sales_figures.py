"""Figures of what is sold, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select, update

from service.account.erase import erase_reader
from service.content.staff_list import StaffFilter
from service.db.base import Base
from service.db.context import Context
from service.db.session import Database
from service.db.tables import (
    AccessEntry,
    ArticleSaleDay,
    Checkout,
    CheckoutTouches,
    SourceDay,
    Subscription,
)
from service.reports.article_list import list_article_figures
from service.reports.article_sale_rollup import count_article_sales
from service.reports.day_rollup import count_days
from service.reports.offer_list import figures_of_offers
from service.reports.rollups import roll_up
from service.rules.in_force import InForce
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store, totals, values
from tests.reports.rows import NOW

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MARCH = ("2026-03-01", "2026-03-31", "month")


async def test_trials(database: Database) -> None:
    """25 trials ended: 10 were paid, of these 2 have ended since; 9 were cancelled, 6 are pending.

    10 ÷ 25 = 40 %. One trial still runs and one ended in February. Of those that are paid, an invoice says so or
    a renewal; one was extended afterwards. Those that are pending are past due, or active and not charged yet.
    What began without a trial and was given free time later is none.
    """
    offer, added = rows.offer(), list[Base]()
    added.append(offer)

    def trial(status: str, *, paid: bool = False, **values: Any) -> Subscription:
        reader = rows.reader()
        values = {"trial_end": NOW - 2 * DAY, "started_at": NOW - 30 * DAY, **values}
        bought = rows.subscription(reader, offer, status=status, **values)
        added.extend([reader, bought])
        if paid:
            added.append(rows.told(reader, "subscription.renewed", NOW - DAY, subject_id=bought.id))
        return bought

    for _ in range(6):
        trial("active", paid=True)
    invoiced = trial("active")
    added.append(rows.invoice(invoiced, created_at=NOW - 2 * DAY, paid_at=NOW - DAY))
    extended = trial("trialing", paid=True, trial_end=NOW + 9 * DAY)
    added.append(rows.movement(extended, 1, NOW - 2 * DAY, cause="trial_ended"))
    given = trial("active", paid=True)
    added.append(rows.movement(given, 1, NOW - 30 * DAY))
    for _ in range(2):
        trial("canceled", paid=True, ended_at=NOW - DAY)
    for _ in range(8):
        trial("canceled", trial_end=NOW + 5 * DAY, ended_at=NOW - 3 * DAY)
    # Stopped as it began; the invoice of nothing was paid in the same instant.
    begun = NOW - 3 * DAY
    stopped = trial("canceled", started_at=begun, trial_end=NOW + 5 * DAY, ended_at=begun)
    added.append(
        rows.invoice(stopped, created_at=begun, paid_at=begun, billing_reason="subscription_create")
    )
    for _ in range(5):
        trial("past_due")
    charged_soon = trial("active")
    added.append(rows.movement(charged_soon, 1, NOW - 2 * DAY, cause="trial_ended"))
    added.append(rows.invoice(charged_soon, created_at=NOW - 2 * DAY, status="open"))
    added.append(rows.invoice(charged_soon, created_at=NOW - 30 * DAY, paid_at=NOW - 30 * DAY))
    trial("trialing", trial_end=NOW + DAY)
    trial("active", trial_end=NOW - 20 * DAY)
    trial("active", trial_end=None)
    await store(database, *added)
    found = totals(await lines_of(database, "trial-conversion", asked(*MARCH)))
    assert found["converted"].value == Fraction(10, 25)
    counts = [found[name].value for name in ("ended", "paid", "lost", "pending")]
    assert counts == [25, 10, 9, 6]
    split = values(await lines_of(database, "trial-conversion", asked(*MARCH, split="plan")))
    assert split["ended", "digital", ""] == [25, 25]


async def test_registrations(database: Database) -> None:
    """Of 4 readers 2 verified an address in March, 1 did in January and 1 never: 0 in February + 2 in March = 2."""
    moments = (NOW - DAY, NOW - 2 * DAY, NOW - 40 * DAY, None)
    await store(database, *(rows.reader(email_verified_at=each) for each in moments))
    found = values(
        await lines_of(database, "registrations", asked("2026-02-01", "2026-03-31", "month"))
    )
    assert found == {("all", "", ""): [0, 2, 2]}


def touched(checkout_id: str, **values: Any) -> CheckoutTouches:
    return CheckoutTouches(
        checkout_id=checkout_id, first_at=NOW - 9 * DAY, last_at=NOW - DAY, **values
    )


async def test_sources_of_subscriptions(database: Database) -> None:
    """The campaign's source goes before the site; a pass, an open checkout and a double are none.

    3 subscriptions: by the first touch 1 letter + 1 search + 1 unknown = 3, and so by the last one.
    """
    offer, reader = rows.offer(), rows.reader()
    double = rows.subscription(reader, offer, id="sub_8", access_stop="duplicate")
    sold = [
        rows.checkout(reader, offer, NOW - DAY, stripe_subscription_id=f"sub_{n}") for n in range(3)
    ]
    other = [
        rows.checkout(reader, offer, NOW - DAY),
        rows.checkout(reader, offer, NOW - DAY, status="open", stripe_subscription_id="sub_9"),
        rows.checkout(reader, offer, NOW - DAY, stripe_subscription_id="sub_8"),
    ]
    await store(database, offer, reader, double, *sold, *other)
    await store(
        database,
        touched(
            sold[0].id,
            first_source="letter",
            first_referrer_host="mail.example",
            last_referrer_host="search.example",
        ),
        touched(sold[1].id, first_referrer_host="search.example", last_source="letter"),
        touched(other[0].id, first_source="letter"),
    )
    found = values(await lines_of(database, "sources", asked(*MARCH)))
    assert found == {
        ("first", "letter", ""): [1, 1], ("first", "search.example", ""): [1, 1],
        ("first", "direct or unknown", ""): [1, 1], ("last", "search.example", ""): [1, 1],
        ("last", "letter", ""): [1, 1], ("last", "direct or unknown", ""): [1, 1],
    }  # fmt: skip


async def test_offers_sold_as_many_subscriptions_as_sources_led_to(database: Database) -> None:
    """Two, a trial and one that was refunded: not what never was paid, is given back or came from elsewhere."""
    offer, one_day = rows.offer(), rows.offer(kind="pass")
    reader = rows.reader()
    states: dict[str, dict[str, Any]] = {
        "sub_1": {"status": "trialing"}, "sub_2": {"access_stop": "refund"},
        "sub_3": {"status": "canceled", "access_stop": "duplicate"},
        "sub_4": {"status": "canceled", "access_stop": "trial_used"},
        "sub_5": {"status": "incomplete"}, "sub_6": {"status": "incomplete_expired"},
        "sub_7": {"imported_at": NOW}, "sub_8": {"outside": "price"},
    }  # fmt: skip
    bought = [
        rows.subscription(reader, offer, id=each, started_at=NOW - DAY, **state)
        for each, state in states.items()
    ]
    clicks = [
        rows.checkout(reader, offer, NOW - DAY, stripe_subscription_id=f"sub_{n}")
        for n in range(1, 5)
    ]
    paid, begun = (
        rows.checkout(reader, one_day, NOW - DAY, status=s) for s in ("completed", "open")
    )
    refunded = rows.bought_pass(reader, one_day, paid, access_stop="refund")
    await store(database, offer, one_day, reader, *bought, *clicks, paid, begun, refunded)
    what = asked("2026-03-08", "2026-03-10", "day")
    async with database.reading() as session:
        found = await figures_of_offers(session, [offer, one_day], what)
    assert [each.sold for each in found] == [2, 1]
    sources = totals(await lines_of(database, "sources", what))
    assert (sources["first"].value, sources["last"].value) == (2, 2)


async def test_sources_are_the_same_once_their_days_are_counted(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    """What was bought at the midnights is in its day; today and days that aren't counted come from rows."""
    offer, reader, article = rows.offer(), rows.reader(), rows.article("a", "A")
    midnight = datetime(2026, 3, 8, tzinfo=UTC)
    times = [midnight - DAY, midnight - timedelta(seconds=1), midnight, NOW]
    sold = [
        rows.checkout(
            reader, offer, at - DAY, completed_at=at, stripe_subscription_id=f"sub_{number}"
        )
        for number, at in enumerate(times)
    ]
    read = rows.read(article, midnight - DAY)
    await store(database, offer, reader, article, read, *sold)
    await store(database, *(touched(each.id, first_source="letter") for each in sold[:3]))
    what = asked("2026-03-06", "2026-03-10", "day")
    before = values(await lines_of(database, "sources", what))
    assert before["first", "letter", ""] == [0, 2, 1, 0, 0, 3]
    assert before["first", "direct or unknown", ""] == [0, 0, 0, 0, 1, 1]
    clocks.time = NOW
    context = Context(settings.model_copy(update={"time_zone": what.home.key}), clocks, database)
    await roll_up(context)
    await count_days(context)
    async with database.reading() as session:
        counted = set(await session.scalars(select(SourceDay.day)))
    assert counted == {(midnight - DAY).date(), midnight.date()}
    assert values(await lines_of(database, "sources", what)) == before
    elsewhere = replace(what, home=ZoneInfo("Asia/Tokyo"))
    assert values(await lines_of(database, "sources", elsewhere)) == before


async def listed_sales(database: Database, settings: Settings) -> dict[str, int]:
    """By the titles of the newsroom's list."""
    async with database.reading() as session:
        found = await list_article_figures(
            session, StaffFilter(), asked(*MARCH), rules=InForce.by_default(settings).rules.levels, order="sales", cursor=None,
            limit=10,
        )  # fmt: skip
    return {each.article.title: each.sales for each in found.items}


async def test_articles_that_sell(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    """The last wall before the click counts, on the device or as the reader; a pass's own article.

    Once the days are counted it is the same, and so are first purchases. The newsroom's list agrees, also when
    reads are deleted. What is given back is no sale, also afterwards; gifts are counted apart. Of 3 sales
    that came from an article the harbour has 1 and the market 1 by its wall + 1 by its pass = 2.
    """
    offer, present, reader = rows.offer(), rows.offer(kind="gift"), rows.reader()
    harbour, market, quiet = (
        rows.article(n, n.capitalize()) for n in ("harbour", "market", "quiet")
    )
    click = NOW - DAY
    await store(
        database, offer, present, reader, harbour, market, quiet,
        rows.read(market, click - 3 * HOUR, device_id="dev_1", wall="subscribe"),
        rows.read(harbour, click - 2 * HOUR, device_id="dev_1", wall="subscribe"),
        rows.read(quiet, click - HOUR, device_id="dev_1"),
        rows.read(market, click + timedelta(minutes=1), device_id="dev_1", wall="subscribe"),
        rows.read(market, click - HOUR, device_id="dev_2", reader_id=reader.id, wall="subscribe"),
        rows.read(quiet, click - HOUR, device_id="dev_3", wall="subscribe"),
        rows.checkout(reader, offer, click, reader_id=None, device_id="dev_1"),
        rows.checkout(reader, offer, click, stripe_subscription_id="sub_1"),
        rows.subscription(reader, offer, id="sub_1"),
        rows.checkout(reader, offer, click, article_id=market.id),
        rows.checkout(reader, offer, click, reader_id=None, device_id="dev_3", status="expired"),
        rows.checkout(reader, offer, click, reader_id=None, device_id="dev_4"),
        rows.checkout(reader, present, click),
        rows.checkout(reader, offer, click, stripe_subscription_id="sub_2"),
        rows.subscription(reader, offer, id="sub_2", access_stop="duplicate"),
    )  # fmt: skip
    listed = {"Market": 2, "Harbour": 1, "Quiet": 0}
    assert await listed_sales(database, settings) == listed
    sold = values(await lines_of(database, "articles", asked(*MARCH)))
    found = {key[:2]: each[-1] for key, each in sold.items()}
    assert found == {
        ("gifts", "Market"): 1, ("gifts", "Harbour"): 0, ("gifts", "Quiet"): 0,
        ("sales", "Market"): 2, ("walls", "Market"): 3, ("reads", "Market"): 0,
        ("sales", "Harbour"): 1, ("walls", "Harbour"): 1, ("reads", "Harbour"): 0,
        ("sales", "Quiet"): 0, ("walls", "Quiet"): 1, ("reads", "Quiet"): 1,
    }  # fmt: skip
    new = values(await lines_of(database, "article-conversion", asked(*MARCH)))
    clocks.time = NOW
    zone = asked(*MARCH).home.key
    context = Context(settings.model_copy(update={"time_zone": zone}), clocks, database)
    await roll_up(context)
    await count_article_sales(context)
    async with database.reading() as session:
        assert sum(await session.scalars(select(ArticleSaleDay.sold))) == 3
    assert values(await lines_of(database, "articles", asked(*MARCH))) == sold
    assert values(await lines_of(database, "article-conversion", asked(*MARCH))) == new
    assert await listed_sales(database, settings) == listed
    async with database.transaction() as session:
        await session.execute(delete(AccessEntry))
    assert await listed_sales(database, settings) == listed
    clocks.time = NOW + DAY
    await count_article_sales(context)
    async with database.reading() as session:
        assert sum(await session.scalars(select(ArticleSaleDay.sold))) == 3
        assert sum(await session.scalars(select(ArticleSaleDay.gifts))) == 1
    assert await listed_sales(database, settings) == listed
    async with database.transaction() as session:
        await session.execute(update(Subscription).values(access_stop="duplicate"))
    clocks.time = NOW + 2 * DAY
    await count_article_sales(context)
    assert await listed_sales(database, settings) == listed | {"Market": 1}


async def test_the_wall_of_an_erased_buyer_is_not_noted_again(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    """Their reads stay in the ledger under the account's id, and each night counts the day anew."""
    offer, article = rows.offer(), rows.article("a", "A")
    erased, other = rows.reader(), rows.reader()
    bought = [rows.checkout(each, offer, NOW - DAY) for each in (erased, other)]
    await store(
        database, offer, article, erased, other, *bought,
        *(
            rows.read(article, NOW - DAY - HOUR, reader_id=each.id, wall="subscribe")
            for each in (erased, other)
        ),
    )  # fmt: skip
    clocks.time = NOW
    context = Context(settings, clocks, database)
    await roll_up(context)

    async def noted() -> list[str | None]:
        async with database.reading() as session:
            found = {each.id: each for each in await session.scalars(select(Checkout))}
        return [found[each.id].wall_article_id for each in bought]

    await count_article_sales(context)
    assert await noted() == [article.id, article.id]
    await erase_reader(context, None, reader_id=erased.id, cancel_subscription=False)
    clocks.travel(DAY)
    await count_article_sales(context)
    assert await noted() == [None, article.id]
