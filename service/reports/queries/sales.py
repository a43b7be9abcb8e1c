"""Figures of what is sold: trials, money that is stored, where buyers come from, articles that sell."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from collections.abc import Set as AbstractSet
from typing import TypedDict

from sqlalchemy import Subquery, and_, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import (
    Article,
    Checkout,
    CheckoutTouches,
    Reader,
    Subscription,
)
from service.finance.trials import NO_TRIAL, UNKNOWN, trials
from service.metering.store import READER
from service.reports import led
from service.reports.asked import Asked, Dimensions
from service.reports.cells import Cell, Line, line_of, share
from service.reports.queries.article_sales import sold_by_article
from service.reports.queries.counting import Counts
from service.reports.queries.holders import NO_SECTION, counted, splits_of
from service.reports.queries.ledger import by_article
from service.reports.queries.source_days import sold_by_source
from service.reports.queries.touched import with_split

MOST_ARTICLES = 30


def ended_trials(asked: Asked) -> Subquery:
    """The trials of ours that ended in the period: `id` of the subscription, `at`, `became` and `split`."""
    row = Subscription
    of_trial: Dimensions = {
        "plan": row.plan.expression, "interval_charged": row.interval.expression,
        "currency": row.currency.expression,
    }  # fmt: skip
    split = asked.split_of({**of_trial, **led.dimensions(CheckoutTouches)}).label("split")
    fits = [*asked.among(of_trial.keys()).filters(of_trial), *led.filters(asked)]
    known = select(
        row.id, row.trial_ended_at.label("at"), row.trial_became.label("became"), split
    ).where(row.trial_ended_at.is_not(None), row.trial_became.is_not(None))
    # What changed lately is looked up here.
    parts = [each.where(*fits) for each in (known, trials(UNKNOWN, also=[split]))]
    by_source = asked.among(led.SOURCES)
    if by_source.split or by_source.chosen:
        bought = Checkout.stripe_subscription_id == row.id
        touches = CheckoutTouches.checkout_id == Checkout.id
        parts = [
            each.outerjoin(Checkout, bought).outerjoin(CheckoutTouches, touches) for each in parts
        ]
    ended = union_all(*parts).subquery("trials")
    until = min(asked.until, asked.now)
    in_time = and_(ended.c.at >= asked.since, ended.c.at < until)
    return select(ended).where(in_time, ended.c.became != NO_TRIAL).subquery("ended")


async def trial_conversion(session: AsyncSession, asked: Asked) -> list[Line]:
    """Of the trials that ended, those whose first invoice was paid; and what became of the others."""
    ended = ended_trials(asked)
    rows = select(asked.step_at(ended.c.at).label("step"), ended.c.became, ended.c.split).subquery(
        "ended_trials"
    )
    found: defaultdict[str, defaultdict[str, Counts]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(int))
    )
    grouping = (rows.c.step, rows.c.became, rows.c.split)
    for step, became, split, count in await session.execute(
        select(*grouping, func.count()).group_by(*grouping)
    ):
        for place in (step, None):
            found[split][became][place] += count
            found[split]["ended"][place] += count

    def converted(of: dict[str, Counts]) -> Callable[[int | None], Cell]:
        return lambda at: share(of["paid"][at], of["ended"][at], of="trials that ended")

    return [
        line
        for split, of in sorted(found.items())
        for line in (
            line_of(converted(of), asked.steps, "converted", split=split),
            *(
                line_of(_number(of[name]), asked.steps, name, split=split)
                for name in ("ended", "paid", "lost", "pending")
            ),
        )
    ]


def registered(asked: Asked) -> Subquery:
    """Readers who verified an address in the period: `id`, `at` and `split`."""
    reader = (literal(READER) + Reader.id).label("whose")
    verified = Reader.email_verified_at
    known = (
        select(Reader.id, reader, verified.label("at"))
        .where(verified >= asked.since, verified < asked.until)
        .subquery("verified")
    )
    return with_split(known, asked).subquery("split_verified")


async def registrations(session: AsyncSession, asked: Asked) -> list[Line]:
    """Readers who verified an address."""
    split = registered(asked)
    rows = select(asked.step_at(split.c.at).label("step"), split.c.split).subquery("rows")
    found = counted()
    for step, value, count in await session.execute(
        select(rows.c.step, rows.c.split, func.count()).group_by(rows.c.step, rows.c.split)
    ):
        for place in (step, None):
            found[value][place] += count
    return [
        line_of(_number(found[value]), asked.steps, "all", split=value)
        for value in splits_of(asked, found)
    ]


async def sources(session: AsyncSession, asked: Asked) -> list[Line]:
    """New subscriptions by what led their buyers here first, and last."""
    counts: defaultdict[tuple[str, str], Counts] = defaultdict(lambda: defaultdict(int))
    for (touch, source, step), sold in (await sold_by_source(session, asked)).items():
        for place in (step, None):
            counts[touch, source][place] += sold
    return [
        line_of(_number(of), asked.steps, touch, split=source)
        for (touch, source), of in sorted(counts.items())
    ]


async def articles(session: AsyncSession, asked: Asked) -> list[Line]:
    """The articles at whose wall most was sold, with their walls and reads."""
    sold, _, gifts = await sold_by_article(session, asked)
    days = await by_article(session, asked)
    step = asked.step_on(days.c.day)
    rows = (
        select(step.label("step"), days.c.article_id, days.c.wall != "", days.c.rows)
        .subquery("by_article")
    )  # fmt: skip
    at, article, is_wall, number = rows.c
    seen: defaultdict[str, defaultdict[str, Counts]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(int))
    )
    for place_of, article_id, walled, count in await session.execute(
        select(at, article, is_wall, func.sum(number)).group_by(at, article, is_wall)
    ):
        for place in (place_of, None):
            seen[article_id]["walls" if walled else "reads"][place] += int(count)
    for article_id, counts in sold.items():
        seen[article_id] |= {"sales": counts, "gifts": gifts[article_id]}
    wanted = await of_section(session, asked, seen.keys())
    largest = sorted(
        wanted, key=lambda each: (-seen[each]["sales"][None], -seen[each]["walls"][None], each)
    )[:MOST_ARTICLES]
    named = await named_articles(session, largest)
    return [
        line_of(_number(seen[each][name]), asked.steps, name, **named[each])
        for each in largest
        for name in ("sales", "gifts", "walls", "reads")
    ]


async def of_section(
    session: AsyncSession, asked: Asked, articles: AbstractSet[str]
) -> AbstractSet[str]:
    """Those of the articles that are in the asked section now, where one is asked."""
    if not asked.chosen:
        return articles
    dimensions: Dimensions = {"section": func.coalesce(Article.section, literal(NO_SECTION))}
    return articles & set(
        await session.scalars(select(Article.id).where(*asked.filters(dimensions)))
    )


class NamedArticle(TypedDict):
    """A line's `split` and `article`."""

    split: str
    article: str


async def named_articles(session: AsyncSession, ids: Collection[str]) -> dict[str, NamedArticle]:
    """The articles' titles, of two with the same one with their slugs; deleted ones by their ids."""
    found = select(Article.id, Article.title, Article.slug).where(Article.id.in_(ids))
    named = list(await session.execute(found))
    often = Counter(row.title for row in named)
    titles = {
        row.id: row.title if often[row.title] == 1 else f"{row.title} ({row.slug})" for row in named
    }
    slugs = {row.id: row.slug for row in named}
    return {
        each: NamedArticle(split=titles.get(each, each), article=slugs.get(each, ""))
        for each in ids
    }


def _number(of: Counts) -> Callable[[int | None], Cell]:
    return lambda at: Cell(of[at])
