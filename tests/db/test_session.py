"""One request, one transaction: committed before the answer, rolled back by a problem."""

import ast
import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI, Response
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import IntegrityError

from service.boundary import Boundary
from service.db import engines
from service.db.session import Database, ReadSession, WriteSession
from service.db.tables import Reader
from service.identity.readers import find_reader
from service.problems import Problem, install_handlers
from service.running import Running, RunningApp
from tests.conftest import START


def reader(name: str) -> Reader:
    return Reader(id=name, email=f"{name}@example.org", email_verified_at=None, created_at=START)


def application(database: Database) -> FastAPI:
    app = RunningApp(Running(database))
    install_handlers(app)
    app.add_middleware(Boundary, max_body_bytes=1024)

    @app.post("/stored/{name}")
    async def store(name: str, session: WriteSession) -> dict[str, str]:
        session.add(reader(name))
        return {"stored": name}

    @app.post("/commit-fails/{name}")
    async def commit_fails(name: str, session: WriteSession) -> dict[str, str]:
        session.add(reader(name))
        event.listen(session.sync_session, "before_commit", _fail)
        return {"stored": name}

    @app.post("/raised/{name}")
    async def raise_problem(name: str, session: WriteSession) -> None:
        session.add(reader(name))
        await session.flush()
        raise Problem("forbidden")

    @app.post("/returned/{name}")
    async def return_problem(name: str, session: WriteSession) -> Response:
        session.add(reader(name))
        return Problem("forbidden").response()

    @app.get("/{name}")
    async def look(name: str, session: ReadSession) -> dict[str, bool]:
        return {"there": await find_reader(session, name) is not None}

    return app


def _fail(_: object) -> None:
    raise RuntimeError("the disk is full")


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=application(database))
    async with httpx2.AsyncClient(transport=transport, base_url="http://news.test") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status", "stays"),
    [
        ("stored", 200, True),
        ("commit-fails", 500, False),
        ("raised", 403, False),
        ("returned", 403, True),
    ],
)
async def test_the_answer_tells_what_was_committed(
    client: httpx2.AsyncClient, path: str, status: int, stays: bool
) -> None:
    answer = await client.post(f"/{path}/rd_1")

    assert answer.status_code == status
    assert (await client.get("/rd_1")).json() == {"there": stays}


async def test_an_error_of_the_database_holds_no_values(database: Database) -> None:
    async with database.transaction() as session:
        session.add(reader("rd_1"))

    with pytest.raises(IntegrityError) as caught:
        async with database.transaction() as session:
            session.add(reader("rd_1"))

    assert "rd_1@example.org" not in str(caught.value)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_connection_that_ended_meanwhile_is_replaced_before_it_is_used(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: set[int] = set()

    async def look() -> None:
        async with database.reading() as session:
            pids.add(await session.scalar(text("SELECT pg_backend_pid()")) or 0)

    async def end_all() -> None:
        await asyncio.gather(*(look() for _ in range(3)))
        beside = Database(database.url)
        async with beside.reading() as session:
            for pid in pids:
                await session.execute(text(f"SELECT pg_terminate_backend({pid}, 5000)"))
        await beside.dispose()
        pids.clear()

    await end_all()
    monkeypatch.setattr(engines, "FRESH_SECONDS", 0.0)
    await asyncio.gather(*(look() for _ in range(3)))
    # One that was just used is believed: a request is told to come again, and nobody after it.
    await end_all()
    monkeypatch.setattr(engines, "FRESH_SECONDS", 60.0)
    outcomes = await asyncio.gather(look(), look(), return_exceptions=True)
    assert all(isinstance(each, Problem) for each in outcomes if each is not None)
    await asyncio.gather(*(look() for _ in range(3)))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_type_that_a_migration_changed_costs_one_request(database: Database) -> None:
    migrating = Database(database.url)

    async def change(statement: str) -> None:
        async with migrating.transaction() as session:
            await session.execute(text(statement))

    async def look() -> None:
        async with database.reading() as session:
            await session.execute(text("SELECT amount FROM amounts"))

    await change("CREATE TABLE amounts (amount integer)")
    await look()
    await change("ALTER TABLE amounts ALTER COLUMN amount TYPE bigint")
    with pytest.raises(Problem, match="database-unavailable"):
        await look()
    await look()
    await change("DROP TABLE amounts")
    await migrating.dispose()


async def test_what_holds_up_its_own_end_is_left_to_itself(database: Database) -> None:
    """As a question to a server that fell silent does: neither who asks nor who counts waits for that."""
    may_end, is_cancelled = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        try:
            await may_end.wait()
        finally:
            is_cancelled.set()
            await may_end.wait()

    with pytest.raises(Problem, match="database-unavailable"):
        await database.in_time(stubborn(), 0.01)
    await is_cancelled.wait()
    assert not may_end.is_set()
    may_end.set()


SERVICE = Path(__file__).parents[2] / "service"


def locked_entities() -> Iterator[tuple[str, str]]:
    """Each statement that locks a table's rows and loads them whole, with where it is."""
    for file in sorted(SERVICE.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if "simulator" in file.parts or "with_for_update" not in text:
            continue
        tree = ast.parse(text)
        called = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Attribute)}
        for node in ast.walk(tree):
            # Of a chain of calls the last one has the whole of it.
            if not isinstance(node, ast.Call) or id(node) in called:
                continue
            code = ast.unparse(node)
            if re.search(r"\bget(_one)?\(\w+, .*with_for_update=", code) or re.match(
                r"select\([A-Z]\w*[,)].*\.with_for_update\(", code
            ):
                yield f"{file.relative_to(SERVICE)}:{node.lineno}", code


def test_what_is_locked_is_read_anew() -> None:
    """Else a row that the session has loaded before keeps its old facts, which others may have changed since."""
    found = dict(locked_entities())
    assert len(found) > 15
    assert [place for place, code in found.items() if "populate_existing=True" not in code] == []


async def test_a_database_that_was_left_can_be_used_again(database: Database) -> None:
    """In each way: a lone server prepares the database of its application and leaves it, then serves by it."""

    def one(connection: Connection) -> int:
        found: int = connection.execute(text("SELECT 1")).scalar_one()
        return found

    for _ in range(3):
        async with database.transaction() as session:
            assert await session.scalar(text("SELECT 1")) == 1
        async with database.reading() as session:
            assert await session.scalar(text("SELECT 1")) == 1
        async with database.slow_reading("search") as session:
            assert await session.scalar(text("SELECT 1")) == 1
        assert await database.in_one_go(one) == 1
        assert await database.by_statement(one) == 1
        await database.dispose()
