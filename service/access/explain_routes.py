"""Why a reader may or may not read an article, for the staff."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from service.access.explain import explain
from service.access.explain_schemas import ExplainQuery, ExplanationOut
from service.content.rendering import AppRendering
from service.db.context import AppContext
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission

router = APIRouter(prefix="/v1/admin/explain", tags=["reading"])

ReadsDecisions = Annotated[Actor, Depends(requires(Permission.DECISIONS_READ))]


@router.get("", summary="Explain a decision")
async def read_explanation(
    actor: ReadsDecisions,
    asked: Annotated[ExplainQuery, Query()],
    context: AppContext,
    rendering: AppRendering,
) -> ExplanationOut:
    """What unlock would answer, or would have answered, and why: each rule with what it saw.

    Needs the permission decisions:read, which comes with subscribers:read. Without the latter `reader_id`, `recorded`
    and `said` are null: whom an address belongs to, what they have read, and what they bought. Nor is a grant or a
    meter shown that decided nothing.
    """
    found = await explain(
        context,
        rendering,
        reader=asked.reader,
        article=asked.article,
        at=asked.at,
        sees_readers=Permission.SUBSCRIBERS_READ in actor.permissions,
        entry=asked.entry,
    )
    return ExplanationOut.of(found)
