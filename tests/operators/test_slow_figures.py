"""A slow figure takes nothing else from the first page, and the list's next pages count none."""

import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from html import unescape
from math import inf

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.failures import NoTurn, database_unavailable
from service.db.session import Database, Slow
from service.problems import Problem
from tests.databases import on_sqlite
from tests.operators.test_board import SignedIn, shown
from tests.reports import rows
from tests.reports.figures_asked import store

pytestmark = on_sqlite


class SlowDatabase(Database):
    """Ends the statements of what is counted in the sessions whose numbers are in `slow`, from 1 on.

    Those in `busy` get no turn, and from `away` on the database can't be reached.
    """

    slow: Collection[int] = ()
    busy: Collection[int] = ()
    away = inf
    sessions = 0

    @asynccontextmanager
    async def slow_reading(self, kind: Slow) -> AsyncIterator[AsyncSession]:
        self.sessions += 1
        if self.sessions in self.slow:
            raise Problem("takes-too-long")
        if self.sessions in self.busy:
            raise NoTurn
        if self.sessions >= self.away:
            raise database_unavailable()
        async with super().slow_reading(kind) as session:
            yield session


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[SlowDatabase]:
    database = SlowDatabase(database_url)
    yield database
    await database.dispose()


async def test_a_slow_figure_leaves_the_others_on_the_page(
    signed_in: SignedIn, database: SlowDatabase
) -> None:
    browser = await signed_in("viewer")
    database.sessions, database.slow = 0, {2, 4}
    page = await shown(browser)
    assert page.count("too long to load") == 2
    assert '<h2 id="figures">Right now</h2>' in page
    late = page[page.index('id="card-mrr"') : page.index('id="card-mrr-movements"')]
    assert "This took too long to load" in late
    report = re.search(r'<a href="([^"]*)">Open the report', late)
    assert report is not None
    assert report[1].startswith("/admin/reports/mrr?from=")
    assert "This took too long" not in page[page.index('id="card-mrr-movements"') :]


async def test_a_figure_that_gets_no_turn_is_late_too(
    signed_in: SignedIn, database: SlowDatabase
) -> None:
    browser = await signed_in("viewer")
    database.sessions, database.busy = 0, {2, 4}
    page = await shown(browser)
    assert page.count("too long to load") == 2
    database.sessions, database.away = 0, 4
    assert (await browser.get("/admin")).status_code == 503
    database.away = 0
    problem = await browser.get("/admin/readers?query=ann&status=active")
    assert 'href="/admin/readers?query=ann&amp;status=active">Try again</a>' in problem.text


async def test_of_the_lists_next_pages_no_figure_is_counted(
    signed_in: SignedIn, database: SlowDatabase
) -> None:
    offer, readers = rows.offer(), [rows.reader() for _ in range(60)]
    await store(database, offer, *readers, *(rows.subscription(each, offer) for each in readers))
    browser = await signed_in("viewer")
    first = await shown(browser)
    assert "<title>Today · " in first
    further = re.search(r'href="(/admin\?[^"]*cursor=[^"]*)"', first)
    assert further is not None
    database.sessions = 0
    page = unescape((await browser.get(further[1])).text)
    assert database.sessions == 1
    assert "<title>More subscribers · " in page
    assert "<h1>More subscribers</h1>" in page
    assert 'id="card-' not in page
    assert 'id="subscribers"' in page
