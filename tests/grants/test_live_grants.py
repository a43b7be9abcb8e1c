"""A reader's live grants: the database finds them without reading those that have ended."""

from typing import Any

from sqlalchemy import event, text

from service.db.session import Database
from service.grants.store import live_grants_of
from tests.conftest import START


async def test_the_index_alone_finds_them(database: Database) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, given: Any, *_: object) -> None:
        asked.append((statement, given))

    is_postgresql = database.dialect == "postgresql"
    async with database.reading() as session:
        engine = (await session.connection()).engine.sync_engine
        if is_postgresql:
            # The table is empty: it would be read whole.
            await session.execute(text("SET LOCAL enable_seqscan = off"))
        event.listen(engine, "before_cursor_execute", note)
        try:
            assert await live_grants_of(session, "rdr_1", START) == []
        finally:
            event.remove(engine, "before_cursor_execute", note)
        ((statement, given),) = asked
        explain = "EXPLAIN" if is_postgresql else "EXPLAIN QUERY PLAN"
        connection = await session.connection()
        found = await connection.exec_driver_sql(f"{explain} {statement}", given)
        plan = [str(row) for row in found]
    how = "Index Cond" if is_postgresql else "USING INDEX"
    conditions = [step for step in plan if how in step]
    assert len(conditions) == 2
    assert all("reader_id" in step and "ends_at" in step for step in conditions)
