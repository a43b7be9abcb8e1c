"""`paywall reconcile` and `paywall jobs`: what they print, and how they end."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from service.billing.reconcile_job import NIGHTLY
from service.db.session import Database
from service.db.tables import AuditEntry, Job, Reconciliation, Subscription
from service.settings import Settings
from tests.checkout.rows import rows
from tests.cli.conftest import Paywall, one_sentence
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.patience import wait_until
from tests.ports import free_port
from tests.served import Installation, installation
from tests.stripe_at_hand import sdk


@pytest.fixture
def quiet(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    with installation(settings, clocks, webhooks=False) as made:
        yield made


def change(site: Installation, statement: Any) -> None:
    async def run() -> None:
        database = Database(site.settings.database_url)
        async with database.transaction() as session:
            await session.execute(statement)
        await database.dispose()

    asyncio.run(run())


@on_sqlite
def test_differences_are_printed_mended_and_told_by_the_exit_code(
    paywall: Paywall, quiet: Installation
) -> None:
    stripe = {
        "PAYWALL_STRIPE_SECRET_KEY": "sk_test_local",
        "PAYWALL_STRIPE_API_BASE": quiet.stripe_url,
    }
    quiet.subscribe()
    (ours,) = rows(quiet, Subscription)
    agreed = paywall("reconcile", **stripe)
    assert (agreed.code, agreed.err) == (0, "")
    assert (
        " compared, 0 events" in agreed.out
    )  # the subscription, and each offer made at Stripe so far
    assert agreed.out.endswith("0 differences. Everything agrees with Stripe.\n")
    change(quiet, update(Subscription).values(status="past_due"))
    told = paywall("reconcile", "--since", "2026-03-01", **stripe)
    assert told.code == 1
    line, summary = told.out.splitlines()
    assert line.startswith(
        f"differs {ours.id}  status: here past_due, at Stripe active. Stripe sent no webhook"
    )
    assert summary.endswith("1 difference. Nothing was changed: --fix fixes the differences.")
    assert rows(quiet, Subscription)[0].status == "past_due"
    mended = paywall("reconcile", "--fix", **stripe)
    assert mended.code == 0
    assert f"fixed   {ours.id}  status" in mended.out
    assert "1 difference fixed. Everything agrees with Stripe." in mended.out
    assert rows(quiet, Subscription)[0].status == "active"
    assert {run.started_by for run in rows(quiet, Reconciliation)} == {"command"}
    away = paywall(
        "reconcile", **{**stripe, "PAYWALL_STRIPE_API_BASE": f"http://127.0.0.1:{free_port()}"}
    )
    assert (away.code, away.out) == (3, "")
    assert "run the same command again later" in away.err
    nothing = paywall("reconcile")
    assert (nothing.code, nothing.out) == (1, "")
    assert one_sentence(nothing.err)
    assert paywall("reconcile", "--since", "yesterday", **stripe).code == 2
    assert "Example: paywall reconcile" in paywall("reconcile", "--help").out


@on_sqlite
def test_jobs_are_listed_and_replayed(paywall: Paywall, quiet: Installation) -> None:
    def nights() -> list[Job]:
        """Without the weekly mail, which is planned later."""
        return [job for job in rows(quiet, Job) if job.kind == NIGHTLY]

    wait_until(nights, "the nightly comparison is planned")
    (night,) = nights()
    listed = paywall("jobs", "list").out
    assert f"{night.id}  nightly-reconcile  {night.key}  due 2026-03-11 03:00:00Z" in listed
    values = {"status": "failed", "attempts": 5, "result": "odd"}
    change(quiet, update(Job).values(**values))
    assert "failed  5 failed attempts  odd" in paywall("jobs", "list").out
    assert paywall("jobs", "replay", night.id).code == 0
    (again,) = nights()
    assert (again.status, again.attempts) == ("waiting", 0)
    (told,) = rows(quiet, AuditEntry)
    assert (told.action, told.target, told.actor) == ("job.replay", night.id, "command")
    assert "Job job_x not found" in paywall("jobs", "replay", "job_x").err
    change(quiet, update(Job).values(status="done"))
    assert paywall("jobs", "list").out == "Everything is done.\n"


@on_sqlite
def test_what_was_sold_by_phone_is_adopted_and_bound(paywall: Paywall, quiet: Installation) -> None:
    stripe = {
        "PAYWALL_STRIPE_SECRET_KEY": "sk_test_local",
        "PAYWALL_STRIPE_API_BASE": quiet.stripe_url,
    }
    quiet.subscribe()
    reader = rows(quiet, Subscription)[0].reader_id
    with sdk(quiet.stripe_url) as dashboard:
        product = dashboard.products.create({"name": "Staff"})
        price = dashboard.prices.create(
            {
                "product": product.id, "unit_amount": 400, "currency": "eur",
                "recurring": {"interval": "month"},
            }
        ).id  # fmt: skip
        customer = dashboard.customers.create({"email": "kim@example.org"}).id
        dashboard.payment_methods.attach("pm_card_visa", {"customer": customer})
    adopt = ("offers", "adopt", price, "--name", "Staff")
    unplanned = paywall(*adopt, **stripe)
    assert (unplanned.code, "name the plan it gives" in unplanned.err) == (1, True)
    adopted = paywall(*adopt, "--plan", "digital", **stripe)
    assert (adopted.code, "Staff, digital: €4.00 a month" in adopted.out) == (0, True)
    assert "already" in paywall(*adopt, "--plan", "digital", **stripe).err
    unknown = paywall("readers", "bind", "kim@example.org", customer, **stripe)
    assert (unknown.code, "Nobody has confirmed the address" in unknown.err) == (1, True)
    bound = paywall("readers", "bind", reader, customer, **stripe)
    assert (bound.code, bound.out) == (0, f"{customer} belongs to {reader}.\n")
    assert one_sentence(paywall("readers", "bind", reader, customer).err)
