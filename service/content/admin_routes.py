"""Articles over HTTP as their publisher has them: published, changed, withdrawn, listed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response

from service.clock import AppClocks
from service.content.admin_view import admin_article, admin_summary
from service.content.cache import AppArticles
from service.content.change import ArticleChange, change_stored
from service.content.publish import etag_of, prepare, store_prepared, withdraw_article
from service.content.rendering import AppRendering
from service.content.schemas import (
    AdminArticle,
    AdminArticles,
    ArticleChangeIn,
    ArticleIn,
    Revision,
    Revisions,
    StaffQuery,
)
from service.content.staff_list import StaffFilter, conditions, list_for_staff, list_revisions
from service.content.store import get_row
from service.db.context import AppContext
from service.db.session import ReadSession, ReportSession, WriteSession
from service.html.list_query import AnyPage
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.problems import Problem
from service.rules.in_force import AppInForce
from service.rules.known import plan_warnings
from service.texts import is_slug

router = APIRouter(prefix="/v1/admin/articles", tags=["articles"])

IfMatch = Annotated[str | None, Header(description='The ETag last seen, such as `"v3"`, or `*`.')]
Reading = Annotated[Actor, Depends(requires(Permission.ARTICLES_READ))]
Writing = Annotated[Actor, Depends(requires(Permission.ARTICLES_WRITE))]


@router.get("")
async def list_all_articles(
    query: Annotated[StaffQuery, Query()],
    _: Reading,
    session: ReportSession,
    in_force: AppInForce,
    clocks: AppClocks,
) -> AdminArticles:
    """All articles that fit, drafts and withdrawn ones included, latest created first."""
    rules, now = in_force.rules.levels, clocks.business()
    chosen = StaffFilter(
        query.query or "", query.status, query.section or "", query.level, query.author or ""
    )
    filters = conditions(session, chosen, rules, now)
    page = await list_for_staff(session, filters, cursor=query.cursor, limit=query.limit)
    items = [admin_summary(article, rules, now) for article in page.items]
    return AdminArticles(items=items, next_cursor=page.next_cursor)


@router.get("/{slug}")
async def read_article(
    slug: str,
    response: Response,
    _: Reading,
    session: ReadSession,
    rendering: AppRendering,
    clocks: AppClocks,
    in_force: AppInForce,
) -> AdminArticle:
    """An article as sent, with its status and its cut. The ETag goes into `If-Match`."""
    article = await get_row(session, slug) if is_slug(slug) else None
    if article is None:
        raise Problem("article-not-found")
    response.headers["ETag"] = etag_of(article)
    warnings = await plan_warnings(session, article.plans)
    return await rendering(admin_article, article, in_force, clocks.business(), warnings)


@router.put("/{slug}", responses={201: {"model": AdminArticle}})
async def publish_article(
    slug: str,
    body: ArticleIn,
    response: Response,
    actor: Writing,
    context: AppContext,
    articles: AppArticles,
    rendering: AppRendering,
    in_force: AppInForce,
    if_match: IfMatch = None,
) -> AdminArticle:
    """Create (201) or replace (200) the article with this slug; repeating changes nothing."""
    now = context.clocks.business()
    # Before the transaction: SQLite's only writer isn't taken while a long text is rendered.
    prepared = await rendering(prepare, slug, body, in_force)
    async with context.database.transaction() as session:
        published = await store_prepared(
            session, prepared, if_match=if_match, actor=actor.label, now=now
        )
        warnings = await plan_warnings(session, published.article.plans)
        articles.drop_on_commit(session, slug)
    response.status_code = 201 if published.created else 200
    response.headers["ETag"] = etag_of(published.article)
    return await rendering(admin_article, published.article, in_force, now, warnings)


@router.patch("/{slug}", summary="Change an article's level or status")
async def change(
    slug: str,
    body: ArticleChangeIn,
    response: Response,
    actor: Writing,
    context: AppContext,
    articles: AppArticles,
    rendering: AppRendering,
    in_force: AppInForce,
    if_match: IfMatch = None,
) -> AdminArticle:
    """Change who may read the article, withdraw it or publish it again, without sending its text."""
    wanted = ArticleChange(body.access, body.status)
    changed = await change_stored(
        context, articles, rendering, slug, wanted, if_match=if_match, actor=actor.label
    )
    async with context.database.reading() as session:
        warnings = await plan_warnings(session, changed.plans)
    response.headers["ETag"] = etag_of(changed)
    now = context.clocks.business()
    return await rendering(admin_article, changed, in_force, now, warnings)


@router.get("/{slug}/revisions", summary="List an article's revisions")
async def read_revisions(
    slug: str, asked: AnyPage, _: Reading, session: ReportSession
) -> Revisions:
    """What each change sent and who sent it, the newest first."""
    article = await get_row(session, slug) if is_slug(slug) else None
    if article is None:
        raise Problem("article-not-found")
    page = await list_revisions(session, article, asked)
    items = [Revision.model_validate(each, from_attributes=True) for each in page.items]
    return Revisions(items=items, next_cursor=page.next_cursor)


@router.delete("/{slug}", status_code=204, summary="Withdraw an article")
async def withdraw(
    slug: str,
    actor: Writing,
    session: WriteSession,
    clocks: AppClocks,
    articles: AppArticles,
    if_match: IfMatch = None,
) -> None:
    """Take the article away from readers. It is kept, and a later PUT brings it back."""
    now = clocks.business()
    await withdraw_article(session, slug, if_match=if_match, actor=actor.label, now=now)
    articles.drop_on_commit(session, slug)
