"""What is sold is asked for every two seconds, and what was sold last is kept while nobody answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.failures import database_unavailable
from service.db.session import Database
from service.offers.on_sale import FRESH, OnSale
from service.problems import Problem
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.patience import PATIENCE
from tests.reports.rows import offer

pytestmark = on_sqlite


class Watched:
    """The database, with the number of times that it was asked; `away`: it can't be; `silent`: it never answers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.asked = 0
        self.away = self.silent = False

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]:
        self.asked += 1
        if self.away:
            raise database_unavailable()
        return self._for_ever() if self.silent else self._database.reading()

    @asynccontextmanager
    async def _for_ever(self) -> AsyncIterator[AsyncSession]:
        await asyncio.Event().wait()
        async with self._database.reading() as session:
            yield session


class Selling:
    """What is sold, by `OnSale` over a watched database."""

    def __init__(
        self, database: Database, clocks: MovingClocks, longest_seconds: float = PATIENCE
    ) -> None:
        self.watched = Watched(database)
        self.database = database
        self.on_sale = OnSale(self.watched.reading, clocks, longest_seconds)

    async def sell(self, name: str) -> None:
        async with self.database.transaction() as session:
            session.add(offer(id=f"off_{name}", name=name))

    async def names(self) -> list[str]:
        return [item.name for item in (await self.on_sale.assortment()).items]


@pytest.fixture
async def selling(database: Database, clocks: MovingClocks) -> Selling:
    return Selling(database, clocks)


async def test_it_is_asked_for_every_two_seconds(selling: Selling, clocks: MovingClocks) -> None:
    await selling.sell("a")
    assert await selling.names() == ["a"]
    await selling.sell("b")
    assert await selling.names() == ["a"]
    clocks.travel(FRESH)
    assert await selling.names() == ["a", "b"]
    assert selling.watched.asked == 2


async def test_however_many_ask_the_database_is_asked_once(selling: Selling) -> None:
    await selling.sell("a")
    assert await asyncio.gather(*(selling.names() for _ in range(50))) == [["a"]] * 50
    assert selling.watched.asked == 1


async def test_what_changed_here_is_seen_at_once(selling: Selling) -> None:
    assert await selling.names() == []
    asking = asyncio.create_task(selling.names())
    await asyncio.sleep(0)
    await selling.sell("a")
    selling.on_sale.forget()
    assert await selling.names() == ["a"]
    await asking
    assert await selling.names() == ["a"]


async def test_what_was_made_of_it_goes_with_it(selling: Selling, clocks: MovingClocks) -> None:
    await selling.sell("a")
    first = await selling.on_sale.assortment()
    clocks.travel(FRESH)
    assert await selling.on_sale.assortment() is first
    await selling.sell("b")
    clocks.travel(timedelta(seconds=-3))  # a clock that was set back keeps nothing
    assert await selling.on_sale.assortment() is not first


async def test_while_the_database_is_away_the_last_is_kept(
    selling: Selling, clocks: MovingClocks
) -> None:
    selling.watched.away = True
    with pytest.raises(Problem):
        await selling.names()
    selling.watched.away = False
    await selling.sell("a")
    assert await selling.names() == ["a"]
    selling.watched.away = True
    clocks.travel(timedelta(hours=1))
    assert await selling.names() == ["a"]
    asked = selling.watched.asked
    assert [await selling.names() for _ in range(3)] == [["a"]] * 3
    assert selling.watched.asked == asked  # not by everybody who waits
    selling.watched.away = False
    await selling.sell("b")
    clocks.travel(FRESH)
    assert await selling.names() == ["a", "b"]


async def test_what_was_sold_last_is_kept_while_nobody_answers_at_all(
    database: Database, clocks: MovingClocks
) -> None:
    selling = Selling(database, clocks, longest_seconds=0.01)
    await selling.sell("a")
    assert await selling.names() == ["a"]
    selling.watched.silent = True
    clocks.travel(FRESH)
    assert await asyncio.gather(*(selling.names() for _ in range(20))) == [["a"]] * 20
    assert selling.watched.asked == 2, "once for all who wait, and for those who come later"
