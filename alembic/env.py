"""Runs the migrations on the connection that service/db/migrate.py hands over."""

from typing import Any, Literal

from sqlalchemy import text

from alembic import context
from service.db.base import Json, UtcDateTime
from service.db.tables import all_tables

LOCK_TIMEOUT = "5s"
connection = context.config.attributes["connection"]


def render_item(kind: str, item: Any, autogen_context: Any) -> str | Literal[False]:
    """Write our column types by their short names."""
    if kind != "type" or not isinstance(item, Json | UtcDateTime):
        return False
    autogen_context.imports.add("from service.db.base import Json, UtcDateTime")
    return f"{type(item).__name__}()"


# For the whole session, and committed before Alembic looks whether a transaction runs: it would
# leave all migrations in that one, and the first one's locks would be held until the last one's end.
if connection.dialect.name == "sqlite":
    # The copy takes the table's name: SQLite would refuse that while a report's view names the table.
    connection.execute(text("PRAGMA legacy_alter_table = ON"))
else:
    # A migration that waits for a lock would make every later query wait behind it.
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
connection.commit()
# SQLite can't alter most things in place: batch mode copies the table.
context.configure(
    connection=connection,
    target_metadata=all_tables(),
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    render_item=render_item,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
