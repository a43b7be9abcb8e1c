"""The reader's page of all that is open to them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import select

from service.db.context import AppContext
from service.db.session import ReadSession
from service.db.tables import Article
from service.grants.grants import article_scope
from service.grants.store import live_page
from service.html.list_query import ListQuery
from service.identity.callers import SignedInReader
from service.web.account import given_line
from service.web.pages import GET, PageRoute, page

router = APIRouter(route_class=PageRoute, include_in_schema=False)
OPEN = "/account/access"


@router.api_route(OPEN, methods=GET)
async def show_access(
    request: Request,
    caller: SignedInReader,
    asked: Annotated[ListQuery, Query()],
    session: ReadSession,
    context: AppContext,
) -> Response:
    """What is open now, in sentences, with the articles that passes and gifts open."""
    now, zone = context.clocks.business(), context.settings.zone
    found = await live_page(session, caller.reader_id, now, cursor=asked.cursor, limit=asked.limit)
    begin = article_scope("")
    ids = [each.scope.removeprefix(begin) for each in found.items if each.scope.startswith(begin)]
    rows = await session.execute(
        select(Article.id, Article.slug, Article.title).where(Article.id.in_(ids))
    )
    articles = {article_scope(row.id): row for row in rows}
    shown = [
        (given_line(each.source, each.scope, each.ends_at, zone), articles.get(each.scope))
        for each in found.items
    ]
    return page(
        request, "access.html", shown=shown, next_cursor=found.next_cursor, asked=asked, path=OPEN
    )
