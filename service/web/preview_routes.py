"""An article in the newspaper's design as each audience sees it, for the newsroom."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response

from service.access.audience import NOT_SIGNED_IN, Audience, seen_by
from service.content.store import get_article
from service.db.context import AppContext
from service.db.session import ReadSession
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.offers.on_sale import OnSale
from service.problems import Problem
from service.rules.in_force import AppInForce
from service.running import running_of
from service.texts import is_slug
from service.web.article import article_page, seen_view
from service.web.pages import PageRoute, problem_page
from service.web.sign_in import Visitor


class StaffRoute(PageRoute):
    """A newspaper page for the staff: who isn't signed in is led to the back office."""

    def page_about(self, request: Request, problem: Problem) -> Response:
        link = "/admin/sign-in" if problem.slug == "unauthenticated" else "/admin"
        return problem_page(request, problem, link=link)


router = APIRouter(route_class=StaffRoute, include_in_schema=False)
Reads = Annotated[Actor, Depends(requires(Permission.ARTICLES_READ))]


@router.get("/articles/{slug}/preview")
async def preview_article(
    request: Request,
    slug: Annotated[str, Path(max_length=1000)],
    _: Reads,
    session: ReadSession,
    context: AppContext,
    in_force: AppInForce,
    audience: Annotated[Audience, Query(alias="as")] = "anonymous",
    prompt: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Drafts and withdrawn articles too. Nothing is counted or recorded.

    `prompt` is the name of one that is shown to this audience, a draft too.
    """
    article = await get_article(session, slug) if is_slug(slug) else None
    if article is None:
        raise Problem("article-not-found")
    assortment = await running_of(request).get(OnSale).assortment(session)
    shown = next((each for each in in_force.rules.prompts if each.name == prompt), None)
    if prompt and shown is None:
        raise Problem("not-found", f"Prompt {prompt} not found. Save the rules first.")
    seen = seen_by(audience, article, assortment, context, in_force, shown)
    view = seen_view(article, seen, in_force, context.clocks.business())
    visitor = Visitor(
        is_signed_in=audience not in NOT_SIGNED_IN,
        can_sign_in=audience in NOT_SIGNED_IN and context.settings.readers_can_sign_in,
    )
    return article_page(request, view, [], visitor, preview=audience, prompt=prompt)
