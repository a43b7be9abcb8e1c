"""Which large tables SQLite reads whole for what it is asked."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import Engine, event, make_url

from service.db.context import Context
from service.db.session import Database
from service.upkeep import pruning_tasks
from tests.conftest import MovingClocks, settings_of

SMALL = {
    "crawlers", "experiments", "institutions", "offers", "rules_versions", "signing_keys",
    "webhook_endpoints",
    "revoked_claims",  # it forgets with the tokens
}  # fmt: skip
_LOOKS_UP = re.compile(r"(SELECT|UPDATE|DELETE|WITH)\b.*\bWHERE\b", re.DOTALL)
_WHOLE = re.compile(r"SCAN (?!CONSTANT)(\w+)")


@contextmanager
def scans(url: str) -> Iterator[dict[str, str]]:
    """Filled at the end: large tables that a statement of this process looks something up in row by row
    meanwhile, each with the statement. Other databases than SQLite aren't looked at.

    Nor is what goes through all rows once an hour to take away the old ones: it begins a minute after
    a start, so a test's speed would decide whether it is seen.
    """
    context = Context(settings_of(url), MovingClocks(), Database(url))
    later = {task.name for task in pruning_tasks(context)}
    asked: dict[str, Any] = {}
    found: dict[str, str] = {}

    def note(_connection: object, _cursor: object, statement: str, given: Any, *_: object) -> None:
        task = asyncio.current_task()
        if _LOOKS_UP.match(statement) and (task is None or task.get_name() not in later):
            asked.setdefault(statement, given[0] if isinstance(given, list) else given)

    is_looked_at = make_url(url).get_backend_name() == "sqlite"
    if is_looked_at:
        event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        if is_looked_at:
            event.remove(Engine, "before_cursor_execute", note)
    if is_looked_at:
        with closing(sqlite3.connect(make_url(url).database or "")) as connection:
            for statement, given in asked.items():
                for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", given):
                    table = _WHOLE.match(step)
                    if table and table[1] not in SMALL:
                        found[table[1]] = statement
