"""INSERT … ON CONFLICT on either database: both know it, but SQLAlchemy spells it by dialect."""

from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import Base

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


def insert_for(session: AsyncSession, table: type[Base]) -> "sqlite.Insert | postgresql.Insert":
    """An insert into `table` that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    if session.get_bind().dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite  # noqa: PLC0415 each is long, and a service has one of them

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 as above

    return postgresql.insert(table)
