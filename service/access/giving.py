"""Giving an article: from what its giver has and has given to a gift link."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.evidence import article_facts
from service.access.words import long_day
from service.content.cache import StoredArticle, article_not_found
from service.db.context import Context
from service.db.tables import GiftLink
from service.grants.gift_links import given_in, hold_links, live_link, make_link
from service.grants.gift_terms import Giving, may_give
from service.grants.grants import covers, provisional_reference
from service.grants.store import live_grants_of
from service.identity.readers import take_turn
from service.levels import Span
from service.metering.window import Window, window_at
from service.problems import Problem
from service.rules.in_force import InForce
from service.settings import Settings


@dataclass(frozen=True)
class Gift:
    """What a giver sees of an article: their live link, where there is one, and what may be given."""

    link: GiftLink | None
    giving: Giving
    month: Window


@dataclass(frozen=True)
class Made:
    """A new link, and how many more articles may be given this month."""

    link: GiftLink
    left: int


async def gift_of(
    session: AsyncSession,
    context: Context,
    in_force: InForce,
    article: StoredArticle,
    reader_id: str,
) -> Gift:
    """The reader's link of the article, and whether they may make one. Problem `article-not-found`."""
    now = context.clocks.business()
    facts = article_facts(article, in_force.rules.levels, now)
    if not facts.visible:
        raise article_not_found(article.slug)
    month = window_at(now, Span("month"), context.settings.zone)
    held = await live_grants_of(session, reader_id, now)
    unproven = provisional_reference(reader_id)
    given = await given_in(session, reader_id, article.id, month.start)
    giving = may_give(
        facts.level,
        {each.source for each in held if covers(each.scope, facts) and each.reference != unproven},
        given=given.articles,
        is_given=given.has_this,
        most=in_force.settings.gift_links_per_month,
        readers=given.readers,
        most_readers=in_force.settings.gift_link_readers,
    )
    return Gift(await live_link(session, reader_id, article.id, now), giving, month)


async def give(
    session: AsyncSession,
    context: Context,
    in_force: InForce,
    article: StoredArticle,
    reader_id: str,
) -> Made:
    """Make a link, which ends the reader's older one of this article.

    The reader has one turn at a time, so that no month gives more than it may. Problem `gift-refused`, with
    the `reason`, where the article can't be given.
    """
    await take_turn(session, reader_id)
    # A reader who comes by the link that is about to end is counted before, or meets the ended one.
    await hold_links(session, reader_id, article.id)
    found = await gift_of(session, context, in_force, article, reader_id)
    if not found.giving.is_possible:
        raise Problem(
            "gift-refused", refusal_words(found, in_force.settings), reason=found.giving.reason
        )
    link = await make_link(
        session, reader_id=reader_id, article_id=article.id, month=found.month.start,
        days=in_force.settings.gift_link_days, most_readers=found.giving.places,
        now=context.clocks.business(),
    )  # fmt: skip
    return Made(link, found.giving.left)


def refusal_words(gift: Gift, settings: Settings) -> str:
    """Why the article can't be given, and what to do; empty where it can. `settings` are those in force."""
    most = settings.gift_links_per_month
    match gift.giving.reason:
        case "is_off":
            return "Articles can’t be given to others here. Share the article’s address instead."
        case "is_free":
            return "This article is free: share its address, everybody can read it."
        case "not_subscribed":
            return (
                "Subscribers can give an article that their subscription includes. Subscribe first."
            )
        case "all_given":
            again = long_day(gift.month.end, settings.zone)
            return f"You have given {most} articles this month. You can give others from {again}."
        case "all_opened":
            again = long_day(gift.month.end, settings.zone)
            return (
                f"{settings.gift_link_readers} readers have opened this article by your links this "
                f"month, and no more can. Give another article, or this one again from {again}."
            )
        case "may_give":
            return ""


def link_address(slug: str, token: str, public_url: str) -> str:
    """Where a gift link leads."""
    return f"{public_url}/articles/{slug}?gift={token}"


def is_over(link: GiftLink, now: datetime) -> bool:
    """Whether it opens nothing any more, also to those who have opened it."""
    return link.ended_at is not None or link.ends_at <= now
