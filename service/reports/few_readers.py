"""Lists of readers in any order, of whom few or many fit: both are found without looking at all there are."""

from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Reader, Subscription

FEW = 5_000
"""Readers who may be named in a statement, and sorted."""


async def is_among(
    session: AsyncSession,
    whose: Select[Any],
    *,
    otherwise: ColumnElement[bool] | None = None,
    few: int = FEW,
) -> ColumnElement[bool]:
    """Whether a row of `Reader` is one of those whose ids `whose` selects.

    A few are named, wherever they are in the order. Of many the first page is found soon, reader by reader;
    `otherwise` says it of one, where that isn't `is_one_of`.
    """
    # Rows are counted: a reader may have several, and who counts readers has to sort all rows first.
    found = [*await session.scalars(whose.limit(few + 1))]
    if len(found) > few:
        return is_one_of(whose) if otherwise is None else otherwise
    return Reader.id.in_(sorted({each for each in found if each is not None}))


def is_one_of(whose: Select[Any]) -> ColumnElement[bool]:
    """The same, looked up reader by reader."""
    return whose.where(whose.selected_columns[0] == Reader.id).correlate(Reader).exists()


async def is_named(session: AsyncSession, query: str, *, few: int = FEW) -> ColumnElement[bool]:
    """Whether a part of an address means the reader, or the whole id of anything of theirs."""
    row = Subscription
    # An index holds addresses with ids, and is read in place of the table.
    by_address = func.lower(Reader.email).contains(query.casefold(), autoescape=True)
    by_stripe_id = select(row.reader_id).where(or_(row.id == query, row.customer_id == query))
    means = (by_address, Reader.id == query, Reader.id.in_(by_stripe_id))
    named = union_all(*(select(Reader.id).where(each) for each in means)).subquery("named")
    return await is_among(session, select(named.c.id), otherwise=or_(*means), few=few)
