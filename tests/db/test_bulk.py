"""What is inserted in the driver's own terms is what the usual way would have stored."""

from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from service.db.bulk import insert_objects, insert_rows
from service.db.session import Database
from service.db.tables import Consent, DomainEvent, RateLimit, Reader
from service.identity.readers import new_reader

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
COLUMNS = ("key", "count", "started_at", "ends_at")
KEPT = "ON CONFLICT (key) DO NOTHING"


async def stored(database: Database) -> list[tuple[str, int, datetime, datetime]]:
    async with database.reading() as session:
        found = await session.scalars(select(RateLimit).order_by(RateLimit.key))
        return [(row.key, row.count, row.started_at, row.ends_at) for row in found]


async def test_values_are_read_back_as_they_were_given(database: Database) -> None:
    local = NOON.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    later = NOON + timedelta(microseconds=7)
    rows = [
        ("a", 1, NOON, local),
        ("a1", 1, NOON, local),
        ("b", 2, later, NOON),
        ("b1", 2, NOON, later),
    ]
    await database.in_one_go(partial(insert_rows, table=RateLimit, columns=COLUMNS, rows=rows))
    async with database.transaction() as session:
        session.add(RateLimit(key="c", count=1, started_at=NOON, ends_at=local))
    found = await stored(database)
    assert found == [*rows, ("c", 1, NOON, local)]
    async with database.reading() as session:  # compared by the database, as by the usual way
        same = select(RateLimit.key).where(RateLimit.started_at == NOON, RateLimit.ends_at == local)
        assert list(await session.scalars(same.order_by(RateLimit.key))) == ["a", "a1", "c"]


async def test_the_ending_says_what_happens_to_rows_that_are_there(database: Database) -> None:
    for count in (1, 2):
        rows = [("a", count, NOON, NOON)]
        await database.in_one_go(
            partial(insert_rows, table=RateLimit, columns=COLUMNS, rows=rows, ending=KEPT)
        )
    assert [row[1] for row in await stored(database)] == [1]


async def test_no_row_is_no_statement(database: Database) -> None:
    await database.in_one_go(partial(insert_rows, table=RateLimit, columns=COLUMNS, rows=[]))
    assert await stored(database) == []


async def test_what_fails_is_taken_back(database: Database) -> None:
    rows = [("a", 1, NOON, NOON), ("a", 2, NOON, NOON)]
    work = partial(insert_rows, table=RateLimit, columns=COLUMNS, rows=rows)
    with pytest.raises(IntegrityError):
        await database.in_one_go(work)
    assert await stored(database) == []


@pytest.mark.parametrize("count", [1, 63, 64, 65, 150])
async def test_any_number_of_rows_is_stored(count: int, database: Database) -> None:
    rows = [(f"{n:03}", n, NOON, NOON) for n in range(count)]
    await database.in_one_go(partial(insert_rows, table=RateLimit, columns=COLUMNS, rows=rows))
    assert await stored(database) == rows


async def test_objects_of_several_tables_are_stored_in_an_order_that_their_keys_allow(
    database: Database,
) -> None:
    reader = new_reader("rdr_1", email="ana@example.org", now=NOON)
    consent = Consent(
        id="cns_1", reader_id="rdr_1", purpose="newsletter", given=True, wording="Yes", at=NOON,
        place="checkout",
    )  # fmt: skip
    event = DomainEvent(
        id="evt_1", type="reader.created", reader_id="rdr_1", subject_id="rdr_1", once="a",
        occurred_at=NOON, recorded_at=NOON, before=None, after={"words": "“é”", "number": 1},
    )  # fmt: skip
    async with database.transaction() as session:
        connection = await session.connection()
        await connection.run_sync(insert_objects, [consent, event, reader])
    async with database.reading() as session:
        assert (await session.get_one(Consent, "cns_1")).given is True
        stored_event = await session.get_one(DomainEvent, "evt_1")
        assert (stored_event.before, stored_event.after) == (None, {"words": "“é”", "number": 1})
        assert (await session.get_one(Reader, "rdr_1")).email == "ana@example.org"
