"""Figures of money from events, against the local Stripe's objects alone, read without our rows."""

from collections import Counter
from datetime import timedelta
from fractions import Fraction

from service.billing.events import HANDLED, booking_of
from service.finance.books import book
from service.reports.asked import Asked
from service.reports.cells import Line
from service.reports.money_rollup import forget_money, roll_up_money
from service.reports.period import parse_period
from service.reports.registry import BY_SLUG
from service.simulator.payments.balance import book as transaction
from tests.billing.desk import Desk
from tests.databases import on_sqlite
from tests.finance.events import live


def ours(desk: Desk) -> dict[str, str]:
    """What each paid or failed charge for something of ours is for, by Stripe's objects."""
    at = desk.at_stripe
    billed = {
        each["payment"]["payment_intent"]: each["invoice"] for each in at.listed("invoice_payment")
    }
    found = {}
    for charge in at.listed("charge"):
        if charge["payment_intent"] in billed:
            found[charge["id"]] = "subscriptions"
        elif charge["metadata"].get("checkout"):
            found[charge["id"]] = "passes"
    return found


def expected_revenue(desk: Desk) -> Counter[tuple[str, str]]:
    at, sold = desk.at_stripe, ours(desk)
    about = {
        each["id"]: each["charge"] for kind in ("refund", "dispute") for each in at.listed(kind)
    }
    sums: Counter[tuple[str, str]] = Counter()
    for entry in at.listed("balance_transaction"):
        charge = about.get(entry["source"], entry["source"])
        if charge not in sold:
            continue
        currency, category = entry["currency"].upper(), entry["reporting_category"]
        series = {
            "charge": sold[charge], "charge_failure": sold[charge], "refund": "refunded", "refund_failure": "refunded",
            "dispute": "disputed", "dispute_reversal": "disputed",
        }[category]  # fmt: skip
        sums[series, currency] += entry["amount"] if series == sold[charge] else -entry["amount"]
        sums["fees", currency] += entry["fee"]
        sums["net", currency] += entry["net"]
    return sums


async def lines(desk: Desk, slug: str) -> list[Line]:
    now, zone = desk.clocks.business(), desk.context.settings.zone
    period = parse_period(
        {"from": str((now - timedelta(days=60)).date()), "to": str((now + timedelta(days=9)).date())},
        today=now.date(), zone=zone,
    )  # fmt: skip
    async with desk.database.reading() as session:
        return await BY_SLUG[slug].lines(session, Asked(period, now, zone))


async def test_figures_are_what_stripes_objects_say(lived: Desk) -> None:
    revenue = {
        (each.series, each.currency): each.total.value
        for each in await lines(lived, "revenue")
        if each.series not in {"fee_tax", "tax"}
    }
    expected = expected_revenue(lived)
    assert {key: value for key, value in revenue.items() if value} == {
        key: value for key, value in expected.items() if value
    }
    assert {currency for _, currency in revenue} == {"EUR"}
    at, sold = lived.at_stripe, ours(lived)
    back = {
        (each.series, each.currency): each.total
        for each in await lines(lived, "refunds-and-disputes")
    }
    paid = [each for each in at.listed("charge") if each["id"] in sold and each["paid"]]
    refunds = [each for each in at.listed("refund") if each["charge"] in sold]
    assert back["charges", ""].value == len(paid)
    assert back["refunds", ""].value == len(refunds) == 1
    assert back["disputes", ""].value == len(at.listed("dispute")) == 1
    assert back["refunded_rate", "EUR"].value == Fraction(
        sum(each["amount"] for each in refunds), sum(each["amount"] for each in paid)
    )
    paid_out: Counter[str] = Counter()
    for payout in at.listed("payout"):
        paid_out[payout["currency"].upper()] += payout["amount"]
    assert {each.currency: each.total.value for each in await lines(lived, "payouts")} == paid_out
    dunning = {
        (each.series, each.currency): each.total.value for each in await lines(lived, "dunning")
    }
    assert (dunning["begun", ""], dunning["lost", ""], dunning["recovered", ""]) == (1, 1, 0)
    assert dunning["lost_amount", "EUR"] == 900


@on_sqlite
async def test_a_debit_that_failed_later_is_no_revenue(desk: Desk) -> None:
    """Stripe books it when the money seems to come, and back when the bank says that it doesn't."""
    _, ana = await desk.reader()
    desk.subscribe(ana)
    await desk.hear()
    [charge] = desk.at_stripe.listed("charge")
    world = desk.at_stripe.simulator.world
    back = transaction(
        world, charge, -900, kind="payment_failure_refund", category="charge_failure"
    )
    world.update(charge, {"status": "failed", "failure_balance_transaction": back["id"]})
    world.emit("charge.failed", charge)
    await desk.hear()
    found = {each.series: each.total.value or 0 for each in await lines(desk, "revenue")}
    assert (found["subscriptions"], found["net"]) == (0, -found["fees"])
    assert found["fees"] > 0


async def test_money_that_is_added_up_meanwhile_gives_the_same_figures(desk: Desk) -> None:
    """Whatever comes late, and in whatever order."""
    await live(desk)
    desk.clocks.travel(timedelta(days=2))
    since = desk.clocks.business() - timedelta(days=1000)
    events = [each async for each in desk.gateway.events(since=since, types=HANDLED)]
    for number, event in enumerate(sorted(events, key=lambda each: each.id[::-1])):
        booking = booking_of(event.type, event.object_id)
        if booking is not None:
            await book(desk.context, desk.gateway, booking)
        if number % 7 == 0:
            await roll_up_money(desk.context)
    slugs = ("revenue", "refunds-and-disputes", "dunning")
    found = [await lines(desk, slug) for slug in slugs]
    assert all(found)
    async with desk.database.transaction() as session:
        await forget_money(session)
    assert found == [await lines(desk, slug) for slug in slugs]
