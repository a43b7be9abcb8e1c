"""Saved views of the list of readers, over the API."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from service.bodies import Body
from service.db.context import AppContext
from service.db.session import ReportSession
from service.db.tables import SavedView
from service.identity.audit import change_by
from service.identity.callers import Actor, requires
from service.identity.operators import find_operator
from service.identity.permissions import Permission
from service.operators.readers.views import (
    LONGEST_NAME,
    delete_view,
    read_filters,
    save_view,
    views_of,
)
from service.problems import Problem, invalid_field
from service.reports.schemas import Storable

router = APIRouter(prefix="/saved-views", tags=["operators"])

ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]
_Email = Annotated[str, Storable, Field(max_length=254)]


class ViewsQuery(BaseModel):
    """Whose views."""

    model_config = ConfigDict(extra="forbid")

    operator: _Email = ""
    """The operator's address; empty: those of the operator who asks. An API key must name one."""


AnyViews = Annotated[ViewsQuery, Query()]


class ViewIn(Body):
    """`filters` as in the address of the list, such as `kind=lapsed&plan=digital`."""

    name: Annotated[str, Storable, Field(min_length=1, max_length=LONGEST_NAME)]
    filters: Annotated[str, Storable, Field(max_length=3000)] = ""


class ViewOut(BaseModel):
    """A view as it is kept: without words that were searched for."""

    id: str
    name: str
    filters: str
    created_at: AwareDatetime

    @classmethod
    def of(cls, view: SavedView) -> Self:
        return cls.model_validate(view, from_attributes=True)


class ViewList(BaseModel):
    """All of one operator, by name: at most 50."""

    items: list[ViewOut]


@router.get("", summary="List an operator's saved views")
async def read_views(actor: ReadsSubscribers, asked: AnyViews, session: ReportSession) -> ViewList:
    """Filters of the list of readers, by their names. Needs the permission subscribers:read."""
    owner = await _owner(session, actor, asked.operator)
    return ViewList(items=[ViewOut.of(each) for each in await views_of(session, owner)])


@router.post("", status_code=201, summary="Save a view of the list of readers")
async def send_view(
    body: ViewIn, actor: ReadsSubscribers, asked: AnyViews, context: AppContext
) -> ViewOut:
    """Keep filters under a name. Words that are searched for are left out: they may be somebody's address.

    Needs the permission subscribers:read.
    """
    async with change_by(context, actor.label) as change:
        owner = await _owner(change.session, actor, asked.operator)
        return ViewOut.of(
            await save_view(change, owner, name=body.name, asked=read_filters(body.filters))
        )


@router.delete("/{view_id}", status_code=204, summary="Delete a saved view")
async def remove_view(
    view_id: Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9_]+$")],
    actor: ReadsSubscribers, asked: AnyViews, context: AppContext,
) -> None:  # fmt: skip
    """Repeating changes nothing. Needs the permission subscribers:read."""
    async with change_by(context, actor.label) as change:
        await delete_view(change, await _owner(change.session, actor, asked.operator), view_id)


async def _owner(session: AsyncSession, actor: Actor, email: str) -> str:
    """The operator whose views they are. Problems: `invalid-request`, `not-found`."""
    if actor.kind == "operator":
        if email:
            message = "Omit it: an operator has their own views. Only an API key names somebody."
            raise invalid_field("query.operator", message)
        return actor.id
    if not email:
        raise invalid_field("query.operator", "Name the operator whose views they are.")
    operator = await find_operator(session, email)
    if operator is None:
        raise Problem("not-found", "Operator not found. GET /v1/admin/operators lists them.")
    return operator.id
