"""The list of all readers, on both databases: each is found, by what they have or had."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, get_args

import pytest
from sqlalchemy import Connection, Engine, event, text

from service.db.base import Base
from service.db.session import Database
from service.db.tables import ReaderDevice
from service.reports.queries.habits import habits_on
from service.reports.readers import Kind, ReaderFacts, ReaderFilter, list_readers
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.figures_asked import HOME, asked
from tests.reports.rows import NOW

DAY = timedelta(days=1)


async def listed(
    database: Database, chosen: ReaderFilter, limit: int = 100
) -> dict[str, ReaderFacts]:
    """Everybody whom the filter lets through, page after page, by what is before the address's @."""
    found: dict[str, ReaderFacts] = {}
    cursor: str | None = None
    while True:
        async with database.reading() as session:
            page = await list_readers(
                session, chosen, cursor=cursor, limit=limit, now=NOW, zone=HOME
            )
        for each in page.items:
            name = (each.email or "nobody").partition("@")[0]
            assert name not in found
            found[name] = each
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.fixture
async def everybody(database: Database) -> Database:
    """A reader of each kind, one of two kinds, and those who are in no list."""
    offer, present = rows.offer(), rows.offer(kind="gift")
    names = (
        "sub",
        "lapsed",
        "back",
        "pass",
        "comped",
        "over",
        "account",
        "typed",
        "gone",
        "merged",
        "new",
        "awake",
    )
    readers = {
        name: rows.reader(
            email=f"{name}@example.org", created_at=NOW - place * DAY,
            email_verified_at=NOW if name in {"account", "sub"} else None,
            erased_at=NOW if name == "gone" else None,
            merged_into="rdr_other" if name == "merged" else None, pseudonym=f"ctm_{name}",
        )
        for place, name in enumerate(names)
    }  # fmt: skip
    paid = rows.checkout(readers["pass"], offer, NOW - DAY)
    since = {"sub": 90, "lapsed": 90, "back": 31, "new": 3, "awake": 90}
    bought = {name: rows.subscription(readers[name], offer) for name in since}
    bought["sub"].id, bought["sub"].customer_id = "sub_1", "cus_1"
    bought["lapsed"].status, bought["back"].status = "canceled", "past_due"
    article = rows.article("a", "A")
    # A subscription that is over may owe, too, and one that is overdue only by a charge that failed.
    debt = rows.invoice(bought["lapsed"])
    bought["new"].status = "past_due"
    added: list[Base] = [
        debt, rows.failed_charge(debt), rows.invoice(bought["new"]),
        offer, present, *readers.values(), article, *bought.values(),
        rows.subscription(readers["back"], offer, status="canceled"),
        *(
            rows.movement(bought[name], 1, NOW - ago * DAY, customer=f"ctm_{name}")
            for name, ago in since.items()
        ),
        rows.ending(bought["lapsed"], 2, NOW - DAY, customer="ctm_lapsed"),
        rows.read(article, NOW - 29 * DAY, holder="device:dev_awake"),
        rows.read(article, NOW - 30 * DAY, holder=f"reader:{readers['sub'].id}"),
        rows.read(article, NOW - DAY, holder=f"reader:{readers['sub'].id}", wall="subscribe"),
        ReaderDevice(device_id="dev_awake", reader_id=readers["awake"].id, linked_at=NOW),
        rows.grant(readers["comped"]),
        rows.grant(readers["over"], ends_at=NOW - DAY),
        paid, rows.bought_pass(readers["pass"], offer, paid),
        rows.bought_pass(readers["over"], present, paid),
    ]  # fmt: skip
    async with database.transaction() as session:
        await rows.put(session, *added)
    return database


async def test_each_reader_is_of_their_kinds(everybody: Database) -> None:
    found = await listed(everybody, ReaderFilter(), limit=3)
    assert {name: facts.kinds for name, facts in found.items()} == {
        "sub": ("subscriber", "paying", "sleeper", "registered"), "lapsed": ("owing", "lapsed"),
        "back": ("subscriber", "paying", "sleeper"),
        "pass": ("pass_buyer",), "comped": ("comped",), "over": (), "account": ("registered",),
        "typed": (), "new": ("subscriber", "paying"), "awake": ("subscriber", "paying"),
    }  # fmt: skip
    assert list(found) == [
        "sub", "lapsed", "back", "pass", "comped", "over", "account", "typed", "new", "awake",
    ]  # fmt: skip
    for kind in get_args(Kind):
        only = await listed(everybody, ReaderFilter(kind=kind))
        assert list(only) == [name for name, facts in found.items() if kind in facts.kinds]


async def test_sleepers_are_those_of_the_figure(everybody: Database) -> None:
    """As if the day ended now: of the four who pay, three paid 30 days ago, and two of them slept."""
    day = NOW.date()
    async with everybody.reading() as session:
        habits = await habits_on(session, asked(str(day), str(day), "day"), day)
    assert (habits.readers, habits.settled, habits.asleep) == (4, 3, 2)
    assert list(await listed(everybody, ReaderFilter(kind="sleeper"))) == ["sub", "back"]


@on_sqlite
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("ACCOUNT@", ["account"]),
        ("sub_1", ["sub"]),
        ("cus_1", ["sub"]),
        ("%", []),
        (
            "example.org",
            ["sub", "lapsed", "back", "pass", "comped", "over", "account", "typed", "new", "awake"],
        ),
    ],
)
async def test_the_search(everybody: Database, query: str, names: list[str]) -> None:
    assert list(await listed(everybody, ReaderFilter(query))) == names


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_page_is_found_by_the_index(database: Database, is_first: bool) -> None:
    """However many readers there are, none but the page's are sorted."""
    asked: list[tuple[str, Any]] = []

    def note(_: Connection, __: object, statement: str, values: Any, *___: object) -> None:
        asked.append((statement, values))

    async with database.transaction() as session:
        session.add_all(rows.reader(created_at=NOW - timedelta(minutes=n)) for n in range(3_000))
        await session.flush()
        await session.execute(text("ANALYZE"))
    async with database.reading() as session:
        first = await list_readers(
            session, ReaderFilter(), cursor=None, limit=20, now=NOW, zone=HOME
        )
        cursor = None if is_first else first.next_cursor
        engine = (await session.connection()).engine.sync_engine
        with listening(engine, note):
            await list_readers(session, ReaderFilter(), cursor=cursor, limit=20, now=NOW, zone=HOME)
        explain = "EXPLAIN" if database.dialect == "postgresql" else "EXPLAIN QUERY PLAN"
        statement, values = asked[0]
        connection = await session.connection()
        plan = str((await connection.exec_driver_sql(f"{explain} {statement}", values)).all())
    assert "ix_readers_newest" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


@contextmanager
def listening(engine: Engine, note: Callable[..., None]) -> Iterator[None]:
    event.listen(engine, "before_cursor_execute", note)
    yield
    event.remove(engine, "before_cursor_execute", note)
