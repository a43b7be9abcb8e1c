"""What a start reads of gift links: the articles of those that are live and were opened, by their index."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, event, text

from service.db.session import Database
from service.db.tables import GiftLink
from service.grants.gift_links import opened_articles
from tests.conftest import START

_DAY = timedelta(days=1)


def link(number: int, **fields: Any) -> GiftLink:
    given: dict[str, Any] = {"readers": 0, "ends_at": START + _DAY, "ended_at": None, **fields}
    return GiftLink(
        id=f"gft_{number}", reader_id=f"rdr_{number}", article_id=f"art_{number % 500}", month=START,
        most_readers=10, created_at=START - _DAY, **given,
    )  # fmt: skip


async def test_the_articles_that_links_have_opened_are_found_by_their_index(
    database: Database,
) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_: Connection, __: object, statement: str, values: Any, *___: object) -> None:
        asked.append((statement, values))

    over: list[tuple[int, dict[str, datetime]]] = [
        (1, {"ends_at": START}),
        (2, {"ended_at": START - _DAY}),
    ]
    async with database.transaction() as session:
        session.add_all(link(number) for number in range(10, 3_000))
        session.add_all(link(number, readers=1, **fields) for number, fields in over)
        session.add_all(link(number, readers=2) for number in (3_003, 4, 3_504))
        await session.flush()
        await session.execute(text("ANALYZE"))
    async with database.reading() as session:
        engine = (await session.connection()).engine.sync_engine
        assert await opened_articles(session, START, after="art_3", most=9) == ["art_4"]
        assert await opened_articles(session, START, after="", most=1) == ["art_3"]
        event.listen(engine, "before_cursor_execute", note)
        try:
            assert await opened_articles(session, START, after="", most=9) == ["art_3", "art_4"]
        finally:
            event.remove(engine, "before_cursor_execute", note)
        explain = "EXPLAIN" if database.dialect == "postgresql" else "EXPLAIN QUERY PLAN"
        ((statement, values),) = asked
        connection = await session.connection()
        plan = str((await connection.exec_driver_sql(f"{explain} {statement}", values)).all())
    assert "ix_gift_links_live" in plan
