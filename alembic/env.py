"""Runs the migrations on the connection that service/db/migrate.py hands over."""

from typing import Any, Literal

from sqlalchemy import text

from alembic import context
from service.db.base import Json, UtcDateTime
from service.db.tables import Base

LOCK_TIMEOUT = "5s"
connection = context.config.attributes["connection"]


def render_item(kind: str, item: Any, autogen_context: Any) -> str | Literal[False]:
    """Write our column types by their short names."""
    if kind != "type" or not isinstance(item, Json | UtcDateTime):
        return False
    autogen_context.imports.add("from service.db.base import Json, UtcDateTime")
    return f"{type(item).__name__}()"


# SQLite can't alter most things in place: batch mode copies the table.
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    render_item=render_item,
    transaction_per_migration=True,
)
if connection.dialect.name == "sqlite":
    # The copy takes the table's name: SQLite would refuse that while a report's view names the table.
    connection.execute(text("PRAGMA legacy_alter_table = ON"))
with context.begin_transaction():
    if connection.dialect.name == "postgresql":
        # A migration that waits for a lock would make every later query wait behind it.
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    context.run_migrations()
