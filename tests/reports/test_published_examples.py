"""More worked examples of the sources, from rows to figures; and that no figure is without one."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from service.db.base import Base, new_id
from service.db.session import Database
from service.db.tables import BalanceRow, ChargeRow, DisputeRow, PayoutRow, SignInAsk
from service.reports.cells import Cell
from service.reports.registry import BY_SLUG
from tests.databases import on_sqlite
from tests.reports import (
    rows,
    test_growth,
    test_habit_figures,
    test_promotions,
    test_sales_figures,
    test_worked_examples,
)
from tests.reports.figures_asked import asked, lines_of, store, totals
from tests.reports.rows import NOW
from tests.reports.test_worked_examples import MARCH, subscribed

DAY = timedelta(days=1)


async def _found(database: Database, slug: str) -> dict[str, Cell]:
    return totals(await lines_of(database, slug, asked(*MARCH)))


async def _store_many(database: Database, *added: Base) -> None:
    async with database.transaction() as session:
        session.add_all(added)


@on_sqlite
async def test_profitwells_discounts(database: Database) -> None:
    """ProfitWell, Discounts and Credits: $120 a year with 10 % off: $108 ÷ 12 = $9. $10 a month with 10 % off
    for some months: $9 while it lasts. So $9 + $9 = $18; Stripe's MRR, without what ends, is $10 + $10 = $20.
    """
    reader, added = rows.reader(), list[Base]()
    for amount, net, interval in ((12000, 10800, "year"), (1000, 900, "month")):
        offer = rows.offer(amount=amount, currency="USD", interval=interval)
        bought = rows.subscription(reader, offer, net_amount=net)
        added += [offer, bought, rows.movement(bought, 1, NOW - 9 * DAY, to_net=net)]
    await store(database, reader, *added)
    assert (await _found(database, "mrr-after-discounts"))["all"].value == 1800
    assert (await _found(database, "mrr"))["all"].value == 2000


@on_sqlite
async def test_committed_mrr_of_what_has_given_notice(database: Database) -> None:
    """Bigdelta, CMRR: of $25,000 MRR $3,000 has given notice: $25,000 − $3,000 = $22,000. (Their $500 of contracts
    that don't run yet has no counterpart here: Polar's figure, which ours follows, leaves them out.)
    """
    added = [*subscribed(22, amount=100_000, currency="USD")]
    going = subscribed(3, amount=100_000, currency="USD")
    for each in going:
        if hasattr(each, "cancel_at"):
            each.cancel_at = NOW + 9 * DAY
    await store(database, *added, *going)
    assert (await _found(database, "mrr"))["all"].value == 2_500_000
    assert (await _found(database, "committed-mrr"))["all"].value == 2_200_000


@on_sqlite
async def test_chartmoguls_new_and_lost_readers(database: Database) -> None:
    """ChartMogul counts customers as MRR: those at the start, and new, reactivated and churned ones, are those at
    the end: 10 + 3 + 1 − 2 = 12.
    """
    offer, reader = rows.offer(), rows.reader()
    added: list[Base] = [offer, reader]
    for n in range(14):
        bought, who = rows.subscription(reader, offer), {"customer": f"ctm_{n}"}
        began = NOW - (2 if n in {10, 11, 12} else 60) * DAY
        added += [bought, rows.movement(bought, 1, began, **who)]
        if n == 13:
            added.append(rows.ending(bought, 2, NOW - 40 * DAY, **who))
            added.append(rows.movement(bought, 3, NOW - DAY, kind="reactivation", **who))
        if n < 2:
            added.append(rows.ending(bought, 2, NOW - DAY, **who))
    await store(database, *added)
    found = await _found(database, "joined-and-left")
    names = ("start", "new", "reactivated", "voluntary", "end")
    assert [found[name].value for name in names] == [10, 3, 1, -2, 12]


@on_sqlite
async def test_recovery_rate_by_number_and_by_money(database: Database) -> None:
    """Rekko, Revenue recovery rate: 50 payments of $5,000 failed, 35 of $3,200 were recovered.

    35 ÷ 50 = 70 % by number; $3,200 ÷ $5,000 = 64 % by money.
    """
    offer, reader = rows.offer(currency="USD"), rows.reader()
    bought = rows.subscription(reader, offer)
    added: list[Base] = [offer, reader, bought]
    # 30 × $80 + 5 × $160 = $3,200; 15 × $120 = $1,800.
    for amount, number, is_paid in ((8000, 30, True), (16000, 5, True), (12000, 15, False)):
        for _ in range(number):
            over = {"paid_at": NOW - DAY} if is_paid else {"status": "void", "voided_at": NOW - DAY}
            due = rows.invoice(bought, created_at=NOW - 5 * DAY, amount_due=amount, **over)
            added += [due, rows.failed_charge(due, created_at=NOW - 4 * DAY)]
    await store(database, *added)
    found = await _found(database, "dunning")
    assert (found["rate"].part, found["rate"].whole) == (35, 50)
    assert found["rate"].value == Fraction(70, 100)
    sums = [found[f"{name}_amount"].value for name in ("begun", "recovered")]
    assert sums == [500_000, 320_000]
    assert Fraction(320_000, 500_000) == Fraction(64, 100)


def _charge(number: int, at: datetime) -> ChargeRow:
    return ChargeRow(
        id=f"ch_{number}", payment_id=f"pi_{number}", invoice_id=None, subscription_id=None, offer_id=None,
        sold="subscription", status="succeeded", amount=900, currency="USD", method="card",
        country="US", failure="", created_at=at, asked_at=NOW,
    )  # fmt: skip


@on_sqlite
async def test_stripes_dispute_activity(database: Database) -> None:
    """Stripe, Measuring disputes: 1,000 payments in a week, and 10 disputes, 7 of which are of earlier payments.

    By the day of the dispute it is 10 ÷ 1,000 = 1 %, as the card networks count, and as we do. (By the day of the
    payment it would be 3 ÷ 1,000 = 0.3 %.)
    """
    charges = [_charge(n, NOW - (3 if n < 1000 else 20) * DAY) for n in range(1007)]
    disputes = [
        DisputeRow(
            id=f"dp_{n}", charge_id=charges[997 + n].id, amount=900, currency="USD", status="needs_response",
            reason="fraudulent", due_at=None, created_at=NOW - DAY, asked_at=NOW,
        )
        for n in range(10)
    ]  # fmt: skip
    await _store_many(database, *charges, *disputes)
    week = asked("2026-03-03", "2026-03-09", "day")
    found = totals(await lines_of(database, "refunds-and-disputes", week))
    assert (found["dispute_rate"].part, found["dispute_rate"].whole) == (10, 1000)
    assert found["dispute_rate"].value == Fraction(1, 100)


def _booked(number: int, category: str, amount: int, fee: int) -> BalanceRow:
    return BalanceRow(
        id=f"txn_{number}", category=category, source_id=f"ch_{number}", charge_id=f"ch_{number}",
        sold="subscription", offer_id=None, method="card", country="US", amount=amount, fee=fee,
        fee_tax=0, net=amount - fee, currency="USD", created_at=NOW - DAY, available_at=NOW,
        payout_id=None, asked_at=NOW,
    )  # fmt: skip


@on_sqlite
async def test_stripes_fees_of_a_charge_and_its_refund(database: Database) -> None:
    """Stripe's price for cards in the United States, 2.9 % + 30 c: of $100 it takes $2.90 + $0.30 = $3.20, and
    $100 − $3.20 = $96.80 is left. Stripe keeps the fee of a payment that is refunded (its support page on fees of
    refunded payments): of two such charges, one of them refunded, $200 − $100 − $6.40 = $93.60 is left.
    """
    booked = [_booked(1, "charge", 10000, 320), _booked(2, "charge", 10000, 320)]
    await store(database, booked[0])
    assert (await _found(database, "revenue"))["net"].value == 9680
    await store(database, booked[1], _booked(3, "refund", -10000, 0))
    found = await _found(database, "revenue")
    names = ("subscriptions", "refunded", "fees", "net")
    assert [found[name].value for name in names] == [20000, 10000, 640, 9360]


@on_sqlite
async def test_payouts_to_compare_with_the_bank(database: Database) -> None:
    """Two charges of $96.80 net each come in one payout: 2 × $96.80 = $193.60. One that failed brings nothing."""
    common = {"currency": "USD", "failure": "", "is_automatic": True, "asked_at": NOW}
    payouts = [
        PayoutRow(
            id=new_id("po"), amount=19360, status=status, created_at=NOW - 2 * DAY, arrives_at=NOW - DAY,
            **common,
        )
        for status in ("paid", "failed")
    ]  # fmt: skip
    await store(database, *payouts)
    assert (await _found(database, "payouts"))["all"].value == 19360


@on_sqlite
async def test_chartmoguls_customer_retention_rate(database: Database) -> None:
    """ChartMogul, Customer retention rate: of 30 at the beginning of the month 29 renew at its end:
    29 ÷ 30 = 96.67 %.
    """
    offer, reader, began = rows.offer(), rows.reader(), datetime(2026, 2, 1, tzinfo=UTC)
    added: list[Base] = [offer, reader]
    for n in range(30):
        bought = rows.subscription(reader, offer)
        added += [bought, rows.movement(bought, 1, began, customer=f"ctm_{n}")]
        if n == 0:
            over = datetime(2026, 3, 1, tzinfo=UTC)
            added.append(rows.ending(bought, 2, over, customer="ctm_0"))
    await store(database, *added)
    months = asked("2026-02-01", "2026-03-31", "month")
    (line,) = await lines_of(database, "cohort-retention", months)
    assert [(cell.part, cell.whole) for cell in line.cells] == [(30, 30), (29, 30)]
    assert round(float(line.cells[1].value or 0), 4) == 0.9667


@on_sqlite
async def test_ivws_usage_rights(database: Database) -> None:
    """IVW, paid content: a right counts that earns at least 1 cent a day, and is reported as the average of the
    month's days. 10 rights on all 31 days of March, 10 on its last 16 days: (10 × 31 + 10 × 16) ÷ 31 = 15.16.

    A week's pass for 7 cents, 1 cent × 7 days, counts on the 7 days: 7 ÷ 31 more. One for 6 cents doesn't, nor
    does a year for €3.64, which is less than 1 cent × 365 days = €3.65.
    """
    late = datetime(2026, 3, 16, 12, tzinfo=UTC)
    offer, reader = rows.offer(), rows.reader()
    cheap = rows.offer(amount=364, interval="year")
    added: list[Base] = [offer, cheap, reader]
    for n in range(21):
        bought = rows.subscription(reader, cheap if n == 20 else offer)
        began = late if 10 <= n < 20 else NOW - 20 * DAY
        added += [bought, rows.movement(bought, 1, began, customer=f"ctm_{n}")]
    paid = rows.checkout(reader, offer, NOW)
    passes = [rows.bought_pass(reader, offer, paid, amount=amount) for amount in (7, 6)]
    await store(database, *added, paid, *passes)
    april = asked(*MARCH, now=datetime(2026, 4, 2, tzinfo=UTC))
    found = totals(await lines_of(database, "usage-rights", april))
    assert (found["subscriptions"].part, found["subscriptions"].whole) == (10 * 31 + 10 * 16, 31)
    assert found["subscriptions"].value == Fraction(470, 31)
    assert found["single"].value == Fraction(7, 31)


@on_sqlite
async def test_a_registration_funnel_with_a_fifth_that_pays(database: Database) -> None:
    """A local newspaper's registration wall (Publisher Revenue, "20 % free-to-paid conversion"): of those who
    register a fifth pays.

    100 meet the wall, 40 ask for a mail, 30 verify the address, 6 pay: 40 %, 30 % and 6 % of those who met it, and
    6 ÷ 30 = 20 % of those who registered. Each registers two days after the wall.
    """
    article, offer, met = rows.article("a", "A"), rows.offer(), NOW - 60 * DAY
    readers = [rows.reader(email_verified_at=met + 2 * DAY) for _ in range(30)]
    holders = [*(f"reader:{each.id}" for each in readers), *(f"device:dev_{n}" for n in range(70))]
    walls = [rows.read(article, met, holder=each, wall="register") for each in holders]
    asks = [SignInAsk(holder=each, at=met + DAY) for each in holders[:40]]
    bought = [rows.subscription(each, offer) for each in readers[:6]]
    paid = [
        rows.movement(each, 1, met + 5 * DAY, customer=f"ctm_{n}") for n, each in enumerate(bought)
    ]
    await store(database, article, offer, *readers, *walls, *asks, *bought, *paid)
    january = asked("2026-01-01", "2026-01-31", "month")
    found = totals(await lines_of(database, "registration-funnel", january))
    parts = {name: found[name].part for name in ("asked", "registered", "paid")}
    assert parts == {"asked": 40, "registered": 30, "paid": 6}
    assert (found["met"].value, found["days"].value) == (100, 2)
    assert Fraction(6, 30) == Fraction(20, 100)


@on_sqlite
async def test_where_the_meter_would_stop_whom(database: Database) -> None:
    """Press+ counts who reads more than the meter allows. 20 devices read one article each of the first 1 to 20:
    with a limit of 5 those stop who want a sixth: 15 ÷ 20 = 75 %; with 10 it is 10 ÷ 20 = 50 %.

    By depth: 1 ÷ 20 each have used 1 to 5 articles, 5 have used 6 to 10, and 10 have used 11 or more.
    """
    articles = [rows.article(f"a{n:02}", f"A {n}") for n in range(20)]
    at, window = NOW - DAY, datetime(2026, 3, 1, tzinfo=UTC)
    seen = [
        rows.read(
            article, at + timedelta(minutes=place), holder=f"device:dev_{number}", reason="meter",
            consumed=True, window_start=window,
        )
        for number in range(20)
        for place, article in enumerate(articles[: number + 1])
    ]  # fmt: skip
    await _store_many(database, *articles, *seen)
    lines = await lines_of(database, "what-if-meter", asked(*MARCH))
    anonymous = {each.split: each.total for each in lines if each.series == "anonymous"}
    assert [anonymous[f"limit {n}"].part for n in (1, 5, 10)] == [19, 15, 10]
    assert (anonymous["limit 5"].value, anonymous["as it was"].part) == (Fraction(15, 20), 0)
    depth = await _found(database, "meter-depth")
    names = ("0", "1", "2", "3", "4", "5", "6-10", "11+")
    assert [depth[name].value for name in names] == [0, 1, 1, 1, 1, 1, 5, 10]


@on_sqlite
async def test_the_mix_of_what_opens_articles(database: Database) -> None:
    """Of 40 reads 24 are by subscribers, 12 by the meter and 4 of free articles: 24 ÷ 40 = 60 %, 12 ÷ 40 = 30 %,
    4 ÷ 40 = 10 %. A wall is no read.
    """
    article = rows.article("a", "A")
    reasons = ["subscription"] * 24 + ["meter"] * 12 + ["free"] * 4
    reads = [
        rows.read(article, NOW - DAY, holder=f"device:{n}", reason=each)
        for n, each in enumerate(reasons)
    ]
    wall = rows.read(article, NOW - DAY, holder="device:x", wall="subscribe")
    await store(database, article, *reads, wall)
    found = await _found(database, "access-mix")
    shares = [found[name].value for name in ("subscription", "meter", "free")]
    assert shares == [Fraction(60, 100), Fraction(30, 100), Fraction(10, 100)]


@on_sqlite
async def test_from_a_wall_to_a_payment(database: Database) -> None:
    """Of 100 who meet a wall 10 begin a checkout and 4 pay: 10 ÷ 100 = 10 %, 4 ÷ 100 = 4 %, and 4 ÷ 10 of those who
    began are too few for a share. Poool's funnel has the same steps: sees the wall, clicks on it, subscribes.
    """
    await _funnel_from(database, "wall-funnel", wall="subscribe")


@on_sqlite
async def test_from_a_prompt_to_a_payment(database: Database) -> None:
    """Of 100 who see a countdown 10 begin a checkout and 4 pay: 10 ÷ 100 = 10 %, 4 ÷ 100 = 4 %."""
    await _funnel_from(database, "prompt-funnel", prompt="Two left")


async def _funnel_from(database: Database, slug: str, **met_here: str) -> None:
    article, offer, met = rows.article("a", "A"), rows.offer(), NOW - 9 * DAY
    walls = [rows.read(article, met, holder=f"device:dev_{n}", **met_here) for n in range(100)]
    clicks = [
        rows.checkout(
            rows.reader(), offer, met + timedelta(hours=1), reader_id=None, device_id=f"dev_{n}",
            status="completed" if n < 4 else "expired",
        )
        for n in range(10)
    ]  # fmt: skip
    await store(database, article, offer, *walls, *clicks)
    first_of_march = asked("2026-03-01", "2026-03-01", "day")
    found = totals(await lines_of(database, slug, first_of_march))
    assert [found[name].value for name in ("met", "started", "paid")] == [100, 10, 4]
    assert found["started_rate"].value == Fraction(10, 100)
    assert found["paid_rate"].value == Fraction(4, 100)
    assert (found["completed"].value, found["completed"].whole) == (None, 10)


@on_sqlite
async def test_those_who_left_by_time_cause_renewals_and_answer(database: Database) -> None:
    """12 leave: 5 within 7 days, 4 within 30 and 3 later: 5 + 4 + 3 = 12. Of them 9 by choice and 3 because payments
    failed: 9 + 3 = 12. The 3 that were there longest had been renewed once. Of the 9, 6 answered that it is too
    expensive.
    """
    offer, reader, over = rows.offer(), rows.reader(), NOW - DAY
    added: list[Base] = [offer, reader]
    for n, lasted in enumerate([5] * 5 + [20] * 4 + [60] * 3):
        is_choice, who = n < 9, {"customer": f"ctm_{n}"}
        asked_for: dict[str, Any] = {
            "cancelled_at": over, "cancelled_after_days": lasted,
            "cancel_reason": "cancellation_requested",
            "cancel_feedback": "too_expensive" if n < 6 else "",
        }  # fmt: skip
        bought = rows.subscription(
            reader, offer, status="canceled", **(asked_for if is_choice else {})
        )
        kind, cause = ("churn_voluntary", "voluntary")
        if not is_choice:
            kind, cause = "churn_involuntary", "payment_failed"
        began = over - lasted * DAY + timedelta(hours=1)
        added += [
            bought, rows.movement(bought, 1, began, **who),
            rows.ending(bought, 2, over, kind=kind, cause=cause, **who),
        ]  # fmt: skip
        if lasted == 60:
            told = rows.told(reader, "subscription.renewed", over - 30 * DAY, subject_id=bought.id)
            added.append(told)
    await store(database, *added)

    async def of(slug: str) -> dict[str, Any]:
        found = await _found(database, slug)
        return {name: cell.value for name, cell in found.items() if cell.value}

    assert await of("tenure") == {"day_7": 5, "day_30": 4, "day_100": 3}
    assert await of("reasons") == {"voluntary": 9, "payment_failed": 3}
    assert await of("ends-by-renewals") == {"0": 9, "1": 3}
    assert await of("feedback") == {"too_expensive": 6, "none": 3}


_LEFT = test_those_who_left_by_time_cause_renewals_and_answer
EXAMPLES: dict[str, Callable[..., object]] = {
    "active-subscribers": test_worked_examples.test_stripes_glossary_of_mrr,
    "joined-and-left": test_chartmoguls_new_and_lost_readers,
    "trial-conversion": test_worked_examples.test_stripes_trial_conversion,
    "usage-rights": test_ivws_usage_rights,
    "mrr": test_worked_examples.test_stripes_glossary_of_mrr,
    "mrr-after-discounts": test_profitwells_discounts,
    "committed-mrr": test_committed_mrr_of_what_has_given_notice,
    "mrr-movements": test_worked_examples.test_chartmoguls_life_of_a_subscriber,
    "arr": test_worked_examples.test_stripes_glossary_of_mrr,
    "arpu": test_worked_examples.test_stripes_glossary_of_mrr,
    "quick-ratio": test_growth.test_the_quick_ratio,
    "lifetime-value": test_growth.test_lifetime_value,
    "dunning": test_recovery_rate_by_number_and_by_money,
    "revenue": test_stripes_fees_of_a_charge_and_its_refund,
    "refunds-and-disputes": test_stripes_dispute_activity,
    "promotions": test_promotions.test_codes_of_one_coupon_are_told_apart,
    "payouts": test_payouts_to_compare_with_the_bank,
    "subscriber-churn": test_growth.test_subscriber_churn_by_both_denominators,
    "mrr-churn": test_growth.test_chartmoguls_mrr_churn,
    "tenure": _LEFT,
    "reasons": _LEFT,
    "feedback": _LEFT,
    "cohort-retention": test_chartmoguls_customer_retention_rate,
    "renewal-churn": test_worked_examples.test_normalised_churn_of_ft_strategies,
    "ends-by-renewals": _LEFT,
    "registration-funnel": test_a_registration_funnel_with_a_fifth_that_pays,
    "access-mix": test_the_mix_of_what_opens_articles,
    "registrations": test_sales_figures.test_registrations,
    "sources": test_sales_figures.test_sources_of_subscriptions,
    "funnel": test_habit_figures.test_the_way_from_a_read_to_a_payment,
    "wall-funnel": test_from_a_wall_to_a_payment,
    "prompt-funnel": test_from_a_prompt_to_a_payment,
    "active-days": test_habit_figures.test_active_days,
    "articles": test_sales_figures.test_articles_that_sell,
    "article-conversion": test_worked_examples.test_conversion_of_an_article_as_remp_and_piano_count_it,
    "stop-rate": test_worked_examples.test_the_stop_rate_of_press_plus,
    "paid-after-a-wall": test_worked_examples.test_the_stop_rate_of_press_plus,
    "meter-depth": test_where_the_meter_would_stop_whom,
    "what-if-meter": test_where_the_meter_would_stop_whom,
}
"""The test of each figure that works it out by hand."""


def test_no_figure_is_without_a_worked_example() -> None:
    assert EXAMPLES.keys() == BY_SLUG.keys()


@pytest.mark.parametrize("slug", BY_SLUG)
def test_an_example_has_its_arithmetic(slug: str) -> None:
    assert re.search(r"\d.*=.*\d", EXAMPLES[slug].__doc__ or "", re.DOTALL)
