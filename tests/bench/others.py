"""Every other route's processor time beside the least it could be: bare FastAPI with the same bytes, and
the same statements ready-made to the same database.

How long statements take with more rows has its own bench (reports), and their number its own test. Here is
what checks, models, templates and SQLAlchemy add.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from statistics import median
from typing import Any

from sqlalchemy import Engine, event
from starlette.types import ASGIApp, Message

from service.db.context import context_in
from service.db.session import Database
from service.demo.multitude import Multitude
from service.demo.multitude_fill import fill
from service.identity.cookies import cookie_name
from service.identity.operators import create_operator, open_operator_session
from service.reports.day_rollup import count_days, count_past_habits
from tests.bench.plain import Answer, bare
from tests.bench.said import Say
from tests.inside import Paywall
from tests.passwords import QUICK

SUBSCRIBERS = 2_000
MOST = 3.0
_FEWEST, _ENOUGH_MS = 15, 5_000.0
"""Requests, and their milliseconds together, after which a row is known well enough."""
Asking = Callable[[], Awaitable[object]]
ROUTES = (
    ("a list of articles", "/v1/articles", ""),
    ("a search", "/v1/articles?q=harbour", ""),
    ("what is on sale", "/v1/offers", ""),
    ("a reader's own account, API", "/v1/me", "reader"),
    ("a reader's own account, page", "/account", "reader"),
    ("the front page", "/", "reader"),
    ("articles, API of the back office", "/v1/admin/articles", "staff"),
    ("readers, API of the back office", "/v1/admin/readers", "staff"),
    ("a report, API of the back office", "/v1/admin/reports/mrr", "staff"),
    ("the overview", "/admin", "operator"),
    ("the list of articles", "/admin/articles", "operator"),
    ("the list of readers", "/admin/readers", "operator"),
    ("a report's page", "/admin/reports/mrr", "operator"),
    ("the rules", "/admin/rules", "operator"),
)


async def once(app: ASGIApp, path: str, headers: dict[str, str]) -> Answer:
    """One GET straight to the application, without a client's or a server's cost."""
    path, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8000"), *((k.lower().encode(), v.encode()) for k, v in headers.items())],
        "client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 8000),
    }  # fmt: skip
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    await app(scope, receive, send)
    start = said[0]
    named = tuple((name.decode(), value.decode()) for name, value in start["headers"])
    return Answer(
        "GET", start["status"], named, b"".join(each.get("body", b"") for each in said[1:])
    )


@contextmanager
def recorded() -> Any:
    """The statements of all engines meanwhile, with their values, for asking them again."""
    seen: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        seen.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def cpu_ms(ask: Asking, times: int) -> float:
    """The median processor milliseconds of this process, threads of its drivers included.

    What takes long is asked fewer times.
    """
    taken: list[float] = []
    while len(taken) < times and (len(taken) < _FEWEST or sum(taken) < _ENOUGH_MS):
        began = time.process_time_ns()
        await ask()
        taken.append((time.process_time_ns() - began) / 1e6)
    return median(taken)


async def others(paywall: Paywall, rounds: int, pairs: int, say: Say) -> None:
    """A table of all routes; `rounds` × `pairs` requests each."""
    await fill(
        paywall.database, Multitude(SUBSCRIBERS, paywall.clocks.business().date()), lambda _: None
    )
    # As after the first night: what isn't counted yet is counted for each page anew.
    context = context_in(paywall.app.running)
    await count_days(context)
    while await count_past_habits(context):
        pass
    await paywall.sign_in("everything")
    cookies = {"reader": "; ".join(f"{k}={v}" for k, v in paywall.client.cookies.items())}
    cookies["operator"] = await _operator(paywall)
    head = {"": {}, "staff": paywall.staff, **{who: {"Cookie": c} for who, c in cookies.items()}}
    say(f"\n| route | ÷ the least | ms | bare FastAPI | its statements | target {MOST:.0f} |")
    say("|---|---|---|---|---|---|")
    for name, path, who in ROUTES:
        say(await _row(paywall, name, path, head[who], rounds * pairs))


async def _operator(paywall: Paywall) -> str:
    now = paywall.clocks.wall()
    async with paywall.database.transaction() as session:
        operator = await create_operator(
            session, email="boss@gazette.example", password="correct horse battery", role="admin",
            now=now, passwords=QUICK,
        )  # fmt: skip
        secret = await open_operator_session(session, operator, now=now, settings=paywall.settings)
    return f"{cookie_name('operator', paywall.settings)}={secret}"


async def _row(paywall: Paywall, name: str, path: str, headers: dict[str, str], times: int) -> str:
    async def ask() -> Answer:
        return await once(paywall.app, path, headers)

    for _ in range(3):
        answer = await ask()
    assert answer.status == 200, (path, answer.status, answer.body[:200])
    with recorded() as seen:
        await ask()
    plain = bare(answer)

    async def ask_plain() -> None:
        await once(plain, "/v1/articles/any", headers)

    async def ask_statements() -> None:
        await _again(paywall.database, seen)

    await ask_plain()
    await ask_statements()
    whole = await cpu_ms(ask, times)
    statements = await cpu_ms(ask_statements, times)
    beside = await cpu_ms(ask_plain, times)
    ratio = whole / (beside + statements)
    met = "met" if ratio <= MOST else "missed"
    return f"| {name} | {ratio:.1f} | {whole:.2f} | {beside:.2f} | {statements:.2f} ({len(seen)}) | {met} |"


async def _again(database: Database, seen: list[tuple[str, Any]]) -> None:
    """The same statements, ready-made, in one transaction."""
    async with database.reading() as session:
        connection = await session.connection()
        for statement, values in seen:
            if statement.startswith("SELECT"):
                (await connection.exec_driver_sql(statement, values)).all()
