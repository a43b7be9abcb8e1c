"""Articles over HTTP: public teasers."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.clock import AppClocks
from service.content.cache import AppArticles
from service.content.level import level_at
from service.content.store import list_articles
from service.content.teaser import summary
from service.content.teaser_schemas import Teaser, Teasers, TeasersQuery
from service.content.visibility import earliest, is_visible, next_minute
from service.db.context import AppContext
from service.db.session import AppDatabase
from service.html.public_answer import encode, max_age, public_answer, public_redirect
from service.identity.declarations import PUBLIC
from service.problems import Problem
from service.rules.in_force import AppInForce

router = APIRouter(tags=["articles"])


@router.head("/v1/articles", include_in_schema=False, dependencies=[PUBLIC])
@router.get("/v1/articles", response_model=Teasers, dependencies=[PUBLIC])
async def list_teasers(
    request: Request,
    query: Annotated[TeasersQuery, Query()],
    context: AppContext,
    in_force: AppInForce,
) -> Response:
    """Teasers of visible articles, latest first. Public and cacheable up to the next whole minute, when
    newsrooms publish.
    """
    now, database = context.clocks.business(), context.database
    async with database.slow_reading("search") if query.q else database.reading() as session:
        page = await list_articles(session, **query.model_dump(), now=now)
    held = [level_at(article, in_force.rules.levels, now) for article in page.items]
    items = [
        summary(article, in_force, level) for article, level in zip(page.items, held, strict=True)
    ]
    changes_at = earliest((next_minute(now), *(level.until for level in held)))
    document = encode({"items": items, "next_cursor": page.next_cursor})
    return public_answer(request, document, max_age(changes_at, now))


@router.head("/v1/articles/{slug}", include_in_schema=False, dependencies=[PUBLIC])
@router.get(
    "/v1/articles/{slug}",
    response_model=Teaser,
    response_model_exclude_unset=True,
    responses={301: {"description": "The article has another slug now: `Location`."}},
    dependencies=[PUBLIC],
)
async def read_teaser(
    slug: str, request: Request, articles: AppArticles, database: AppDatabase, clocks: AppClocks
) -> Response:
    """The public part of an article; never metered. Public and cacheable.

    301 where the article has another slug now.
    """
    now = clocks.business()
    entry = await articles.entry(database, slug)
    if entry is None:
        moved = await articles.moved(database, slug)
        if moved is not None and is_visible(moved, now):
            return public_redirect(f"/v1/articles/{moved.slug}")
    if entry is None or not is_visible(entry.article, now):
        raise Problem("article-not-found")
    return public_answer(request, entry.teaser, max_age(entry.until, now))
