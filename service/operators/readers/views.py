"""Views of the list of readers that an operator comes back to."""

from functools import cache
from urllib.parse import parse_qsl

from pydantic import ValidationError
from sqlalchemy import Select, bindparam, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.tables import SavedView
from service.identity.audit import Change
from service.problems import Problem
from service.reports.schemas import ReadersQuery

LONGEST_NAME = 80
MOST_VIEWS = 50


async def views_of(session: AsyncSession, operator_id: str) -> list[SavedView]:
    """The operator's own, by name."""
    return list(await session.scalars(_views_of_one(), {"operator_id": operator_id}))


@cache
def _views_of_one() -> Select[SavedView]:
    """Built once: that takes longer than to execute it."""
    found = select(SavedView).where(SavedView.operator_id == bindparam("operator_id"))
    return found.order_by(SavedView.name, SavedView.id)


def read_filters(filters: str) -> ReadersQuery:
    """The list that an address asks for. Problem `invalid-request`."""
    try:
        return ReadersQuery.model_validate(dict(parse_qsl(filters)))
    except ValidationError as error:
        raise Problem(
            "invalid-request", "Not saved: search first, then save what you see."
        ) from error


async def save_view(
    change: Change, operator_id: str, *, name: str, asked: ReadersQuery
) -> SavedView:
    """Keep the filters of a list under a name, but not what was searched for: it may be somebody's address,
    which erasing must find. Problem `invalid-request` says what can't be kept.
    """
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise Problem(
            "invalid-request", f"Not saved: a name has 1 to {LONGEST_NAME} visible characters."
        )
    mine = select(func.count()).where(SavedView.operator_id == operator_id)
    if (await change.session.scalar(mine) or 0) >= MOST_VIEWS:
        raise Problem(
            "invalid-request", f"Not saved: you have {MOST_VIEWS} views. Delete one first."
        )
    view = SavedView(
        id=new_id("viw"), operator_id=operator_id, name=name,
        filters=asked.address("", query="").removeprefix("?"), created_at=change.clocks.business(),
    )  # fmt: skip
    change.session.add(view)
    await change.session.flush()
    return view


async def delete_view(change: Change, operator_id: str, view_id: str) -> None:
    """Forget one of the operator's own; another's or none is left as it is."""
    theirs = (SavedView.id == view_id, SavedView.operator_id == operator_id)
    await change.session.execute(delete(SavedView).where(*theirs))
