"""Subscribers whom a Stripe account had before us: imported whole, once, and without a word to anybody."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import delete, func, select

from service.billing.adopt import Adoption, adoptions_of
from service.billing.brought_in import Brought, Entry
from service.billing.dunning import remind_of_open_payments
from service.billing.import_subscribers import Import, import_subscribers
from service.billing.reconcile import reconcile
from service.db.base import Base
from service.db.context import Context
from service.db.tables import (
    Customer,
    DomainEvent,
    Grant,
    Job,
    Mail,
    MovementRow,
    Offer,
    Reader,
    Subscription,
    WebhookDelivery,
    WebhookEndpoint,
)
from service.payments.gateway import Gateway
from tests.billing.desk import Desk
from tests.billing.model.crashes import Fate, Killed, MortalDatabase
from tests.billing.test_late_renewals import Garbles
from tests.databases import on_sqlite

STORED = (Customer, Subscription, Grant, MovementRow, DomainEvent)


@dataclass
class World:
    """Customers of an account that knows nothing of us: subscriptions by what they are."""

    desk: Desk
    named: dict[str, str] = field(default_factory=dict)
    customers: dict[str, str] = field(default_factory=dict)

    def customer(self, name: str, email: str | None = "") -> str:
        given = (
            {"email": f"{name}@example.org" if email == "" else email} if email != "none" else {}
        )
        made = self.desk.stripe.customers.create({k: v for k, v in given.items() if v})
        self.customers[name] = made.id
        return str(made.id)

    def add(self, name: str, email: str | None = "", **fields: Any) -> str:
        customer = self.customers.get(name) or self.customer(name, email)
        self.named[name] = self.desk.subscribe(customer, **fields)
        return self.named[name]

    def add_foreign(self, name: str) -> None:
        """At a price that was never an offer of ours."""
        product = self.desk.stripe.products.create({"name": "Mugs"}).id
        price = {"unit_amount": 700, "currency": "eur", "recurring": {"interval": "month"}}
        made = self.desk.stripe.prices.create({**price, "product": product})
        self.named[f"{name} price"] = made.id
        self.add(name, items=[{"price": made.id}])

    def change(self, name: str, **fields: Any) -> None:
        self.desk.stripe.subscriptions.update(self.named[name], fields)

    def item(self, name: str) -> str:
        found = self.desk.stripe.subscriptions.retrieve(self.named[name])
        return str(found["items"].data[0].id)

    def switch(self, name: str, price: str, **fields: Any) -> None:
        self.change(name, items=[{"id": self.item(name), "price": price}], **fields)

    def coupon(self, **fields: Any) -> str:
        return str(self.desk.stripe.coupons.create(fields).id)

    def give_failing_card(self, name: str) -> None:
        card = self.desk.stripe.payment_methods.attach(
            "pm_card_chargeCustomerFail", {"customer": self.customers[name]}
        )
        self.change(name, default_payment_method=card.id)


def grow(desk: Desk) -> World:
    """Half a year of an account's life."""
    world = World(desk)
    world.add("loyal")
    world.add("ended")
    world.add("switched")
    world.add("staff", discounts=[{"coupon": world.coupon(percent_off=50, duration="forever")}])
    spring = world.coupon(percent_off=25, duration="repeating", duration_in_months=2)
    world.add("spring", discounts=[{"coupon": spring}])
    world.add(
        "once",
        discounts=[{"coupon": world.coupon(amount_off=300, currency="eur", duration="once")}],
    )
    world.add("two")
    world.named["two, the first"] = world.named["two"]
    desk.travel(days=40)
    world.add("two", items=[{"price": desk.other_price}])
    world.switch("switched", desk.other_price, proration_behavior="always_invoice")
    desk.stripe.subscriptions.cancel(world.named["ended"])
    desk.travel(days=40)
    world.add("back", email="ended@example.org")
    world.add("shared", email="loyal@example.org")
    world.add("nobody", email=None)
    world.add("strange", email="nobody at all")
    world.add("owing")
    world.add("leaving")
    world.give_failing_card("owing")
    world.add_foreign("foreign")
    world.add("never", card="pm_card_authenticationRequired", payment_behavior="default_incomplete")
    desk.travel(days=33)
    world.change("leaving", cancel_at_period_end=True)
    world.add("trying", trial_period_days=14)
    world.change("loyal", pause_collection={"behavior": "void"})
    desk.travel(days=12)
    return world


async def imported(
    desk: Desk, *, is_dry: bool = False, adoptions: dict[str, Adoption] | None = None
) -> tuple[Brought, list[Entry]]:
    entries: list[Entry] = []
    run = Import(
        desk.context,
        desk.gateway,
        adoptions or {},
        is_dry,
        "test",
        record=entries.append,
        pauses=(),
    )
    return await import_subscribers(run), entries


async def count(desk: Desk, table: type[Base]) -> int:
    async with desk.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def rows(desk: Desk, table: type[Any]) -> list[Any]:
    async with desk.database.reading() as session:
        return list(await session.scalars(select(table)))


async def movements(desk: Desk, subscription: str) -> list[tuple[str, str, datetime, int, int]]:
    """Kind, cause, instant and the recurring amounts before and after."""
    found = [each for each in await rows(desk, MovementRow) if each.subscription_id == subscription]
    found.sort(key=lambda each: each.number)
    return [(m.kind, m.cause, m.at, m.from_recurring, m.to_recurring) for m in found]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_an_account_is_imported_whole_quietly_and_once(desk: Desk) -> None:
    begun = desk.clocks.business()
    await listen(desk)
    world = grow(desk)
    would, said = await imported(desk, is_dry=True)
    for table in (*STORED, Reader, Job, Mail):
        assert await count(desk, table) == 0, table
    were, done = await imported(desk)
    assert [each.document() for each in said] == [each.document() for each in done]
    assert (would.statuses, would.mrr, would.movements, would.customers) == (
        were.statuses, were.mrr, were.movements, were.customers,
    )  # fmt: skip
    assert were.prices == {world.named["foreign price"]: 1}
    assert were.imported == await count(desk, Subscription) == len(world.named) - 2
    assert {kind: number for kind, number, _ in were.notes()} == {
        "price": 1, "address": 2, "shared": 2, "several": 1,
    }  # fmt: skip
    # Not a word to anybody, and nothing at Stripe.
    await remind_of_open_payments(desk.context)
    assert await count(desk, Mail) == await count(desk, WebhookDelivery) == 0
    assert {each.kind for each in await rows(desk, Job)} <= {"stripe-sync"}
    before = {table: await count(desk, table) for table in STORED}
    again, entries = await imported(desk)
    assert (again.imported, again.customers, entries) == (0, 0, [])
    assert {table: await count(desk, table) for table in STORED} == before
    report = await reconcile(desk.context, desk.gateway, started_by="test", fix=False)
    assert [each.difference for each in report.findings] == []
    await check_movements(world, begun)
    await check_access(world)


async def listen(desk: Desk) -> None:
    """Mail can be sent, and a system of the newsroom's wants to hear of everything."""
    desk.settings = desk.settings.model_copy(update={"mail_from": "desk@example.org"})
    async with desk.database.transaction() as session:
        session.add(
            WebhookEndpoint(
                id="whe_1", url="https://crm.example.org", description="", types=["*"],
                secret_sealed="sealed", created_at=desk.clocks.wall(),
            )
        )  # fmt: skip


async def check_access(world: World) -> None:
    """By the status; what is cancelled, and paid, to the end of its period."""
    desk = world.desk
    for name in set(world.named) - {"foreign price", "foreign"}:
        is_open = await desk.is_open(world.named[name])
        assert is_open == (name not in {"ended", "never"}), name
    leaving = await desk.row(world.named["leaving"])
    desk.clocks.travel(leaving.current_period_end - desk.clocks.business() - timedelta(minutes=1))
    assert await desk.is_open(world.named["leaving"])
    desk.clocks.travel(timedelta(minutes=2))
    assert not await desk.is_open(world.named["leaving"])


async def check_movements(world: World, begun: datetime) -> None:
    """What was paid in past months is dated by Stripe."""
    day = timedelta(days=1)

    async def of(name: str) -> list[tuple[str, str, datetime, int, int]]:
        return await movements(world.desk, world.named[name])

    assert await of("ended") == [
        ("new", "started", begun, 0, 900),
        ("churn_voluntary", "voluntary", begun + 40 * day, 900, 0),
    ]
    assert await of("switched") == [
        ("new", "started", begun, 0, 900), ("expansion", "switched", begun + 40 * day, 900, 1500),
    ]  # fmt: skip
    assert await of("staff") == [("new", "started", begun, 0, 450)]
    (spring, over) = await of("spring")
    assert (spring[2], over[:2]) == (begun, ("expansion", "discount"))
    assert begun + 58 * day < over[2] < begun + 63 * day
    (_, spent) = await of("once")
    assert spent[:2] == ("expansion", "discount")
    assert begun + 27 * day < spent[2] < begun + 32 * day
    assert await of("two") == [("expansion", "started", begun + 40 * day, 0, 1500)]
    assert await of("trying") == await of("never") == []
    (_, paused) = await of("loyal")
    assert paused[:2] == ("pause", "collection_paused")
    assert begun + 120 * day < paused[2] < begun + 124 * day  # with the first invoice of nobody's
    assert [each[:2] for each in await of("owing")] == [("new", "started")]


@on_sqlite
async def test_the_history_is_that_which_would_have_been_recorded(desk: Desk) -> None:
    """What an invoice or a date of Stripe's dates: the same rows as of one who bought here."""
    coupon = desk.stripe.coupons.create(
        {"percent_off": 30, "duration": "repeating", "duration_in_months": 1}
    )
    customers = [(await desk.reader(f"{n}@example.org"))[1] for n in range(5)]
    plain = desk.subscribe(customers[0])
    reduced = desk.subscribe(customers[1], discounts=[{"coupon": coupon.id}])
    trying = desk.subscribe(customers[2], trial_period_days=7)
    failing = desk.subscribe(customers[3], "pm_card_chargeCustomerFail", trial_period_days=3)
    switched = desk.subscribe(customers[4])
    for days in (1, 9, 15, 10, 20):
        await desk.hear()
        desk.travel(days=days)
    await desk.hear()
    item = desk.stripe.subscriptions.retrieve(switched)["items"].data[0].id
    desk.stripe.subscriptions.update(
        switched,
        {
            "items": [{"id": item, "price": desk.other_price}],
            "proration_behavior": "always_invoice",
        },
    )
    await desk.hear()
    desk.travel(days=12)
    desk.stripe.subscriptions.cancel(plain)
    await desk.hear()
    desk.travel(days=2)
    second = desk.subscribe(customers[0])
    await desk.hear()
    desk.travel(days=3)
    await desk.hear()
    named = (plain, reduced, trying, failing, switched, second)
    recorded = {each: await movements(desk, each) for each in named}
    async with desk.database.transaction() as session:
        for table in (Grant, MovementRow, DomainEvent, Mail, Job, Subscription, Customer):
            await session.execute(delete(table))
    await imported(desk)
    assert {each: await movements(desk, each) for each in named} == recorded


async def test_a_webhook_that_comes_meanwhile_is_not_lost(desk: Desk) -> None:
    world = World(desk)
    ours = world.add("ana")

    async def cancel_and_hear(subscription_id: str) -> Any:
        """What Stripe answered is out of date before it is stored, and the event finds nobody."""
        answer = await retrieve(subscription_id)
        if not heard:
            heard.append(subscription_id)
            desk.stripe.subscriptions.update(ours, {"cancel_at_period_end": True})
            await desk.hear()
        return answer

    heard: list[str] = []
    retrieve = desk.gateway.retrieve_subscription
    gateway = Overtaken(desk.gateway, cancel_and_hear)
    run = Import(desk.context, gateway, {}, False, "test", pauses=())
    await import_subscribers(run)
    assert heard == [ours]
    assert (await desk.row(ours)).cancel_at is not None
    report = await reconcile(desk.context, desk.gateway, started_by="test", fix=False)
    assert report.findings == []


class Overtaken:
    """A gateway whose subscriptions change as soon as they are shown."""

    def __init__(self, gateway: Any, retrieve: Any) -> None:
        self._gateway = gateway
        self.retrieve_subscription = retrieve

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)


@on_sqlite
async def test_an_odd_customer_keeps_no_other_one_out(desk: Desk) -> None:
    world = World(desk)
    for name in ("one", "odd", "other"):
        world.add(name)
    given = desk.gateway
    desk.gateway = cast("Gateway", Garbles(given, world.named["odd"]))
    brought, entries = await imported(desk)
    assert brought.imported == 2
    assert [(kind, count) for kind, count, _ in brought.notes()] == [("failed", 1)]
    (skipped,) = (each for each in entries if each.outcome == "skipped")
    assert skipped.subscription == world.named["odd"]
    desk.gateway = given
    again, _ = await imported(desk)
    assert (again.imported, again.known) == (1, 2)


@on_sqlite
async def test_a_price_that_was_mapped_opens_what_the_offer_opens(desk: Desk) -> None:
    world = World(desk)
    world.add_foreign("foreign")
    async with desk.database.reading() as session:
        offer = await session.scalar(select(Offer).where(Offer.stripe_price_id == desk.price))
    assert offer is not None
    mapping = {world.named["foreign price"]: offer.id}
    adoptions = await adoptions_of(desk.context, desk.gateway, mapping)
    would, _ = await imported(desk, is_dry=True, adoptions=adoptions)
    assert await count(desk, Offer) == 2
    were, _ = await imported(desk, adoptions=adoptions)
    assert would.prices == were.prices == {}
    assert would.imported == were.imported
    row = await desk.row(world.named["foreign"])
    assert (row.plan, row.amount, row.outside) == (offer.plan, 700, "")
    again, _ = await imported(
        desk, adoptions=await adoptions_of(desk.context, desk.gateway, mapping)
    )
    assert again.imported == 0


async def test_a_run_that_dies_is_gone_on_with(desk: Desk) -> None:
    """Wherever it dies, the rows at the end are those of a run that doesn't."""
    world = World(desk)
    for name in ("ana", "bo", "ana", "cleo"):
        world.add(name)
        desk.travel(days=20)
    expected = await state_after(desk, every=None)
    assert len(expected["subscriptions"]) == 4
    for every in (3, 7):
        assert await state_after(desk, every=every) == expected


async def state_after(desk: Desk, *, every: int | None) -> dict[str, list[list[Any]]]:
    """The rows after runs that die at the `every`th point at which they can, each a point later than the one
    before, until one is through.
    """
    async with desk.database.transaction() as session:
        for table in (Grant, MovementRow, DomainEvent, Subscription, Customer, Reader):
            await session.execute(delete(table))
    fate = Fate()
    database = MortalDatabase(desk.settings.database_url, fate)
    context = Context(desk.settings, desk.clocks, database)
    died, at = 0, every
    while True:
        fate.strike(at)
        try:
            await import_subscribers(Import(context, desk.gateway, {}, False, "test", pauses=()))
            break
        except Killed:
            died, at = died + 1, (at or 0) + 1
    fate.strike(None)
    await database.dispose()
    assert (died > 1) == (every is not None), died
    return {table.__tablename__: await normalised(desk, table) for table in STORED}


async def normalised(desk: Desk, table: type[Any]) -> list[list[Any]]:
    """The rows without the ids that are made up, and when they were made."""
    readers = {each.reader_id: each.id for each in await rows(desk, Customer)}
    pseudonyms = {each.pseudonym: readers.get(each.id) for each in await rows(desk, Reader)}
    known = {**readers, **pseudonyms}
    found = [
        [
            known.get(value, value) if isinstance(value, str) else value
            for column in table.__table__.columns
            if column.name not in {"id", "recorded_at"} or table is Subscription
            for value in [getattr(row, column.name)]
        ]
        for row in await rows(desk, table)
        if not (table is DomainEvent and row.type == "reader.created")
    ]
    return sorted(found, key=repr)
