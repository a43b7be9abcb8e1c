"""What a new demo holds: the articles, what is sold, and one operator. Safe to repeat."""

import secrets

from service.content.publish import prepare, store_prepared
from service.content.store import get_row
from service.db.context import Context
from service.demo.newspaper import Newspaper
from service.identity.operators import count_operators, create_operator
from service.offers.pricing import checked_price
from service.offers.store import create_offer, live_offers
from service.rules.in_force import rules_in_force

OPERATOR = "editor@ternsey.example"
_ACTOR = "demo"
_PLAN = "digital"
_OFFERS = (
    # name, and what it costs
    ("Monthly", checked_price(amount=700, currency="EUR", interval="month", trial_days=14)),
    ("Yearly", checked_price(
        amount=7000, currency="EUR", interval="year", intro_amount=4900, intro_periods=1,
    )),
    ("Monthly", checked_price(amount=800, currency="USD", interval="month")),
    ("Yearly", checked_price(amount=8000, currency="USD", interval="year")),
    ("Day pass", checked_price(amount=200, currency="EUR", interval="day", kind="pass")),
    ("This article", checked_price(
        amount=90, currency="EUR", interval="week", kind="pass", covers="article",
    )),
    ("A year as a gift", checked_price(amount=7000, currency="EUR", interval="year", kind="gift")),
)  # fmt: skip


async def seed(context: Context, paper: Newspaper) -> str | None:
    """Fill what is empty. Answers the operator's password when it was made just now."""
    in_force = await rules_in_force(context.settings, context.database)
    async with context.database.transaction() as session:
        for slug, document in paper.articles:
            # An article that was changed or withdrawn in the demo stays as it is.
            if await get_row(session, slug) is None:
                await store_prepared(
                    session,
                    prepare(slug, document, in_force),
                    if_match=None,
                    actor=_ACTOR,
                    now=context.clocks.business(),
                )
        if not await live_offers(session):
            for name, price in _OFFERS:
                plan = _PLAN if price.covers == "plan" else ""
                await create_offer(
                    session, name=name, plan=plan, price=price, now=context.clocks.business()
                )
        if await count_operators(session):
            return None
        password = secrets.token_urlsafe(12)
        await create_operator(
            session, email=OPERATOR, password=password, role="admin", now=context.clocks.wall()
        )
        return password
