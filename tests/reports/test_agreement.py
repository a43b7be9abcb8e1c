"""The agreement with Stripe's own figures: worked examples, and the rows in plain Python on both databases."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from service.billing.foreign import Foreign
from service.db.session import Database
from service.db.tables import MovementRow, Offer, Reader, Subscription, UnboundSubscription
from service.reports.agreement import (
    Agreement,
    Beyond,
    Group,
    Part,
    Readers,
    StripeSettings,
    of_money,
    of_readers,
)
from service.reports.queries import agreement as facts
from tests.billing import stripe_values
from tests.reports import rows
from tests.reports.figures_asked import store
from tests.reports.movement_histories import BEGIN, DAYS, PER_MONTH, histories
from tests.reports.rows import NOW
from tests.reports.sampled import sampled

DAY = timedelta(days=1)
SOME = sampled(2)


def group(
    listed: int, recurring: int, repeated: int, net: int, *, ends: bool = False, unpaid: bool = False
) -> Group:  # fmt: skip
    return Group(ends, unpaid, *map(Fraction, (listed, recurring, repeated, net)))


# Ten at 10.00: one is half off for ever, one for three months, one once; two are scheduled to end, and one of
# these isn't paid yet.
GROUPS = [
    group(7000, 6500, 6000, 5500),
    group(1000, 1000, 1000, 1000, ends=True), group(1000, 1000, 1000, 1000, ends=True, unpaid=True),
    group(1000, 1000, 1000, 1000, unpaid=True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("stripes", "parts"),
    [
        (StripeSettings(), {}),
        (StripeSettings(discounts="none"), {"discounts": 500}),
        (StripeSettings(discounts="recurring"), {"discounts": -500}),
        (StripeSettings(discounts="all"), {"discounts": -1000}),
        (StripeSettings(churn="cancelled"), {"churn": -2000}),
        (StripeSettings(start="first_payment"), {"start": -2000}),
        # Who is both scheduled to end and unpaid is taken away once.
        (StripeSettings("all", "cancelled", "first_payment"),
         {"discounts": -1000, "churn": -2000, "start": -1000}),
    ],
)  # fmt: skip
def test_stripes_settings(stripes: StripeSettings, parts: dict[str, int]) -> None:
    found = of_money(GROUPS, {}, stripes)
    assert found.ours == 9500
    assert {each.cause: each.amount for each in found.parts} == parts
    assert found.rest_of(9500 + sum(parts.values())) == 0


def test_what_stripe_counts_beside_ours_and_what_it_might() -> None:
    beyond: Beyond = {
        "foreign": Fraction(2501, 2), "outside": Fraction(3, 2), "unbound": 900, "paused": 700,
        "trials": 300, "free": 1000,
    }  # fmt: skip
    found = of_money(GROUPS, beyond, StripeSettings())
    # Halves of a cent are rounded in the running total: the parts are exactly the whole.
    assert sum(each.amount or 0 for each in found.parts) == 2152
    assert {each.cause for each in found.parts} == {"foreign", "outside", "unbound"}
    for stripes, rest, guesses in (
        (11_652, 0, ()),
        (11_653, 1, ()),
        (12_352, 700, ("paused",)),
        # The fewest: 100 % off is as much as the two others together.
        (12_652, 1000, ("free",)),
    ):
        assert (found.rest_of(stripes), found.guesses_of(stripes)) == (rest, guesses)
    unknown = of_money(GROUPS, {"foreign": None}, StripeSettings())
    assert unknown.parts == (Part("foreign", None),)
    assert unknown.rest_of(10_000) == 500


def test_readers_are_counted_once() -> None:
    all_ways = frozenset({(False, False), (True, False), (False, True), (True, True)})
    groups = [
        # With another subscription they are counted anyway.
        Readers(5, all_ways, frozenset({"paused", "outside"})),
        Readers(3, frozenset({(False, False), (False, True)}), frozenset({"trials"})),
        Readers(2, frozenset({(False, False), (True, False)})),
        # Those of several causes are counted once, for the first of them.
        Readers(3, frozenset(), frozenset({"outside", "given_back"})),
        Readers(1, frozenset(), frozenset({"outside", "trials"})), Readers(1, frozenset(), frozenset({"free"})),
    ]  # fmt: skip
    found = of_readers(groups, {"foreign": 7}, StripeSettings())
    assert (found.ours, {p.cause: p.amount for p in found.parts}) == (
        10,
        {"outside": 4, "foreign": 7},
    )
    assert {each.cause: each.amount for each in found.perhaps} == {"paused": 0, "trials": 0, "free": 1}  # fmt: skip
    strict = of_readers(groups, {}, StripeSettings("forever", "cancelled", "first_payment"))
    assert {each.cause: each.amount for each in strict.parts} == {
        "churn": -3, "start": -2, "outside": 4,
    }  # fmt: skip
    assert {p.cause: p.amount for p in strict.perhaps} == {"paused": 0, "trials": 3, "free": 1}


def test_what_something_else_sold() -> None:
    """A year at 120.00 and two weeks at 6.00 each are 10.00 + 2 × 26.00 a month."""
    found, one = Foreign(), stripe_values.item()
    yearly = replace(one, price=replace(one.price, amount=12000, interval="year"))
    weekly = replace(one, price=replace(one.price, amount=600, interval="week"), quantity=2)
    active = stripe_values.subscription("active", items=(yearly, weekly))
    for each in (
        active,
        replace(active, status="trialing"),
        replace(active, pauses_collection=True),
    ):
        found.add(each)
    together = {"mrr": "0", "customers": 1}
    assert found.document() == {"EUR": {"mrr": "6200", "customers": 1}, "": together}
    # One customer of two currencies is one; who pays for something of ours, too, is counted there.
    francs = replace(yearly, price=replace(yearly.price, currency="chf"))
    found.add(replace(active, items=(francs,)))
    assert found.document()["CHF"]["customers"] == 1
    assert found.document()[""] == together
    found.add_ours(replace(active, items=(francs,)))
    assert [each["customers"] for each in found.document().values()] == [0, 1, 0]


async def compared(database: Database, **chosen: Any) -> Agreement:
    async with database.reading() as session:
        groups, beyond = await facts.money(session, NOW, "EUR", is_now=True)
        account = await facts.account(session, NOW, "EUR")
    return of_money(groups, {**beyond, **account.mrr}, StripeSettings(**chosen))


async def test_each_cause_from_its_rows(database: Database) -> None:
    """Ours are 9.00 + 9.00 + 4.50 + 9.00: of these one is scheduled to end, one is half off for ever, and
    one is 3.00 off for three months and 1.00 once.
    """
    offer, reader = rows.offer(), rows.reader()
    at = NOW - 9 * DAY

    def bought(**values: Any) -> Subscription:
        return rows.subscription(reader, offer, **values)

    plain, ends = bought(), bought(cancel_at=NOW + DAY)
    half, mixed = bought(recurring_amount=450, net_amount=450), bought(net_amount=500)
    paused = bought(pauses_collection=True)
    coupons: list[dict[str, Any]] = [
        {"id": f"di_{duration}", "coupon": "C", "percent_off": None, "amount_off": off,
         "currency": "EUR", "duration": duration, "starts_at": at.isoformat(), "ends_at": None,
         "products": []}
        for duration, off in (("repeating", 300), ("once", 100))
    ]  # fmt: skip
    await store(
        database, offer, reader, plain, ends, half, mixed, paused,
        bought(status="trialing", trial_end=NOW + DAY), bought(recurring_amount=0, net_amount=0),
        bought(outside="price", recurring_amount=0), bought(access_stop="duplicate", amount=100),
        bought(ended_at=NOW - DAY, status="canceled"), rows.subscription(reader, offer, currency="USD"),
        rows.movement(plain, 1, at), rows.movement(ends, 1, at),
        rows.movement(half, 1, at, to_recurring=450, to_net=450),
        rows.movement(mixed, 1, at, to_net=500, discounts=coupons),
        rows.movement(paused, 1, at),
        rows.ending(paused, 2, at + DAY, kind="pause", cause="collection_paused"),
        UnboundSubscription(
            id="sub_phone", customer_id="cus_phone", offer_id=offer.id, status="active", started_at=at
        ),
    )  # fmt: skip
    found = await compared(database)
    assert found.ours == 3150
    assert {each.cause: each.amount for each in found.parts} == {
        "outside": 900, "given_back": 100, "unbound": 900, "foreign": None,
    }  # fmt: skip
    assert {p.cause: p.amount for p in found.perhaps} == {"paused": 900, "trials": 900, "free": 900}
    for discounts, off in (("none", 450), ("recurring", -300), ("all", -400)):
        parts = (await compared(database, discounts=discounts)).parts
        assert next(each.amount for each in parts if each.cause == "discounts") == off
    ending = (await compared(database, churn="cancelled")).parts
    assert next(each.amount for each in ending if each.cause == "churn") == -900
    unpaid = (await compared(database, start="first_payment")).parts
    assert next(each.amount for each in unpaid if each.cause == "start") == -3150


def test_ours_at_any_instant_is_what_the_rows_say(database_url: str) -> None:
    @SOME
    @given(history=histories(), hour=st.integers(0, DAYS * 24))
    def play(history: list[MovementRow], hour: int) -> None:
        asyncio.run(_compare(database_url, history, hour))

    play()


async def _compare(url: str, history: list[MovementRow], hour: int) -> None:
    at = BEGIN + timedelta(hours=hour)
    database = Database(url)
    try:
        async with database.transaction() as session:
            for table in (MovementRow, Subscription, Offer, Reader):
                await session.execute(delete(table))
        last: dict[str, MovementRow] = {}
        for row in sorted(history, key=lambda row: row.number):
            if row.at <= at:
                last[row.subscription_id] = row
        offer = rows.offer()
        readers = {name: rows.reader(id=name) for name in {row.customer for row in history}}
        bought = {
            row.subscription_id: rows.subscription(readers[row.customer], offer, id=row.subscription_id)
            for row in history
        }  # fmt: skip
        held = [row for row in last.values() if row.to_plan is not None]
        expected = [
            Fraction(row.to_recurring, row.to_interval_count or 1)
            * PER_MONTH[row.to_interval or ""]
            for row in held
            if row.currency == "CHF"
        ]
        active = {bought[row.subscription_id].reader_id for row in held}
        await store(database, offer, *readers.values(), *bought.values())
        columns = [each.key for each in MovementRow.__table__.columns]
        copies = [MovementRow(**{key: getattr(row, key) for key in columns}) for row in history]
        await store(database, *copies)
        async with database.reading() as session:
            groups, _ = await facts.money(session, at, "CHF", is_now=False)
            counted = await facts.readers(session, at, "", is_now=False)
        assert of_money(groups, {}, StripeSettings()).ours == round(sum(expected, Fraction(0)))
        assert of_readers(counted, {}, StripeSettings()).ours == len(active)
    finally:
        await database.dispose()
