"""The page that says why an article is open or closed to a reader or a browser."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from service.content.rendering import AppRendering
from service.db.context import AppContext
from service.identity.permissions import Permission
from service.operators.frame.explained import Explained, ExplainForm, explained
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, page_requires
from service.reports.schemas import Storable

router = APIRouter(route_class=PageRoute, include_in_schema=False)

SeesDecisions = Annotated[Visit, Depends(page_requires(Permission.DECISIONS_READ))]
_FORESEEN = frozenset({"not-found", "invalid-email"})


class DecisionForm(ExplainForm):
    """`who` is a reader's address or id, or a browser's id in the ledger; empty: the form alone."""

    who: Annotated[str, Query(max_length=254), Storable] = ""


@router.get("/explain")
async def show_decision(
    request: Request,
    visit: SeesDecisions,
    asked: Annotated[DecisionForm, Query()],
    context: AppContext,
    rendering: AppRendering,
) -> Response:
    """The form, and what it asked for. What somebody has read or bought is for those who may see readers."""
    who, shown = asked.who.strip(), Explained(asked)
    if who:
        sees_readers = Permission.SUBSCRIBERS_READ in visit.operator.permissions
        shown = await explained(
            context, rendering, who, asked, sees_readers=sees_readers, foreseen=_FORESEEN
        )
    return page(request, "explain.html", explained=shown, who=who, status_code=shown.status_code)
