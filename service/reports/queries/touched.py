"""What led a holder here, as a split: the first source, the last one, and the first campaign."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Subquery, case, literal, select, union_all

from service.db.tables import Touches
from service.reports.asked import Asked, Dimensions
from service.reports.led import SOURCES, dimensions
from service.reports.queries import kept_rows


def with_split(rows: Subquery, asked: Asked, digits: int = 0) -> Select[Any]:
    """Rows that have `whose`, and `holder` where that may be another; those of the asked sources alone.

    They get `split`, by source where that is asked for; else it is that of the rows, or empty. With `digits` they are
    those of a sample (kept_rows.py), so that nobody else's sources are read.
    """
    columns = [each for each in rows.c if each.key != "split"]
    split: ColumnElement[Any] = rows.c.split if "split" in rows.c else literal("")
    by_source = asked.among(SOURCES)
    if not by_source.split and not by_source.chosen:
        return select(*columns, split.label("split"))
    touches = _touches(digits)
    own, device = touches.alias(), touches.alias()
    known: Dimensions = dimensions(own.c)
    if "holder" in rows.c:
        # What led a device here goes along to its reader at the sign-in; after a purchase alone it doesn't.
        of_reader, of_device = known, dimensions(device.c)
        known = {
            name: case((own.c.holder.is_not(None), of_reader[name]), else_=of_device[name])
            for name in SOURCES
        }
    if by_source.split:
        split = by_source.split_of(known)
    found = select(*columns, split.label("split")).outerjoin(own, own.c.holder == rows.c.whose)
    if "holder" in rows.c:
        found = found.outerjoin(device, device.c.holder == rows.c.holder)
    return found.where(*by_source.filters(known))


def _touches(digits: int) -> FromClause:
    table = Touches.__table__
    if not digits:
        return table
    sample = kept_rows.of_sample(select(table), table.c.holder, digits)
    return union_all(*sample).cte("touches_of_sample")
