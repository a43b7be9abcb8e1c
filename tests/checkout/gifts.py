"""Gift subscriptions as tests buy, redeem and look at them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx2

from service.billing.gift_rounds import gift_round
from service.billing.gift_subscriptions import readers_to_arrange
from service.billing.reconciliations import opening_passes
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Mail, Pass
from service.identity.cookies import cookie_name
from service.identity.readers import create_reader
from service.identity.sessions import open_session
from service.settings import Settings
from tests.checkout.rows import rows, sell
from tests.conftest import MovingClocks
from tests.served import Installation, installation
from tests.stripe_at_hand import sdk

QUARTER: dict[str, Any] = {
    "amount": 2500, "currency": "EUR", "interval": "day", "interval_count": 90, "kind": "gift",
}  # fmt: skip
FRIEND = "bea@example.org"
ADMIN = "/v1/admin/gift-subscriptions"


@contextmanager
def gift_shop(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    """An installation that can mail, and sells a gift of 90 days."""
    mailing = settings.model_copy(update={"mail_from": "Gazette <hello@gazette.example.org>"})
    with installation(mailing, clocks) as made:
        made.publish("a", access={"level": "subscribers"})
        sell(made, "quarter", **QUARTER)
        yield made


def buy(site: Installation, **gift: Any) -> dict[str, Any]:
    """Buy a gift and come back; it as its buyer sees it."""
    site.subscribe("quarter", gift=gift)
    (bought,) = site.browser.get("/v1/me/gift-subscriptions").json()["items"]
    found: dict[str, Any] = bought
    return found


def friend(site: Installation, address: str = FRIEND) -> httpx2.Client:
    """The browser of a reader with a confirmed address."""

    async def make(database: Database) -> str:
        async with database.transaction() as session:
            now = site.clocks.wall()
            reader = await create_reader(session, email=address, clocks=site.clocks)
            reader.email_verified_at, reader.verified_key = now, address
            opened = await open_session(
                session, reader_id=reader.id, now=now, settings=site.settings
            )
        return opened.token

    browser = site.new_browser()
    name = cookie_name("session", site.settings)
    browser.cookies.set(name, site.in_database(make), domain="127.0.0.1")
    return browser


def redeem(gift: dict[str, Any], browser: httpx2.Client) -> httpx2.Response:
    token = gift["url"].rpartition("/")[2]
    return browser.post(f"/v1/gift-subscriptions/{token}/redeem")


def look(site: Installation) -> None:
    """What the service does of itself every minute."""
    site.in_database(lambda database: gift_round(Context(site.settings, site.clocks, database)))


def mailed(site: Installation) -> list[tuple[str, str]]:
    return sorted((each.kind, each.recipient) for each in rows(site, Mail))


def reason(site: Installation, browser: httpx2.Client) -> Any:
    return site.unlock("a", browser).json()["reason"]


def waiting(site: Installation) -> list[str]:
    """Whose gifts would be arranged anew."""

    async def ask(database: Database) -> list[str]:
        async with database.reading() as session:
            return await readers_to_arrange(session, site.clocks.business())

    return site.in_database(ask)


def refund(site: Installation) -> None:
    site.clocks.travel(timedelta(minutes=1))
    (paid,) = rows(site, Pass)
    with sdk(site.stripe_url) as stripe:
        stripe.refunds.create(
            {"payment_intent": paid.id, "metadata": {"paywall_access": "end_access"}}
        )
    site.settle()


def compared(site: Installation) -> list[str]:
    """The payments that a comparison with Stripe looks at."""

    async def ask(database: Database) -> list[str]:
        async with database.reading() as session:
            return await opening_passes(session, site.clocks.business())

    return site.in_database(ask)
