"""What a running installation has stored, read past the service."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from service.db.base import Base
from service.db.session import Database
from service.db.tables import Reader
from service.identity.cookies import cookie_name
from service.identity.readers import create_reader
from service.identity.sessions import open_session
from service.offers.pricing import SoldTo, checked_price
from service.offers.store import create_offer
from tests.served import Installation


def rows(site: Installation, table: type[Base]) -> list[Any]:
    """All rows of a table."""

    async def read(database: Database) -> list[Any]:
        async with database.reading() as session:
            return list(await session.scalars(select(table)))

    return site.in_database(read)


def sign_in(site: Installation) -> Reader:
    """A new reader, signed in with the site's browser."""

    async def make(database: Database) -> tuple[Reader, str]:
        async with database.transaction() as session:
            now = site.clocks.wall()
            reader = await create_reader(session, email="ana@example.org", clocks=site.clocks)
            opened = await open_session(
                session, reader_id=reader.id, now=now, settings=site.settings
            )
        return reader, opened.token

    reader, secret = site.in_database(make)
    site.browser.cookies.set(cookie_name("session", site.settings), secret, domain="127.0.0.1")
    return reader


def sessions(site: Installation, status: str | None = None) -> list[dict[str, Any]]:
    """The local Stripe's Checkout sessions, of one status or all."""
    found = site.simulator.world.store.find("checkout.session", [])
    return [each for each in found if status in {None, each["status"]}]


DAY = timedelta(days=1)


def sell(
    site: Installation,
    key: str,
    *,
    plan: str = "digital",
    sold_to: SoldTo = "everybody",
    **price: Any,
) -> None:
    """One offer more in the catalogue, known to the site as `key`."""

    async def make(database: Database) -> str:
        async with database.transaction() as session:
            offer = await create_offer(
                session, name=key.capitalize(), plan=plan, price=checked_price(**price),
                now=site.clocks.business(), sold_to=sold_to,
            )  # fmt: skip
        return offer.id

    site.offers[key] = site.in_database(make)
