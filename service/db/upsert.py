"""INSERT … ON CONFLICT on either database: both know it, but SQLAlchemy spells it by dialect."""

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import Base


def insert_for(session: AsyncSession, table: type[Base]) -> "sqlite.Insert | postgresql.Insert":
    """An insert into `table` that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)
