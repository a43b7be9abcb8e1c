"""What led a holder here, as a split: the first source, the last one, and the first campaign."""

from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, literal, select
from sqlalchemy.orm import aliased

from service.db.tables import Touches
from service.metering.store import READER
from service.reports.asked import Asked, Dimensions
from service.reports.led import SOURCES, dimensions
from service.reports.queries import kept_rows


def with_split(rows: Subquery, asked: Asked, digits: int = 0) -> Select[Any]:
    """Rows that have `whose`, and `holder`, or else are of readers; those of the asked sources alone.

    They get `split`, by source where that is asked for; else it is that of the rows, or empty. With `digits` they are
    those of a sample (kept_rows.py), so that nobody else's sources are read.
    """
    columns = [each for each in rows.c if each.key != "split"]
    split: ColumnElement[Any] = rows.c.split if "split" in rows.c else literal("")
    by_source = asked.among(SOURCES)
    if not by_source.split and not by_source.chosen:
        return select(*columns, split.label("split"))
    own, device = aliased(Touches), aliased(Touches)
    known: Dimensions = dimensions(own)
    if "holder" in rows.c:
        # What led a device here goes along to its reader at the sign-in; after a purchase alone it doesn't.
        is_readers = and_(own.holder.is_(None), rows.c.whose != rows.c.holder)
        of_device = {
            name: select(led)
            .where(device.holder == rows.c.holder)
            .correlate(rows)
            .scalar_subquery()
            for name, led in dimensions(device).items()
        }
        known = {
            name: case((is_readers, func.coalesce(of_device[name], led)), else_=led)
            for name, led in known.items()
        }
    if by_source.split:
        split = by_source.split_of(known)
    # PostgreSQL would look through what led any device here.
    are_readers = [] if "holder" in rows.c else [own.holder.startswith(READER)]
    is_own = [own.holder == rows.c.whose, *are_readers]
    if digits:
        is_own.append(kept_rows.is_sampled(own.holder.expression, digits))
    found = select(*columns, split.label("split")).outerjoin(own, and_(*is_own))
    return found.where(*by_source.filters(known))
