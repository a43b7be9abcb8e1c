"""Comparing a site with its Stripe as a process of its own would, and what to make differ before."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

from service.billing.reconcile import Report, reconcile
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Grant
from service.identity.readers import create_reader
from service.jobs.queue import LEASE
from service.payments.stripe_gateway import StripeGateway
from tests.checkout.rows import rows
from tests.conftest import MovingClocks
from tests.served import Installation

T = TypeVar("T")


class Hurdles:
    """The gateway, of which every `every`th call meets `trouble`."""

    def __init__(self, gateway: StripeGateway, trouble: BaseException, every: int) -> None:
        self._gateway, self._trouble, self._every = gateway, trouble, every
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        theirs = getattr(self._gateway, name)
        if name in {"booked_since", "events", "subscriptions"}:
            return theirs

        async def call(*args: Any, **named: Any) -> Any:
            self.calls += 1
            if self.calls % self._every == 0:
                raise self._trouble
            return await theirs(*args, **named)

        return call


def with_stripe(site: Installation, work: Callable[[Database, StripeGateway], Awaitable[T]]) -> T:
    """Run `work` as a process of its own would, beside the service."""

    async def run(database: Database) -> T:
        gateway = site.new_gateway()
        try:
            return await work(database, gateway)
        finally:
            await gateway.close()

    return site.in_database(run)


def compare(site: Installation, *, fix: bool = False, through: Any = None, **named: Any) -> Report:
    async def run(database: Database, gateway: StripeGateway) -> Report:
        asked = through(gateway) if through else gateway
        return await reconcile(
            Context(site.settings, site.clocks, database), asked, started_by="command", fix=fix,
            pauses=(0.0,) * 6, **named,
        )  # fmt: skip

    report = with_stripe(site, run)
    # The service itself may have begun with an event that was stored, or somebody killed before.
    site.clocks.travel(LEASE)
    site.settle()
    return report


def change(site: Installation, *statements: Any) -> None:
    async def run(database: Database, _: StripeGateway) -> None:
        async with database.transaction() as session:
            for statement in statements:
                await session.execute(statement)

    with_stripe(site, run)


async def a_reader(database: Database, clocks: MovingClocks) -> str:
    async with database.transaction() as session:
        return (await create_reader(session, email=None, clocks=clocks)).id


def found(report: Report) -> dict[str, list[str]]:
    """By object, what differs."""
    told: dict[str, list[str]] = {}
    for finding in report.findings:
        told.setdefault(finding.difference.object, []).append(finding.difference.what)
    return told


def buy(site: Installation, offer: str = "monthly") -> str:
    """Pay without coming back; the id of the subscription at Stripe."""
    session_id: str = site.start_checkout(offer).json()["session_id"]
    assert site.pay(session_id).status_code == 200
    bought: str = at_stripe(site, "checkout.session", session_id)["subscription"]
    return bought


def at_stripe(site: Installation, kind: str, identifier: str) -> dict[str, Any]:
    (known,) = [
        each for each in site.simulator.world.store.find(kind, []) if each["id"] == identifier
    ]
    return known


def another_browser(site: Installation) -> None:
    site.browser.close()
    site.browser = site.new_browser()


def ends(site: Installation) -> dict[str, datetime]:
    return {each.reference: each.ends_at for each in rows(site, Grant)}
