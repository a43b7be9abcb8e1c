"""Worked examples of the sources that the definitions follow, from rows to figures (test_growth.py has
those of sums alone). Each has its arithmetic.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from service.billing.money import Money
from service.billing.movements import Movement, movements
from service.billing.recurring import monthly
from service.billing.state import StoredState
from service.db.base import Base
from service.db.session import Database
from service.db.tables import MovementRow, Reader, Subscription
from service.reports.cells import shown
from tests.billing.stripe_values import DAY, STARTED
from tests.billing.test_transitions import stored
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store, totals, values
from tests.reports.rows import NOW

MARCH = ("2026-03-01", "2026-03-31", "month")


def subscribed(number: int, **values: Any) -> list[Base]:
    """Readers who subscribed in February."""
    offer, reader = rows.offer(**values), rows.reader()
    found: list[Base] = [offer, reader]
    for place in range(number):
        bought = rows.subscription(reader, offer)
        began = rows.movement(bought, 1, NOW - 20 * DAY, customer=f"ctm_{offer.id}_{place}")
        found += [bought, began]
    return found


@on_sqlite
async def test_stripes_glossary_of_mrr(database: Database) -> None:
    """Stripe, Billing metric definitions: 100 subscribers at $100 a month, 50 at $600 a year.

    100 × $100 + 50 × ($600 ÷ 12) = $10,000 + $2,500 = $12,500. (The page prints $800 within the brackets;
    its sum is that of $600.) ARR is 12 times as much, $150,000, and a subscriber brings $12,500 ÷ 150 =
    $83.33.
    """
    monthly_ones = subscribed(100, amount=10000, currency="USD")
    yearly = subscribed(50, amount=60000, currency="USD", interval="year")
    await store(database, *monthly_ones, *yearly)

    async def of(slug: str) -> Any:
        return totals(await lines_of(database, slug, asked(*MARCH)))["all"].value

    assert (await of("mrr"), await of("active-subscribers")) == (1_250_000, 150)
    assert await of("arr") == 15_000_000
    assert shown(await of("arpu"), "money") == 8333


@pytest.mark.parametrize(
    ("state", "dollars"),
    [
        # A year at $1,200 counts $100 a month.
        (stored(amount=120000, interval="year"), 100),
        # 50 % off for ever halves it; a discount that ends leaves MRR as it is.
        (stored(amount=10000, recurring_amount=5000, net_amount=5000), 50),
        (stored(amount=10000, net_amount=5000), 100),
        # A trial brings nothing yet, what is past due does, what is unpaid doesn't any more.
        (stored("trialing", amount=10000), 0),
        (stored("past_due", amount=10000), 100),
        (stored("unpaid", amount=10000), 0),
        (stored("canceled", amount=10000), 0),
    ],
)
def test_stripes_rules_of_mrr(state: StoredState, dollars: int) -> None:
    """Stripe's support page "Billing Analytics": discounts, trials, delinquency, cancellation."""
    revenue = state.revenue
    assert (revenue.mrr if revenue is not None else 0) == dollars * 100


def test_chartmoguls_life_of_a_subscriber() -> None:
    """ChartMogul's "Syncalytics": Silver $30 a month, Gold $50 a month or $500 a year.

    Four Gold for a year: new, 4 × $500 ÷ 12 = $166.67. Two Silver beside it: expansion, $60. Silver is
    cancelled: contraction, $60. Gold ends with its year: churn, $166.67. Three Gold by the month:
    reactivation, 3 × $50 = $150.
    """
    gold = stored(id="sub_gold", amount=200000, interval="year", currency="USD")
    silver = stored(
        id="sub_silver", amount=6000, currency="USD", started_at=STARTED + 4 * DAY,
        synced_at=STARTED + 4 * DAY,
    )  # fmt: skip
    again = stored(
        id="sub_again", amount=15000, currency="USD", started_at=STARTED + 400 * DAY,
        synced_at=STARTED + 400 * DAY,
    )  # fmt: skip
    told: list[Movement] = []

    def step(before: StoredState | None, after: StoredState) -> tuple[str, float, datetime]:
        chain = [each for each in told if each.subscription_id == after.id]
        others = [each for each in told if each.subscription_id != after.id]
        (found,) = movements(before, after, Money(), chain=chain, others=others)
        told.append(found)
        mrr = [
            each.mrr if each is not None else Fraction(0) for each in (found.before, found.after)
        ]
        return found.kind, float(round((mrr[1] - mrr[0]) / 100, 2)), found.at

    def ended(state: StoredState, at: datetime) -> StoredState:
        return replace(state, status="canceled", ended_at=at, synced_at=at)

    year = STARTED + 365 * DAY
    assert step(None, gold) == ("new", 166.67, STARTED)
    assert step(None, silver) == ("expansion", 60.0, STARTED + 4 * DAY)
    assert step(silver, ended(silver, STARTED + 18 * DAY))[:2] == ("contraction", -60.0)
    assert step(gold, ended(gold, year)) == ("churn_voluntary", -166.67, year)
    assert step(None, again)[:2] == ("reactivation", 150.0)
    assert sum(
        (each.after.mrr if each.after else 0) - (each.before.mrr if each.before else 0)
        for each in told
    ) == monthly(15000, "month", 1)


@on_sqlite
async def test_normalised_churn_of_ft_strategies(database: Database) -> None:
    """FT Strategies' normalised churn: cancellations ÷ renewals that were due.

    100 subscribers, of whom 40 are due in March: 10 end, 30 renew. By all who were active it is 10 ÷ 100 =
    10 %; of those who could leave it is 10 ÷ 40 = 25 %.
    """
    found = subscribed(100)
    bought = [each for each in found if isinstance(each, Subscription)]
    (reader,) = [each for each in found if isinstance(each, Reader)]
    customers = {
        each.subscription_id: each.customer for each in found if isinstance(each, MovementRow)
    }
    await store(
        database, *found,
        *(rows.ending(each, 2, NOW - DAY, customer=customers[each.id]) for each in bought[:10]),
        *(rows.told(reader, "subscription.renewed", NOW - DAY, subject_id=each.id) for each in bought[10:40]),
    )  # fmt: skip
    due = totals(await lines_of(database, "renewal-churn", asked(*MARCH)))["all"]
    assert (due.value, due.part, due.whole) == (Fraction(10, 40), 10, 40)
    everybody = totals(await lines_of(database, "subscriber-churn", asked(*MARCH)))["all"]
    assert (everybody.value, everybody.part, everybody.whole) == (Fraction(10, 100), 10, 100)


@on_sqlite
async def test_the_stop_rate_of_press_plus(database: Database) -> None:
    """Press+: the stop rate is the share of unique visitors who are stopped, the paid stop conversion the
    share of those who then buy.

    Of 200 visitors 40 are stopped: 40 ÷ 200 = 20 %. Of these 2 subscribe within a day: 2 ÷ 40 = 5 %.
    """
    article, offer = rows.article("harbour", "Harbour"), rows.offer()
    then = NOW - 60 * DAY
    buyers = [rows.reader(pseudonym=f"ctm_{number}") for number in range(2)]
    seen: list[Base] = []
    for number in range(200):
        holder = f"reader:{buyers[number].id}" if number < 2 else f"device:dev_{number}"
        reader_id = buyers[number].id if number < 2 else None
        who = {"holder": holder, "reader_id": reader_id}
        seen.append(rows.read(article, then, **who))
        if number < 40:
            at = then + timedelta(hours=1)
            seen.append(rows.read(article, at, wall="subscribe", **who))
    bought = [rows.subscription(each, offer) for each in buyers]
    paid = [
        rows.movement(each, 1, then + timedelta(hours=2), customer=f"ctm_{number}")
        for number, each in enumerate(bought)
    ]
    await store(database, article, offer, *buyers, *seen, *bought, *paid)
    january = asked("2026-01-01", "2026-01-31", "month")
    stopped = totals(await lines_of(database, "stop-rate", january))["all"]
    assert (stopped.value, stopped.part, stopped.whole) == (Fraction(40, 200), 40, 200)
    converted = totals(await lines_of(database, "paid-after-a-wall", january))["within_1"]
    assert (converted.value, converted.part, converted.whole) == (Fraction(2, 40), 2, 40)
    by_step = values(await lines_of(database, "stop-rate", january))
    assert by_step["register", "", ""][0] == 0


@on_sqlite
async def test_stripes_trial_conversion(database: Database) -> None:
    """Stripe's support page "Calculating trial conversion rate in Billing": conversions ÷ trials that ended, by
    conversion or cancellation; one converts when its first invoice is paid, also if it is cancelled soon afterwards.

    Of 20 trials 5 are cancelled before they end and 15 are paid, one of which is cancelled the day after:
    15 ÷ (15 + 5) = 75 %.
    """
    offer, reader, found = rows.offer(), rows.reader(), list[Base]()
    for number in range(20):
        is_paid, over = number < 15, NOW - 5 * DAY
        ended_at = {0: over + DAY}.get(number) if is_paid else over - DAY
        trial = rows.subscription(
            reader, offer, started_at=over - 7 * DAY, trial_end=over, ended_at=ended_at,
            status="canceled" if ended_at else "active",
        )  # fmt: skip
        found.append(trial)
        if is_paid:
            found.append(rows.invoice(trial, created_at=over, paid_at=over))
    await store(database, offer, reader, *found)
    converted = totals(await lines_of(database, "trial-conversion", asked(*MARCH)))["converted"]
    assert (converted.value, converted.part, converted.whole) == (Fraction(15, 20), 15, 20)


@on_sqlite
async def test_conversion_of_an_article_as_remp_and_piano_count_it(database: Database) -> None:
    """Conversions whose last wall was the article's ÷ the distinct visitors who came to it.

    40 come to the harbour. 2 of them buy after its wall, one of whom has paid before:
    1 first purchase ÷ 40 = 2.5 %. Another article's wall in between takes a purchase along.
    """
    harbour, market, offer = rows.article("h", "Harbour"), rows.article("m", "Market"), rows.offer()
    buyers, click = [rows.reader() for _ in range(3)], NOW - DAY
    seen = [rows.read(harbour, click - 3 * DAY, holder=f"device:{number}") for number in range(37)]
    for each in buyers:
        who = {"holder": f"reader:{each.id}", "reader_id": each.id, "wall": "subscribe"}
        seen.append(rows.read(harbour, click - timedelta(hours=3), **who))
    last = {"holder": f"reader:{buyers[2].id}", "reader_id": buyers[2].id, "wall": "subscribe"}
    seen.append(rows.read(market, click - timedelta(hours=1), **last))
    former = rows.subscription(buyers[1], offer, status="canceled")
    await store(
        database, harbour, market, offer, *buyers, *seen, former,
        rows.movement(former, 1, click - 90 * DAY, customer="ctm_former"),
        *(rows.checkout(each, offer, click) for each in buyers),
    )  # fmt: skip
    lines = await lines_of(database, "article-conversion", asked(*MARCH))
    rates = {each.split: each.total for each in lines if each.series == "rate"}
    assert (rates["Harbour"].value, rates["Harbour"].whole) == (Fraction(1, 40), 40)
    assert (rates["Market"].part, rates["Market"].whole) == (1, 1)
