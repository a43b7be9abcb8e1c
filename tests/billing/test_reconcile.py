"""Everything that we believe, compared with Stripe: each difference found, told and mended."""

import asyncio
import concurrent.futures
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from service.billing.compare import GONE, MISSING
from service.billing.events import booking_of, refetch_of
from service.billing.inbox import store_event
from service.billing.reconcile_job import NIGHTLY, Reconciler, ask_reconcile
from service.db.context import Context
from service.db.session import Database
from service.db.tables import (
    Checkout,
    DomainEvent,
    Grant,
    InboxEvent,
    Job,
    Pass,
    Reader,
    Reconciliation,
    Subscription,
)
from service.jobs.queue import LEASE
from service.payments.gateway import GatewayUnavailable
from service.payments.stripe_gateway import StripeGateway
from service.settings import Settings
from tests.billing.comparing import (
    Hurdles,
    a_reader,
    another_browser,
    at_stripe,
    buy,
    change,
    compare,
    ends,
    found,
    with_stripe,
)
from tests.billing.stripe_values import event
from tests.checkout.rows import rows, sell, sign_in
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.patience import wait_until
from tests.ports import free_port
from tests.served import Installation, installation
from tests.statements import statements
from tests.stripe_at_hand import gateway_to, sdk

DAY, SLACK = timedelta(days=1), timedelta(hours=48)


@pytest.fixture
def quiet(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    """A site whose Stripe tells nothing by itself."""
    with installation(settings, clocks, webhooks=False) as made:
        made.publish("a", access={"level": "subscribers"})
        yield made
        made.browser.close()


@on_sqlite
def test_only_what_differs_is_looked_up_in_the_inbox(quiet: Installation) -> None:
    quiet.subscribe()
    compare(quiet, fix=True)
    with statements() as seen:
        report = compare(quiet)
    assert (report.compared > 0, found(report)) == (True, {})
    assert not [each for each in seen if "stripe_inbox.subscription_id = " in each]


@on_sqlite
def test_a_year_of_which_nobody_told_us_is_made_up_for(quiet: Installation) -> None:
    quiet.subscribe()
    reads_on = rows(quiet, Subscription)[0].id
    another_browser(quiet)
    never_back = buy(quiet)
    another_browser(quiet)
    quiet.subscribe("yearly")
    (cancelled,) = {each.id for each in rows(quiet, Subscription)} - {reads_on}
    with sdk(quiet.stripe_url) as stripe:
        stripe.subscriptions.cancel(cancelled)
    ended_at = quiet.clocks.business()
    for _ in range(2):
        quiet.travel(183 * DAY)
    before = rows(quiet, Reader), rows(quiet, Grant), rows(quiet, InboxEvent)
    told = compare(quiet)
    # Nothing is written but that somebody looked.
    assert [len(each) for each in before] == [
        len(rows(quiet, table)) for table in (Reader, Grant, InboxEvent)
    ]
    assert told.events_missed > 0
    by_object = found(told)
    assert {"status", "ended at", "access ends"} <= set(by_object[cancelled])
    assert {"period end", "access ends"} <= set(by_object[reads_on])
    assert len(told.remaining) == len(told.findings)
    mended = compare(quiet, fix=True)
    assert mended.remaining == []
    # What several events ask for is fetched once.
    missed = [each for each in rows(quiet, InboxEvent) if each.told_by == "reconcile"]
    applied = {job.key for job in rows(quiet, Job)} & {each.id for each in missed}
    asked = {
        (
            refetch_of(each.type, each.object_id, each.subscription_id),
            booking_of(each.type, each.object_id),
        )
        for each in missed
    }
    assert len(applied) == len(asked) < len(missed) == told.events_missed
    now = ends(quiet)
    assert set(now) == {reads_on, never_back, cancelled}
    assert abs(now[cancelled] - ended_at) < timedelta(minutes=1)
    for id_ in (reads_on, never_back):
        item = at_stripe(quiet, "subscription", id_)["items"]["data"][0]
        period_end = datetime.fromtimestamp(item["current_period_end"], tz=now[id_].tzinfo)
        assert now[id_] == period_end + SLACK > quiet.clocks.business()
    again = compare(quiet)
    assert (again.findings, again.events_missed) == ([], 0)
    runs = sorted(rows(quiet, Reconciliation), key=lambda run: (run.started_at, run.fixed))
    assert [run.remaining for run in runs].count(0) == 2
    assert all(run.finished_at is not None for run in runs)
    # A buyer who never came back is reported as any other.
    assert {each.subject_id for each in rows(quiet, DomainEvent)} >= {reads_on, never_back}


def test_each_difference_is_told_with_its_reason_and_mended(quiet: Installation) -> None:
    reader = sign_in(quiet)
    quiet.subscribe()
    (ours,) = rows(quiet, Subscription)
    assert compare(quiet, fix=True).remaining == []
    now = quiet.clocks.business()
    this = Subscription.id == ours.id
    by_hand: list[tuple[Any, set[str]]] = [
        (update(Subscription).where(this).values(status="past_due"), {"status"}),
        (update(Subscription).where(this).values(current_period_end=now), {"period end"}),
        (update(Subscription).where(this).values(amount=1), {"price"}),
        (update(Subscription).where(this).values(plan="print"), {"plan"}),
        (
            update(Subscription).where(this).values(offer_id=quiet.offers["yearly"]), {"offer"},
        ),
        (update(Subscription).where(this).values(cancel_at=now), {"scheduled end"}),
        (update(Subscription).where(this).values(pauses_collection=True), {"collection"}),
        (
            update(Subscription).where(this).values(access_stop="dispute", access_stopped_at=now),
            {"access stop"},
        ),
        (update(Grant).values(ends_at=now), {"access ends"}),
        (update(Grant).values(in_grace=True), {"access in grace"}),
        (update(Grant).values(scope="plan:print"), {"access"}),
        (delete(Grant), {"access", "access ends", "access in grace"}),
    ]  # fmt: skip
    if not quiet.settings.database_url.startswith("sqlite"):
        # What is compared is no matter of SQL: PostgreSQL shows that its rows are read and mended.
        by_hand = [by_hand[0], by_hand[-1]]
    before = ends(quiet)
    for statement, expected in by_hand:
        change(quiet, statement)
        mended = compare(quiet, fix=True)
        assert {ours.id: expected} == {key: set(what) for key, what in found(mended).items()}
        differences = [each.difference for each in mended.findings]
        assert all("it was changed here" in each.reason for each in differences)
        assert all(each.here != each.stripe for each in differences)
        assert mended.remaining == []
        assert [each.mended for each in mended.findings] == [True] * len(expected)
        assert ends(quiet) == before
    (row,) = rows(quiet, Subscription)
    assert (row.status, row.reader_id, row.access_stop) == ("active", reader.id, "")
    assert compare(quiet).findings == []


@on_sqlite
def test_what_one_side_alone_knows(quiet: Installation) -> None:
    sign_in(quiet)
    quiet.subscribe()
    (ours,) = rows(quiet, Subscription)
    values = {column.name: getattr(ours, column.name) for column in Subscription.__table__.columns}
    with sdk(quiet.stripe_url) as stripe:
        product = stripe.products.create({"name": "Mugs"})
        price = stripe.prices.create(
            {"product": product.id, "unit_amount": 1, "currency": "eur", "recurring": {"interval": "month"}}
        )  # fmt: skip
        stripe.subscriptions.create({"customer": ours.customer_id, "items": [{"price": price.id}]})
        stranger = stripe.customers.create({})
        method = stripe.payment_methods.attach("pm_card_visa", {"customer": stranger.id})
        stripe.subscriptions.create(
            {"customer": stranger.id, "items": [{"price": price.id}], "default_payment_method": method.id}
        )  # fmt: skip
    somebody = with_stripe(quiet, lambda database, _: a_reader(database, quiet.clocks))
    assert (compare(quiet, fix=True).not_ours, rows(quiet, Subscription)[0].id) == (2, ours.id)
    change(
        quiet, delete(Grant), delete(Subscription).where(Subscription.id == ours.id),
        insert(Subscription).values({**values, "id": "sub_elsewhere", "reader_id": somebody}),
    )  # fmt: skip
    told = compare(quiet)
    assert found(told) == {ours.id: [MISSING], "sub_elsewhere": [GONE]}
    gone = next(each for each in told.remaining if each.what == GONE)
    assert "compare the key" in gone.reason
    mended = compare(quiet, fix=True)
    # With the key of another account everything would be gone: nobody loses access for that.
    assert [each.what for each in mended.remaining] == [GONE]
    assert {each.id: each.status for each in rows(quiet, Subscription)} == {
        ours.id: "active", "sub_elsewhere": "active",
    }  # fmt: skip
    change(quiet, delete(Subscription).where(Subscription.id == "sub_elsewhere"))
    with sdk(quiet.stripe_url) as stripe:
        stripe.subscriptions.cancel(ours.id)
    assert compare(quiet, fix=True).remaining == []
    assert rows(quiet, Subscription)[0].status == "canceled"
    change(quiet, update(Grant).values(ends_at=quiet.clocks.business() + 9 * DAY))
    assert found(compare(quiet)) == {ours.id: ["access ends"]}
    assert compare(quiet, fix=True).remaining == []
    assert compare(quiet).findings == []


@on_sqlite
def test_the_reason_is_the_event_that_is_not_applied(quiet: Installation) -> None:
    quiet.subscribe()
    (ours,) = rows(quiet, Subscription)
    compare(quiet, fix=True)
    change(quiet, update(Subscription).values(cancel_at=quiet.clocks.business()))

    async def quarantine(database: Database, _: StripeGateway) -> None:
        async with database.transaction() as session:
            told = event("evt_odd", "customer.subscription.updated", subscription_id=ours.id)
            await store_event(session, told, quiet.clocks.wall())
            await session.execute(
                update(Job).where(Job.key == "evt_odd").values(status="failed", result="odd")
            )

    with_stripe(quiet, quarantine)
    (difference,) = compare(quiet).remaining
    assert difference.reason == ("Its event evt_odd (customer.subscription.updated) failed: odd")
    # Never delivered: found by the event itself, as long as Stripe lists it.
    change(quiet, delete(Job), delete(InboxEvent))
    (difference,) = compare(quiet, since=quiet.clocks.business() - 30 * DAY).remaining
    assert difference.reason.startswith("Stripe sent no webhook for its event evt_")


@on_sqlite
def test_killed_anywhere_it_leaves_nothing_wrong_and_goes_on(quiet: Installation) -> None:
    for _ in range(2):
        another_browser(quiet)
        buy(quiet)
    quiet.travel(40 * DAY)
    killed = 0
    for step in range(1, 9):

        def dies(gateway: StripeGateway, at: int = step) -> Any:
            return Hurdles(gateway, asyncio.CancelledError(), at)

        try:
            compare(quiet, fix=True, through=dies)
        except concurrent.futures.CancelledError:
            killed += 1
        for grant in rows(quiet, Grant):
            assert grant.ends_at > quiet.clocks.business()
    # The service works on what is stored beside us: how many steps are left is not ours to say.
    assert killed
    assert sum(run.finished_at is None for run in rows(quiet, Reconciliation)) == killed
    quiet.clocks.travel(LEASE)
    assert compare(quiet, fix=True).remaining == []
    assert len(rows(quiet, Reader)) == len(rows(quiet, Grant)) == 2
    assert compare(quiet).findings == []


@on_sqlite
def test_stripe_away_for_a_moment_and_for_good(quiet: Installation) -> None:
    buy(quiet)
    away = GatewayUnavailable("Too many requests")
    report = compare(quiet, fix=True, through=lambda gateway: Hurdles(gateway, away, 9))
    assert report.remaining == []
    assert len(rows(quiet, Grant)) == 1
    nobody = gateway_to(f"http://127.0.0.1:{free_port()}", seconds=0.5)
    with pytest.raises(GatewayUnavailable):
        compare(quiet, through=lambda _: nobody)
    asyncio.run(nobody.close())
    assert sum(run.finished_at is None for run in rows(quiet, Reconciliation)) == 1


@on_sqlite
def test_passes_are_compared_and_an_erased_reader_stays_erased(quiet: Installation) -> None:
    sell(quiet, "week", amount=200, currency="EUR", interval="week", kind="pass")
    session_id = quiet.start_checkout("week").json()["session_id"]
    assert quiet.pay(session_id).status_code == 200
    (checkout,) = rows(quiet, Checkout)
    told = compare(quiet, since=quiet.clocks.business())
    assert found(told) == {session_id: ["checkout"]}
    assert (told.remaining[0].here, told.remaining[0].stripe) == ("open", "completed")
    assert compare(quiet, fix=True).remaining == []
    (bought,) = rows(quiet, Pass)
    assert bought.checkout_id == checkout.id
    before, now = ends(quiet), quiet.clocks.business()
    by_hand: list[tuple[Any, set[str]]] = [
        (update(Pass).values(amount=1), {"price"}),
        (update(Pass).values(access_stop="refund", access_stopped_at=now), {"access stop"}),
        (update(Grant).values(ends_at=now), {"access ends"}),
        (delete(Grant), {"access", "access ends", "access in grace"}),
    ]
    for statement, expected in by_hand:
        change(quiet, statement)
        mended = compare(quiet, fix=True)
        assert set(found(mended)[bought.id]) == expected
        assert mended.remaining == []
        assert ends(quiet) == before
    change(quiet, update(Pass).values(id="pi_elsewhere"))
    assert found(compare(quiet)) == {"pi_elsewhere": [GONE]}
    change(quiet, update(Pass).values(id=bought.id))
    # An erased reader's subscription has ended at Stripe, and nothing of them comes back.
    another_browser(quiet)
    sign_in(quiet)
    quiet.subscribe()
    erased = quiet.browser.request("DELETE", "/v1/me", json={"cancel_subscription": True})
    assert erased.status_code == 204
    compare(quiet, fix=True)
    assert compare(quiet).findings == []
    assert [each.ends_at > quiet.clocks.business() for each in rows(quiet, Grant)].count(True) == 1


@on_sqlite
def test_once_a_night_for_all_and_when_somebody_asks(quiet: Installation) -> None:
    buy(quiet)

    async def processes(database: Database, gateway: StripeGateway) -> list[int]:
        working = [
            Reconciler(Context(quiet.settings, quiet.clocks, database), gateway).round()
            for _ in range(3)
        ]
        return await asyncio.gather(*working)

    assert sum(with_stripe(quiet, processes)) == 0
    (night,) = [job for job in rows(quiet, Job) if job.kind == NIGHTLY]
    quiet.clocks.time = night.due_at

    def is_done() -> bool:
        return all(job.status == "done" for job in rows(quiet, Job) if job.id == night.id)

    assert sum(with_stripe(quiet, processes)) <= 1  # or the service itself was quicker
    wait_until(is_done, "the night's comparison is done")
    runs = {run.id: run for run in rows(quiet, Reconciliation)}
    run = runs[f"rec_{night.key.replace('-', '')}"]
    assert (run.started_by, run.fixed, run.remaining) == ("nightly", True, 0)
    assert run.events_missed > 0
    assert len(runs) == len(rows(quiet, Grant)) == 1

    async def ask(database: Database, gateway: StripeGateway) -> str:
        async with database.transaction() as session:
            run_id = await ask_reconcile(
                session, started_by="operator:opr_1", fix=False, now=quiet.clocks.wall()
            )
        await processes(database, gateway)
        return run_id

    asked = with_stripe(quiet, ask)
    wait_until(lambda: all(run.finished_at for run in rows(quiet, Reconciliation)), "it is done")
    (run,) = [run for run in rows(quiet, Reconciliation) if run.id == asked]
    assert (run.started_by, run.fixed, run.found) == ("operator:opr_1", False, 0)


@on_sqlite
def test_what_a_reader_says_on_cancelling(quiet: Installation) -> None:
    sign_in(quiet)
    quiet.subscribe()
    (ours,) = rows(quiet, Subscription)
    words = {"feedback": "unused", "comment": "No time\u202e to read"}

    def cancel(*, ends: bool) -> Subscription:
        with sdk(quiet.stripe_url) as stripe:
            stripe.subscriptions.update(
                ours.id, {"cancel_at_period_end": ends, "cancellation_details": words}
            )  # fmt: skip
        assert compare(quiet, fix=True).remaining == []
        row: Subscription = rows(quiet, Subscription)[0]
        return row

    left = cancel(ends=True)
    assert (left.cancel_feedback, left.cancel_comment) == ("unused", "No time to read")
    assert left.cancelled_after_days == 1
    stays = cancel(ends=False)
    assert (stays.cancel_feedback, stays.cancel_comment, stays.cancelled_at) == ("", "", None)
    cancel(ends=True)
    erased = quiet.browser.request("DELETE", "/v1/me", json={"cancel_subscription": True})
    assert erased.is_success
    gone = rows(quiet, Subscription)[0]
    assert (gone.cancel_feedback, gone.cancel_comment) == ("unused", "")
