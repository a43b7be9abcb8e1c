"""The newsroom's pages: the list of articles, and one article with what can be changed of it."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.audience import AUDIENCES
from service.bodies import TYPED
from service.content.admin_view import admin_article
from service.content.cache import AppArticles
from service.content.change import ArticleChange, change_stored
from service.content.rendering import AppRendering, Rendering
from service.content.schemas import AccessIn
from service.content.staff_list import list_revisions, sections_for_staff
from service.content.store import get_row
from service.content.written import traced
from service.db.context import AppContext, Context
from service.db.session import ReportSession
from service.db.tables import ArticleRevision
from service.html.list_query import ListQuery
from service.html.redirect import see_other
from service.identity.permissions import Permission
from service.operators.articles import words
from service.operators.articles.revised import revised
from service.operators.frame.field_words import refusal_of
from service.operators.frame.names import names_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.periods import asked_or_usual, days_of, refused_list, status_of
from service.operators.frame.visits import Seen, Visit, form_requires, page_requires
from service.problems import Problem
from service.reports.article_list import figures_of, list_article_figures
from service.reports.article_schemas import AnyArticles, ArticlesQuery
from service.reports.schemas import Storable
from service.rules.in_force import AppInForce, InForce
from service.rules.known import plan_warnings
from service.texts import is_slug

router = APIRouter(prefix="/articles", route_class=PageRoute, include_in_schema=False)
DONE = {
    "access": "Saved. Readers see the new level at once.",
    "withdraw": "Withdrawn. Readers can’t see the article any more.",
    "publish": "Published. Readers can see it now.",
}
REVISIONS_SHOWN = 10

SeesArticles = Annotated[Visit, Depends(page_requires(Permission.ARTICLES_READ))]
ChangesArticles = Annotated[Visit, Depends(form_requires(Permission.ARTICLES_WRITE))]
Slug = Annotated[str, Path(max_length=200)]
Number = Annotated[str, Form(max_length=10), Storable]


class ArticleQuery(ArticlesQuery):
    """The period of the figures, the page of revisions, and what was done."""

    limit: Annotated[int, Field(ge=1, le=100)] = REVISIONS_SHOWN
    done: Annotated[str, Field(max_length=20, exclude=True)] = ""


AnyArticle = Annotated[ArticleQuery, Query()]


@router.get("")
async def show_articles(
    request: Request,
    _: SeesArticles,
    asked: AnyArticles,
    session: ReportSession,
    context: AppContext,
    in_force: AppInForce,
) -> Response:
    """All articles that fit, with their level and what they did in the period."""
    settings = context.settings
    form: dict[str, Any] = {
        "asked": asked,
        "words": words,
        "sections": await sections_for_staff(session),
    }
    try:
        period = asked.asked(settings, context.clocks.business())
    except Problem as problem:
        return refused_list(request, "articles.html", problem, form)
    found = await list_article_figures(
        session, asked.chosen(), period, rules=in_force.rules.levels, order=asked.sort,
        cursor=asked.cursor, limit=asked.limit,
    )  # fmt: skip
    return page(
        request, "articles.html", found=found, period=period.period,
        typed=days_of(period.period), refusal="", **form,
    )  # fmt: skip


@router.get("/{slug}")
async def show_article(
    request: Request,
    _: SeesArticles,
    slug: Slug,
    asked: AnyArticle,
    session: ReportSession,
    context: AppContext,
    rendering: AppRendering,
    in_force: AppInForce,
) -> Response:
    """One article: its level, its figures, its previews and revisions."""
    return await _page(request, slug, asked, session, context, in_force, rendering)


@router.post("/{slug}")
async def send_change(
    request: Request,
    visit: ChangesArticles,
    slug: Slug,
    context: AppContext,
    articles: AppArticles,
    rendering: AppRendering,
    in_force: AppInForce,
    change: Annotated[Literal["access", "withdraw", "publish"], Form()],
    seen: Seen,
    level: Annotated[str, Form(max_length=20)] = "",
    plans: Annotated[str, Form(max_length=900)] = "",
    free_hours: Number = "",
    subscribers_after_days: Number = "",
    free_after_days: Number = "",
    sure: Annotated[str, Form()] = "",
) -> Response:
    """Change the level, withdraw or publish again; or show the page again with why not."""
    schedule = {
        "free_hours": free_hours or None, "subscribers_after_days": subscribers_after_days or None,
        "free_after_days": free_after_days or None,
    }  # fmt: skip
    try:
        wanted = _wanted(change, level, plans, schedule, sure)
        await change_stored(
            context, articles, rendering, slug, wanted, seen=seen, actor=visit.operator.label
        )  # fmt: skip
    except Problem as problem:
        if problem.slug not in {"invalid-request", "article-changed", "changed-meanwhile"}:
            raise
        typed = {"level": level, "plans": plans, **schedule} if change == "access" else None
        async with context.database.slow_reading("reports") as session:
            return await _page(
                request, slug, ArticleQuery(), session, context, in_force, rendering,
                refusal=problem, typed=typed,
            )  # fmt: skip
    return see_other(f"/admin/articles/{slug}?done={change}")


def _wanted(
    change: str, level: str, plans: str, schedule: dict[str, str | None], sure: str
) -> ArticleChange:
    """What the form asks for. Raises Problem `invalid-request`."""
    if change == "withdraw" and not sure:
        raise Problem("invalid-request", "Nothing was withdrawn: select “I am sure” first.")
    if change != "access":
        return ArticleChange(status="withdrawn" if change == "withdraw" else "published")
    sent: dict[str, Any] = {
        "level": level or None, "plans": plans.replace(",", " ").split(), "schedule": schedule,
    }  # fmt: skip
    try:
        return ArticleChange(access=AccessIn.model_validate(sent, context=TYPED))
    except ValidationError as error:
        told = refusal_of("/admin/articles", error.errors())
        raise Problem("invalid-request", f"Nothing was changed. {told}") from error


def _typed(access: AccessIn) -> dict[str, str | None]:
    """What is stored, as the form has it."""
    schedule = access.schedule.model_dump() if access.schedule else {}
    hours = {name: str(value) for name, value in schedule.items() if value is not None}
    return {"level": access.level or "", "plans": " ".join(access.plans), **hours}


async def _page(
    request: Request,
    slug: str,
    asked: ArticleQuery,
    session: AsyncSession,
    context: Context,
    in_force: InForce,
    rendering: Rendering,
    *,
    refusal: Problem | None = None,
    typed: Mapping[str, str | None] | None = None,
) -> Response:
    row = await get_row(session, slug) if is_slug(slug) else None
    if row is None:
        raise Problem("article-not-found", "Article not found. Check the list.")
    now = context.clocks.business()
    period, days, wrong = asked_or_usual(asked, context)
    found = await figures_of(session, row, period, rules=in_force.rules.levels)
    revisions = await list_revisions(session, row, asked)
    older: Sequence[ArticleRevision] = ()
    if (following := revisions.next_cursor) is not None:
        older = (await list_revisions(session, row, ListQuery(cursor=following, limit=1))).items
    documents = [each.document for each in (*revisions.items, *older)]
    changes = [
        (each, revised(document, before))
        for each, document, before in zip_longest(revisions.items, documents, documents[1:])
        if each is not None
    ]
    warnings = await plan_warnings(session, row.plans)
    article = await rendering(admin_article, row, in_force, now, warnings)
    return page(
        request, "article.html", status_code=status_of(refusal, wrong), days=days, wrong=wrong,
        found=found, seen=traced(row), asked=asked, typed=typed or _typed(article.access), was_typed=typed is not None,
        period=period.period, words=words, revisions=revisions, changes=changes, refusal=refusal,
        article=article, audiences=AUDIENCES,
        notice=DONE.get(asked.done),
        names=await names_of(session, [each.actor for each in revisions.items]),
    )  # fmt: skip
