"""What a new demo holds: the articles, what is sold, and one operator. Safe to repeat."""

import secrets

from service.clock import Clocks
from service.content.publish import prepare, store_prepared
from service.content.store import get_row
from service.db.session import Database
from service.demo.newspaper import Newspaper
from service.identity.operators import count_operators, create_operator
from service.offers.pricing import checked_price
from service.offers.store import create_offer, live_offers
from service.settings import Settings

OPERATOR = "editor@ternsey.example"
_ACTOR = "demo"
_OFFERS = (
    # name, amount in minor units, currency, interval, days of trial
    ("Monthly", 700, "EUR", "month", 14),
    ("Yearly", 7000, "EUR", "year", 0),
    ("Monthly", 800, "USD", "month", 0),
    ("Yearly", 8000, "USD", "year", 0),
)


async def seed(
    database: Database, paper: Newspaper, settings: Settings, clocks: Clocks
) -> str | None:
    """Fill what is empty. Answers the operator's password when it was made just now."""
    async with database.transaction() as session:
        for slug, document in paper.articles:
            # An article that was changed or withdrawn in the demo stays as it is.
            if await get_row(session, slug) is None:
                await store_prepared(
                    session,
                    prepare(slug, document, settings),
                    if_match=None,
                    actor=_ACTOR,
                    now=clocks.business(),
                )
        if not await live_offers(session):
            for name, amount, currency, interval, trial_days in _OFFERS:
                price = checked_price(
                    amount=amount, currency=currency, interval=interval, trial_days=trial_days
                )
                await create_offer(
                    session, name=name, plan="digital", price=price, now=clocks.business()
                )
        if await count_operators(session):
            return None
        password = secrets.token_urlsafe(12)
        await create_operator(
            session, email=OPERATOR, password=password, role="admin", now=clocks.wall()
        )
        return password
