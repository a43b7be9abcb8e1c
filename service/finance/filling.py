"""How far the first filling of money has come, so that it goes on where it was cut off."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from service.db.context import Context
from service.db.tables import MoneyFilling
from service.db.upsert import insert_for
from service.payments.books import BookedKind


@dataclass(frozen=True)
class Place:
    """Of one list, the newest first: everything that was made after `reached_at` is kept.

    None: nothing yet. `begun_at` is when it was first asked for; what was made since is asked for anew.
    """

    begun_at: datetime
    reached_at: datetime | None
    is_over: bool


async def places(context: Context) -> dict[str, Place]:
    """By kind; none: it was never begun."""
    async with context.database.reading() as session:
        found = await session.scalars(select(MoneyFilling))
        return {each.kind: Place(each.begun_at, each.reached_at, each.is_over) for each in found}


async def note_place(context: Context, kind: BookedKind, place: Place) -> None:
    """After the rows themselves: what is noted is kept."""
    values = {
        "begun_at": place.begun_at, "reached_at": place.reached_at, "is_over": place.is_over,
    }  # fmt: skip
    async with context.database.transaction() as session:
        statement = insert_for(session, MoneyFilling).values(kind=kind, **values)
        await session.execute(statement.on_conflict_do_update(index_elements=["kind"], set_=values))
