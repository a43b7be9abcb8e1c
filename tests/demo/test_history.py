"""What the invented year holds."""

from collections import Counter
from datetime import timedelta
from typing import get_args

import pytest
from sqlalchemy import func, select

from service.billing.movements import Kind
from service.billing.reconcile import reconcile
from service.db.context import Context
from service.db.tables import (
    AccessEntry,
    BalanceRow,
    ChargeRow,
    Checkout,
    DomainEvent,
    ExchangeRate,
    GiftLink,
    GiftOpening,
    GiftSubscription,
    Grant,
    Institution,
    InstitutionReadDay,
    InvoiceRow,
    MovementRow,
    Pass,
    PayoutRow,
    Reader,
    Reconciliation,
    RefundRow,
    Right,
    Seat,
    Subscription,
    WebhookEndpoint,
)
from service.demo.history import write
from service.demo.history.systems import RECEIVER, send_here
from service.demo.history.year import DAYS
from service.html.list_query import ListQuery
from service.operators.money import lists
from service.operators.stripe_figures.entries import list_entries
from service.reports.asked import Asked
from service.reports.experiment_report import report_on_experiment
from service.reports.period import parse_period
from service.reports.registry import FIGURES
from service.reports.sharing_list import SharingQuery, list_sharing
from service.rules.experiment_store import newest_experiments
from service.simulator.payments.charges import OPEN_DISPUTE
from tests.demo.invented import SIZE, Demo, counted

FILLED = (
    ExchangeRate, Institution, InstitutionReadDay, GiftLink, GiftOpening, GiftSubscription, Seat,
)  # fmt: skip

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("the-year")]


async def test_each_report_has_something_to_show(demo: Demo) -> None:
    zone, now = demo.context.settings.zone, demo.clocks.business()
    first = (now - timedelta(days=DAYS)).date()
    period = parse_period(
        {"from": first.isoformat(), "to": now.date().isoformat(), "interval": "month", "zone": ""},
        today=now.astimezone(zone).date(), zone=zone,
    )  # fmt: skip
    async with demo.context.database.reading() as session:
        for figure in FIGURES:
            lines = await figure.lines(session, Asked(period, now, zone))
            cells = [cell for line in lines for cell in (*line.cells, line.total)]
            assert any(cell.value for cell in cells), figure.slug


async def test_money_adds_up(demo: Demo) -> None:
    """Each payout is its entries, what is paid is what was charged, and revenue is all of it."""
    async with demo.context.database.reading() as session:
        invoices = list(await session.scalars(select(InvoiceRow)))
        charges = list(await session.scalars(select(ChargeRow)))
        moves = list(await session.scalars(select(BalanceRow)))
        payouts = list(await session.scalars(select(PayoutRow)))
        refunds = list(await session.scalars(select(RefundRow)))
        renewals = await session.scalar(
            select(func.count()).where(
                DomainEvent.type.in_(("subscription.renewed", "subscription.trial_paid"))
            )
        )
    parts: Counter[str | None] = Counter()
    for each in moves:
        assert each.net == each.amount - each.fee
        if each.category != "payout":
            parts[each.payout_id] += each.net
    assert {each.id: each.amount for each in payouts} == {
        payout: net for payout, net in parts.items() if payout is not None
    }
    assert {each.arrives_at.weekday() for each in payouts} == {2}
    assert len([each for each in payouts if each.currency == "EUR"]) > 40
    taken: Counter[str | None] = Counter()
    for charge in charges:
        taken[charge.invoice_id] += charge.amount if charge.status == "succeeded" else 0
    assert {each.id: each.amount_paid for each in invoices} == {
        each.id: taken[each.id] for each in invoices
    }
    assert taken[None] == sum(each.amount for each in charges if each.sold == "pass") > 0
    assert refunds
    paid = [each for each in invoices if each.status == "paid" and each.total]
    assert renewals == len([each for each in paid if each.billing_reason == "subscription_cycle"])
    assert {each.status for each in invoices} == {"paid", "open"}


async def test_the_money_page_has_something_to_show(demo: Demo) -> None:
    asked = ListQuery(limit=20)
    async with demo.context.database.reading() as session:
        owing = await lists.list_owing(session, asked)
        refunds = await lists.list_refunds(session, asked)
        payouts = await lists.list_payouts(session, asked)
        latest = await lists.read_payout(session, payouts.items[0].id)
        wrote = await session.scalar(select(func.count()).where(Subscription.cancel_comment != ""))
    assert all(each.decline != "unknown" and each.tries for each in owing.items)
    assert {each.offer_name for each in refunds.items} & {"Monthly", "Yearly"}
    whose = [each.whose for each in owing.items] + [each.whose for each in refunds.items]
    assert all(each.email for each in whose)
    assert (latest.rest, len(payouts.items)) == (0, 20)
    assert wrote


async def test_the_year_is_one_of_growth_with_people_who_are_nobody(demo: Demo) -> None:
    kinds = await counted(demo, MovementRow.kind, MovementRow)
    assert set(kinds) == {*get_args(Kind)}
    assert (
        SIZE / 2 < kinds["new"] - kinds["churn_voluntary"] - kinds["churn_involuntary"] < SIZE * 2
    )
    assert set(await counted(demo, Checkout.status, Checkout)) == {"completed", "expired"}
    assert set(await counted(demo, Grant.source, Grant)) == {
        "subscription", "pass", "comp", "external", "gift", "seat",
    }  # fmt: skip
    assert (await counted(demo, AccessEntry.wall, AccessEntry))["subscribe"]
    async with demo.context.database.reading() as session:
        addresses = list(await session.scalars(select(Reader.email)))
    assert {str(each).partition("@")[2] for each in addresses} == {
        "example.com", "example.net", "example.org",
    }  # fmt: skip


async def test_lists_beside_the_sales_have_something_to_show(demo: Demo) -> None:
    async with demo.context.database.reading() as session:
        for table in FILLED:
            assert await session.scalar(select(func.count()).select_from(table)), table
        bound = set(await session.scalars(select(Right.bound_by)))
        now, zone = demo.clocks.business(), demo.context.settings.zone
        shared = await list_sharing(session, SharingQuery(), now.astimezone(zone).date())
        tried = [
            await report_on_experiment(session, each, now, zone)
            for each in await newest_experiments(session, 5)
        ]
        entered = (await list_entries(session, ListQuery(limit=20))).items
    assert bound == {None, "email"}
    assert len(shared.items) == 2
    assert [each.state for each in tried] == ["running", "over"]
    for report in tried:
        assert report.result is not None
        assert report.mixed == 0
        assert all(each.tally.holders for each in report.result.variants)
    assert [each.rest == 0 for each in entered] == [False, True, True]


async def test_invented_nights_count_as_a_comparison_does(demo: Demo) -> None:
    async with demo.context.database.reading() as session:
        night = await session.scalar(
            select(Reconciliation).order_by(Reconciliation.started_at.desc()).limit(1)
        )
        assert night is not None
        since = night.started_at
        sold = select(func.count()).where(Subscription.started_at > since)
        bought = select(func.count()).where(Pass.paid_at > since)
        over = select(func.count()).where(
            Pass.ends_at > since, Pass.ends_at <= demo.clocks.business()
        )
        new = [await session.scalar(each) or 0 for each in (sold, bought, over)]
    now = await reconcile(demo.context, demo.gateway, started_by="test", fix=False, pauses=())
    assert night.compared == now.compared - new[0] - new[1] + new[2]


async def test_webhooks_go_to_the_port_of_the_last_start(demo: Demo) -> None:
    async def addresses() -> Counter[str]:
        return await counted(demo, WebhookEndpoint.url, WebhookEndpoint)

    settings = demo.context.settings.model_copy(update={"public_url": "http://127.0.0.1:8123"})
    moved = Context(settings, demo.clocks, demo.context.database)
    await send_here(moved)
    assert await addresses() == {f"http://127.0.0.1:8123{RECEIVER}": 2}
    await send_here(demo.context)
    assert await addresses() == {f"{demo.context.settings.public_url}{RECEIVER}": 2}


async def test_a_second_start_adds_nothing(demo: Demo) -> None:
    before = await counted(demo, Subscription.status, Subscription)
    assert not await write.is_wanted(demo.context, SIZE)
    await write.go_on(demo.context, demo.simulator)
    assert await counted(demo, Subscription.status, Subscription) == before


async def test_a_bank_contests_a_payment_that_is_at_stripe(demo: Demo) -> None:
    """The last one here: the local Stripe has it on its agenda from then on."""
    store = demo.simulator.world.store
    before = len(store.agenda())
    await write.contest(demo.context, demo.simulator)
    assert len(store.agenda()) == before + 1
    (due,) = (each for each in store.agenda() if each.action == OPEN_DISPUTE)
    charge = store.get(due.subject, "charge")
    assert charge is not None
    assert charge["paid"]
    assert due.at > demo.simulator.world.now
