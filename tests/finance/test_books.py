"""Money as Stripe has it: the same rows from events in any order, again, and from lists alone."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from service.account.reader_data import HOLDINGS
from service.account.subject import subject_of
from service.billing.events import HANDLED, booking_of
from service.billing.inbox import JOB
from service.billing.patience import Patience
from service.billing.reconcile import Report, reconcile
from service.db.tables import (
    BalanceRow,
    ChargeRow,
    DisputeRow,
    InvoiceRow,
    PayoutRow,
    Reader,
    RefundRow,
    Subscription,
)
from service.finance.books import book, gaps, keep
from service.finance.fill import fill
from service.payments.books import BalanceEntry, Booked, BookedKind, BookedPayout, Booking
from service.payments.gateway import Gateway, GatewayUnavailable, StripeEvent
from service.simulator.payments.balance import book as transaction
from tests.billing.desk import Desk, backwards
from tests.databases import on_sqlite
from tests.finance.events import MONEY, kept, live
from tests.stripe_at_hand import URL, gateway_to
from tests.wire import Wire


def twice_and_mixed(events: Sequence[StripeEvent]) -> Sequence[StripeEvent]:
    """By their ids, which are random."""
    return sorted([*events, *events], key=lambda each: each.id[::-1])


async def reconciled(desk: Desk, *, fix: bool = True, since: datetime | None = None) -> Report:
    return await reconcile(desk.context, desk.gateway, started_by="command", fix=fix, since=since)


async def emptied(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        for table in MONEY:
            await session.execute(delete(table))


async def test_the_same_rows_in_any_order_and_from_lists_alone(lived: Desk) -> None:
    first = await kept(lived.database)
    assert {name: len(rows) > 0 for name, rows in first.items()} == dict.fromkeys(first, True)
    # What is booked from which order is no matter of SQL: PostgreSQL shows that rows are written again.
    on_postgresql = lived.database.dialect == "postgresql"
    for order in (twice_and_mixed,) if on_postgresql else (backwards, twice_and_mixed):
        await emptied(lived)
        since = lived.clocks.business() - timedelta(days=1000)
        events = [each async for each in lived.gateway.events(since=since, types=HANDLED)]
        for event in order(events):
            booking = booking_of(event.type, event.object_id)
            if booking is not None:
                await book(lived.context, lived.gateway, booking)
        assert await kept(lived.database) == first
    await emptied(lived)
    report = await reconciled(lived)
    assert (report.remaining, bool(report.booked)) == ([], True)
    assert await kept(lived.database) == first


@on_sqlite
async def test_rows_are_what_stripe_has(lived: Desk) -> None:
    """The oracle reads the local Stripe's own documents, and nothing of ours."""
    rows = await kept(lived.database)
    at = lived.at_stripe
    assert set(rows["charges"]) == {each["id"] for each in at.listed("charge")}
    entries = {each["id"]: each for each in at.listed("balance_transaction")}
    payouts = {each["id"]: each for each in at.listed("payout")}
    assert set(rows["payouts"]) == set(payouts)
    for id_, row in rows["balance_entries"].items():
        entry = entries[id_]
        assert (row["amount"], row["fee"], row["net"]) == (
            entry["amount"], entry["fee"], entry["net"],
        )  # fmt: skip
        assert row["fee_tax"] == sum(
            each["amount"] for each in entry["fee_details"] if each["type"] == "tax"
        )
        assert row["payout_id"] == entry["_sim"]["payout"]
        assert row["created_at"] == datetime.fromtimestamp(entry["created"], UTC)
    for id_, payout in payouts.items():
        parts = [
            row for row in rows["balance_entries"].values()
            if row["payout_id"] == id_ and row["category"] != "payout"
        ]  # fmt: skip
        assert (
            sum(row["net"] for row in parts) == payout["amount"] == rows["payouts"][id_]["amount"]
        )
    invoices = {each["id"]: each for each in at.listed("invoice") if each["status"] != "draft"}
    assert set(rows["invoices"]) == set(invoices)
    for id_, row in rows["invoices"].items():
        same = ("status", "subtotal", "total", "amount_due", "amount_paid", "amount_remaining")
        assert {name: row[name] for name in same} == {name: invoices[id_][name] for name in same}


@on_sqlite
async def test_each_charge_says_what_it_is_for(lived: Desk) -> None:
    rows = await kept(lived.database)
    charges = rows["charges"].values()
    # One that is declined is tried eight times.
    assert Counter((each["sold"], each["status"]) for each in charges) == {
        ("subscription", "succeeded"): 2, ("subscription", "failed"): 8,
        ("pass", "succeeded"): 1, ("other", "succeeded"): 1,
    }  # fmt: skip
    tries = [each for each in charges if each["status"] == "failed"]
    assert sorted(each["attempt"] for each in tries) == list(range(1, 9))
    assert {each["failure"] for each in tries} == {"generic_decline"}
    assert {each["country"] for each in charges if each["sold"] == "subscription"} == {"DE", "US"}
    for entry in rows["balance_entries"].values():
        charge = rows["charges"].get(entry["charge_id"] or "")
        if charge is None:
            assert entry["category"] in {"payout", "payout_reversal"}
            assert (entry["sold"], entry["offer_id"]) == ("", None)
        else:
            same = ("sold", "offer_id", "method", "country")
            assert {name: entry[name] for name in same} == {name: charge[name] for name in same}


@on_sqlite
async def test_a_reader_is_shown_their_money_and_no_one_elses(lived: Desk) -> None:
    shown: dict[str, Counter[str]] = {}
    async with lived.database.reading() as session:
        for email in ("ana", "ben", "cleo"):
            reader = await session.scalar(select(Reader).where(Reader.email.startswith(email)))
            assert reader is not None
            subject = await subject_of(session, reader.id)
            assert subject is not None
            shown[email] = Counter()
            for holding in HOLDINGS:
                if holding.table in MONEY:
                    rows = await session.scalars(
                        select(holding.table).where(holding.theirs(subject))
                    )
                    shown[email][holding.section] = len(rows.all())
    # Ana's foreign payment and its refund aren't known to be hers.
    assert shown == {
        "ana": {"invoices": 1, "charges": 1, "refunds": 1, "disputes": 0},
        "ben": {"invoices": 1, "charges": 1, "refunds": 0, "disputes": 1},
        "cleo": {"invoices": 2, "charges": 8, "refunds": 0, "disputes": 0},
    }


@on_sqlite
async def test_an_answer_that_is_older_never_overwrites(desk: Desk) -> None:
    _, ana = await desk.reader()
    subscription = desk.subscribe(ana)
    await desk.hear()
    charge = desk.stripe.charges.list().data[0]
    refund = desk.stripe.refunds.create({"charge": charge.id}).id
    asked_at = desk.clocks.business()
    old = await desk.gateway.booked("invoice", desk.stripe.invoices.list().data[0].id)
    assert old is not None
    async with desk.database.transaction() as session:
        await session.execute(
            update(InvoiceRow).values(status="void", asked_at=asked_at + timedelta(seconds=1))
        )
    await keep(desk.context, [old], asked_at)
    await book(desk.context, desk.gateway, Booking("refund", refund))
    async with desk.database.reading() as session:
        assert await session.scalar(select(InvoiceRow.status)) == "void"
        assert (await session.scalar(select(RefundRow.charge_id))) == charge.id
        linked = select(ChargeRow.subscription_id).where(ChargeRow.id == charge.id)
        assert await session.scalar(linked) == subscription
    assert not await book(desk.context, desk.gateway, Booking("refund", "re_none"))


def payout(number: int, entries: int = 0, amount: int = 900) -> BookedPayout:
    """One with its entries, as Stripe's lists have it."""
    id_, at = f"po_{number}", datetime(2026, 3, 1, tzinfo=UTC)
    parts = tuple(
        BalanceEntry(
            f"txn_{number}_{each}", "fee", None, amount, 0, 0, amount, "IDR", at, at, payout_id=id_
        )
        for each in range(entries)
    )
    return BookedPayout(id_, amount, "IDR", "paid", "", True, at, at, parts)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_amounts_may_exceed_32_bits(desk: Desk) -> None:
    large = 25_000_000_000
    await keep(desk.context, [payout(1, 1, large)], desk.clocks.business())
    async with desk.database.reading() as session:
        assert await session.scalar(select(PayoutRow.amount)) == large
        assert await session.scalar(select(BalanceRow.net)) == large
    types = [str(column.type) for table in MONEY for column in table.__table__.c]
    assert types.count("INTEGER") == 2  # the attempts, of invoices and charges


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_payouts_of_many_entries_are_compared_and_stored(desk: Desk) -> None:
    """One statement of PostgreSQL's takes 32,767 parameters at most."""
    many = [payout(1, 33_000)]
    async with desk.database.reading() as session:
        assert len(await gaps(session, many)) == 33_001


@on_sqlite
async def test_nobody_waits_while_a_payout_is_stored(desk: Desk) -> None:
    """Each transaction writes some hundreds: between two of them others write."""
    storing = asyncio.create_task(keep(desk.context, [payout(1, 1200)], desk.clocks.business()))
    seen: set[int] = set()
    while not storing.done():
        async with desk.database.transaction() as session:
            seen.add(await session.scalar(select(func.count()).select_from(BalanceRow)) or 0)
    await storing
    assert len(seen - {0, 1200}) > 2
    async with desk.database.reading() as session:
        assert await gaps(session, [payout(1, 1200)]) == []


class Restricted(Wire):
    """With a key that may read neither balance transactions nor payouts."""

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        if "balance_transaction" in url or "/v1/payouts" in url:
            told = "The provided key doesn't have the required permissions for this endpoint."
            error = {"type": "invalid_request_error", "message": told}
            return json.dumps({"error": error}), 403, {}
        return super().request(method, url, headers, post_data)


@on_sqlite
async def test_a_key_that_may_not_read_money_stalls_nothing_else(desk: Desk) -> None:
    await live(desk)
    refused = gateway_to(URL, http=Restricted(desk.at_stripe.simulator.world))
    await desk.hear(gateway=refused)
    events = await desk.jobs(JOB)
    assert {each.status for each in events} == {"done"}
    assert "money not kept" in {each.result for each in events}
    async with desk.database.reading() as session:
        found = await session.execute(select(Subscription.id, Subscription.status))
    at_stripe = desk.at_stripe.listed("subscription")
    assert {row.id: row.status for row in found} == {
        each["id"]: each["status"] for each in at_stripe
    }
    rows = await kept(desk.database)
    assert (len(rows["invoices"]) > 0, rows["charges"], rows["payouts"]) == (True, {}, {})
    for _ in range(2):
        report = await reconcile(desk.context, refused, started_by="nightly", fix=True)
        [left] = report.remaining
        assert (left.object, report.booked) == ("money", None)
        assert "read balance transactions and payouts" in left.reason
    await refused.close()
    assert (await reconciled(desk)).findings == []
    assert all((await kept(desk.database)).values())


@on_sqlite
async def test_gaps_are_found_told_and_filled(lived: Desk) -> None:
    assert (await reconciled(lived)).findings == []
    before = await kept(lived.database)
    [dispute] = before["disputes"]
    async with lived.database.transaction() as session:
        await session.execute(delete(RefundRow))
        await session.execute(update(DisputeRow).values(status="needs_response"))
        await session.execute(delete(BalanceRow).where(BalanceRow.category == "dispute"))
    began = lived.clocks.business() - timedelta(days=28)
    # What was made long ago and can't change any more is looked at again only where that is asked for.
    assert [
        each for each in before["refunds"] if each in str(await reconciled(lived, fix=False))
    ] == []
    told = await reconciled(lived, fix=False, since=began)
    by_object = {each.difference.object: each.difference for each in told.findings}
    assert by_object[dispute].here == "status needs_response"
    assert by_object[dispute].stripe == "status lost"
    assert set(before["refunds"]) <= set(by_object)
    assert len(told.remaining) == len(told.findings) == 4
    assert [each.mended for each in (await reconciled(lived, since=began)).findings] == [True] * 4
    assert await kept(lived.database) == before
    assert (await reconciled(lived, fix=False, since=began)).findings == []


@on_sqlite
async def test_fees_of_the_account_are_stored_and_no_difference(lived: Desk) -> None:
    """Stripe has no event for what belongs to no payment: the list of the balance alone has it."""
    await reconciled(lived)
    account = {"id": "fee_account", "currency": "eur"}
    fee = transaction(
        lived.at_stripe.simulator.world, account, -200, kind="stripe_fee", category="fee"
    )
    assert (await reconciled(lived, fix=False)).findings == []
    assert (await reconciled(lived)).findings == []
    entry = (await kept(lived.database))["balance_entries"][fee["id"]]
    assert (entry["category"], entry["net"], entry["sold"]) == ("fee", -200, "")


@on_sqlite
async def test_nothing_kept_is_nothing_to_compare_with(desk: Desk) -> None:
    await live(desk)
    report = await reconciled(desk, fix=False)
    assert report.booked == 0
    assert not [each for each in report.findings if each.difference.what == "money"]
    assert await kept(desk.database) == {table.__tablename__: {} for table in MONEY}


class CutOff:
    """The gateway, whose list of charges Stripe cuts off after some; it remembers what was listed."""

    def __init__(self, gateway: Gateway, charges: int | None = None) -> None:
        self._gateway, self._charges = gateway, charges
        self.listed: list[tuple[str, datetime | None, datetime | None]] = []
        self.booked = gateway.booked

    async def booked_since(
        self, kind: BookedKind, since: datetime | None, until: datetime | None = None
    ) -> AsyncIterator[Booked]:
        self.listed.append((kind, since, until))
        number = 0
        async for each in self._gateway.booked_since(kind, since, until):
            if kind == "charge" and number == self._charges:
                raise GatewayUnavailable("cut off")
            number += 1
            yield each


@on_sqlite
async def test_the_first_filling_goes_on_where_it_was_cut_off(lived: Desk) -> None:
    first = await kept(lived.database)
    await emptied(lived)

    async def filled(gateway: CutOff) -> None:
        patience = Patience(())
        async for _ in fill(lived.context, gateway, None, patience.listing, fix=True, page=1):
            pass

    with pytest.raises(GatewayUnavailable):
        await filled(CutOff(lived.gateway, charges=2))
    so_far = await kept(lived.database)
    assert set(so_far["invoices"]) == set(first["invoices"])
    assert 0 < len(so_far["charges"]) < len(first["charges"])
    second = CutOff(lived.gateway)
    await filled(second)
    assert await kept(lived.database) == first
    ever = [(kind, until) for kind, since, until in second.listed if since is None]
    reached = min(row["created_at"] for row in so_far["charges"].values())
    assert ever[0] == ("charge", reached)
    assert "invoice" not in dict(ever)
    third = CutOff(lived.gateway)
    await filled(third)
    assert all(since is not None for _, since, _ in third.listed)
