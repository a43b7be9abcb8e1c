"""What a new demo holds: the articles, what is sold, and one operator. Safe to repeat."""

import secrets
from datetime import timedelta

from sqlalchemy import select

from service.clock import Clocks
from service.content.publish import prepare, store_prepared
from service.content.store import get_row
from service.db.context import Context
from service.db.tables import Article
from service.demo.newspaper import Newspaper
from service.identity.audit import Change
from service.identity.operators import (
    count_operators,
    create_operator,
    find_operator,
    reset_password,
)
from service.levels import Level
from service.offers.pricing import checked_price
from service.offers.store import create_offer, live_offers
from service.rules.document import NamedLevelIn, of_settings
from service.rules.in_force import rules_in_force
from service.rules.prompt_document import PromptIn
from service.rules.save import save_rules
from service.rules.store import latest_version

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
_RULED_BEFORE = timedelta(days=500)
"""Today: older than all that was published."""
LEVELS: tuple[tuple[str, Level], ...] = (
    ("recipe", "free"), ("review", "registered"), ("investigation", "subscribers"),
    ("long read", "subscribers"),
)  # fmt: skip
"""By tag; all else has the level of the settings, but for the few articles that name one."""


_COUNTDOWN = PromptIn(
    name="Last free articles", place="countdown", left_at_most=1,
    title="Free articles left this month: {left} of {limit}",
    text="Subscribers read as much as they like. Their subscriptions pay for our reporters.",
)  # fmt: skip


async def seed(context: Context, paper: Newspaper) -> str | None:
    """Fill what is empty. Answers the operator's password when it was made just now."""
    await _rule(context)
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
                    now=document.published_at or context.clocks.business(),
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


async def another_password(context: Context) -> str | None:
    """A new one for the demo's operator; None: there is no such operator any more."""
    async with context.database.transaction() as session:
        operator = await find_operator(session, OPERATOR)
        if operator is None:
            return None
        password = secrets.token_urlsafe(12)
        await reset_password(session, operator, password)
        return password


async def _rule(context: Context) -> None:
    """Give a new demo its rules: levels by tag, and what is said beside the last free articles."""
    async with context.database.transaction() as session:
        if await latest_version(session) or await session.scalar(select(Article.id).limit(1)):
            return
        then = context.clocks.business() - _RULED_BEFORE
        usual = of_settings(context.settings)
        tags = tuple(NamedLevelIn(name=name, level=level) for name, level in LEVELS)
        levels = usual.levels.model_copy(update={"tags": tags})
        rules = usual.model_copy(update={"levels": levels, "prompts": (_COUNTDOWN,)})
        change = Change(session, Clocks(lambda: then), _ACTOR)
        await save_rules(change, rules, context.settings, after=0)
