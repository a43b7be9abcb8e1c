"""What a reader is shown costs no second connection, and a read that was counted isn't refused for it."""

import asyncio
from itertools import product
from typing import Any

import pytest

from service.access.occasion import Arrival
from service.access.shown import Showing
from service.db.context import Context
from service.db.session import Database
from service.identity.callers import Caller
from service.offers.on_sale import OnSale
from service.rules.document import of_settings
from service.rules.in_force import InForce
from service.rules.prompts import Prompt
from service.rules.rules import Rules
from service.settings import Settings
from tests.access.test_prompts import put
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.patience import PATIENCE
from tests.statements import statements

MORE_THAN_CONNECTIONS = 24
NOBODY_ANSWERS = "postgresql://nobody@127.0.0.1:1/none"
RESTS = Prompt("b", "Thank you", "", place="notice", sections=frozenset({"News"}), every_days=7)
READER = Caller(reader_id="rdr_1", verified=True)


@pytest.mark.parametrize("slug", ["closed", "open"])
async def test_more_readers_than_connections_look_at_once(paywall: Paywall, slug: str) -> None:
    """One that held a connection and waited for another would wait for those who do the same."""
    await paywall.publish("closed", access={"level": "subscribers"})
    await paywall.publish("open", access={"level": "free"})
    await put(
        paywall,
        {"name": "a", "title": "Thank you", "place": "notice", "audiences": ["gift", "anonymous"]},
        {"name": "b", "title": "A gift", "audiences": ["gift"]},
    )
    await paywall.unlock("a")
    await paywall.sign_in()
    on_sale = paywall.app.running.get(OnSale)

    async def ask(path: str) -> int:
        on_sale.forget()
        return (await paywall.client.get(path)).status_code

    paths = [f"/articles/{slug}", f"/v1/articles/{slug}/access"]
    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(
            *(ask(path) for path, _ in product(paths, range(MORE_THAN_CONNECTIONS)))
        )
    assert set(answers) == {200}


def rules(settings: Settings, *prompts: Prompt) -> InForce:
    made = of_settings(settings).as_rules(settings)
    return InForce(settings, Rules(made.levels, made.meters, prompts))


@on_sqlite
async def test_while_the_database_is_away_nothing_is_said_beside_an_article(
    settings: Settings, clocks: MovingClocks
) -> None:
    away = Database(NOBODY_ANSWERS, patience=1)
    showing = Showing(Context(settings, clocks, away), OnSale(away.reading, clocks))
    notice = Prompt("a", "Thank you", "", place="notice")
    in_force = rules(settings, notice)
    assert await showing.beside(READER, Arrival(), {}, in_force, metered=False) == (None, None)
    await away.dispose()


@on_sqlite
async def test_nobody_is_asked_who_reads_where_nothing_is_said(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    showing = Showing(Context(settings, clocks, database), OnSale(database.reading, clocks))
    met = Arrival("News", "en", "search")
    others: list[dict[str, Any]] = [
        {"sections": frozenset({"Sport"})}, {"languages": frozenset({"pt"})},
        {"entries": frozenset({"direct"})}, {"place": "countdown"}, {"place": "wall"},
    ]  # fmt: skip
    said = [Prompt("a", "Thank you", "", **{"place": "notice", **each}) for each in others]
    with statements() as seen:
        for in_force in (rules(settings, *said), rules(settings, *said, RESTS)):
            found = await showing.beside(READER, met, {RESTS.key: 6}, in_force, metered=False)
            assert found == (None, None)
    assert not seen
    for days in (7, 8):
        _, beside = await showing.beside(READER, met, {RESTS.key: days}, in_force, metered=False)
        assert beside is not None
        assert beside.prompts == [RESTS]
