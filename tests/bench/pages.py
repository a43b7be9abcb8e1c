"""Every page, list and file of the back office beside many times as many subscribers: all that its links lead to."""

import asyncio
import gc
from time import perf_counter

from service.app import close, create_app, make_ready
from service.clock import Clocks
from service.db.session import Database
from service.identity.cookies import cookie_name
from service.identity.operators import create_operator, open_operator_session
from service.running import Running
from service.settings import Settings
from tests.bench.asked_pages import Answer, Application, ask, kind_of, leads_to
from tests.bench.filled import filled
from tests.bench.said import Say
from tests.passwords import QUICK
from tests.postgres import PostgresServer

SUBSCRIBERS = 10_000
"""At scale 1."""
MOST_MS = 1_000
_QUICK_MS = 100
_SHOWN = 40


async def measured(url: str, rounds: int) -> dict[str, Answer]:
    """By kind of address, the best of the rounds; what is quick is asked once more."""
    settings = Settings(_env_file=None, database_url=url, time_zone="UTC", secret_key="bench" * 8)
    app = create_app(settings, gateway=None, clocks=Clocks(), passwords=QUICK)
    await make_ready(app.running)
    gc.freeze()
    try:
        cookie = await _signed_in(app.running, settings)
        return await _crawled(app, cookie, rounds)
    finally:
        await close(app.running)


async def _crawled(app: Application, cookie: str, rounds: int) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    left = ["/admin"]
    while left:
        address = left.pop(0)
        kind = kind_of(address)
        if kind in found:
            continue
        first = await ask(app, address, cookie)
        # A page's first time is spent on preparing statements and templates.
        again = rounds if first.ms > _QUICK_MS else 1
        answers = [await ask(app, address, cookie) for _ in range(again)]
        found[kind] = min(answers, key=lambda each: each.ms)
        if first.is_page:
            left += leads_to(address, first.body)
    return found


async def _signed_in(running: Running, settings: Settings) -> str:
    now = running.get(Clocks).wall()
    async with running.get(Database).transaction() as session:
        operator = await create_operator(
            session, email=f"bench{now:%H%M%S%f}@example.org", password="correct horse battery",
            role="admin", now=now, passwords=QUICK,
        )  # fmt: skip
        secret = await open_operator_session(session, operator, now=now, settings=settings)
    return f"{cookie_name('operator', settings)}={secret}"


def bench(server: PostgresServer, scale: int, rounds: int, say: Say, *, is_kept: bool) -> None:
    """A table of the slowest at the larger scale."""
    found: list[dict[str, Answer]] = []
    for subscribers in (SUBSCRIBERS, SUBSCRIBERS * scale):
        with filled(server, subscribers, say, is_kept=is_kept) as url:
            began = perf_counter()
            found.append(asyncio.run(measured(url, rounds)))
        say(f"{subscribers:,} subscribers: {perf_counter() - began:.0f} s to ask all pages")
    for line in table(*found):
        say(line)


def table(one: dict[str, Answer], many: dict[str, Answer]) -> list[str]:
    """The slowest first; of files until their first rows."""
    slowest = sorted(many, key=lambda kind: -many[kind].first_ms)
    lines = ["", "| address | ms at 1× | ms | its processor time here |", "|---|---|---|---|"]
    for kind in slowest[:_SHOWN]:
        small = f"{one[kind].first_ms:,.0f}" if kind in one else ""
        lines.append(
            f"| `{kind}` | {small} | {many[kind].first_ms:,.0f} | {many[kind].cpu_ms:,.0f} |"
        )
    failed = [f"{kind} ({each.status})" for kind, each in many.items() if each.status >= 400]
    slow = [kind for kind in slowest if many[kind].first_ms > MOST_MS]
    return [
        *lines, "",
        f"Above {MOST_MS:,} ms, of {len(many)}: {', '.join(slow) or 'none'}.",
        f"Not answered: {', '.join(failed) or 'none'}.",
    ]  # fmt: skip
